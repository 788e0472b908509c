"""GELF over UDP: messages that are packed, and messages that are sent in chunks, in bounded memory."""

import zlib
from collections import OrderedDict
from typing import Final

from logboom.model import Batch, Verdict
from logboom.receivers.gelf.gelf_message import batch_of_messages

CHUNK_MARK: Final = b"\x1e\x0f"
CHUNK_HEADER_BYTES: Final = 12
"""The mark, eight bytes of the message's number, place and count, a byte each."""
CHUNKS_MAX: Final = 128
"""Chunks of one message (specification)."""

CHUNKS_S_MAX: Final = 5.0
"""Time for the chunks of a message, seconds (specification)."""
PENDING_MAX: Final = 1000
"""Messages that wait for chunks, of all senders; the oldest are given up first."""
PENDING_BYTES_MAX: Final = 16 << 20
"""Bytes of their chunks."""

_ANY_HEADER: Final = 47
"""zlib and gzip are told apart by zlib (zlib manual, inflateInit2)."""


class _Pending:
    """One message that waits for chunks."""

    __slots__ = ("begun", "chunks", "count", "size_bytes")

    def __init__(self, count: int, begun: float) -> None:
        self.count = count
        self.begun = begun
        self.chunks: dict[int, bytes] = {}
        self.size_bytes = 0


class GelfDatagrams:
    """All datagrams of one listener.

    Args:
        message_bytes_max: longest message, unpacked.
    """

    def __init__(self, message_bytes_max: int) -> None:
        self._limit = message_bytes_max
        self._pending: OrderedDict[tuple[str, bytes], _Pending] = OrderedDict()
        self._pending_bytes = 0
        self._given_up = 0

    @property
    def pending_bytes(self) -> int:
        """Bytes of chunks that wait for others."""
        return self._pending_bytes

    def read(self, datagrams: list[bytes], peer: str, now: float) -> Batch | None:
        """See `model.DatagramProtocol`."""
        found: list[bytes | str] = []
        for datagram in datagrams:
            whole = self._join(datagram, peer, now) if datagram.startswith(CHUNK_MARK) else datagram
            if whole is not None:
                found.append(whole if isinstance(whole, str) else self._unpack(whole))
        return batch_of_messages(found, sum(map(len, datagrams))) if found else None

    def expire(self, now: float) -> Batch | None:
        """See `model.DatagramProtocol`."""
        while self._pending and now - next(iter(self._pending.values())).begun > CHUNKS_S_MAX:
            self._give_up()
        count, self._given_up = self._given_up, 0
        if not count:
            return None
        reason = f"{count} messages whose chunks did not all come within {CHUNKS_S_MAX:.0f} s"
        return Batch(b"", bytes([Verdict.NOT_JSON]) * count, size_bytes=count, levels=[], reasons=(reason,))

    def _join(self, datagram: bytes, peer: str, now: float) -> bytes | str | None:
        """Take a chunk; return the message once it is complete, or the reason why it is none."""
        if len(datagram) < CHUNK_HEADER_BYTES:
            return f"a chunk of {len(datagram)} bytes"
        number, place, count = datagram[2:10], datagram[10], datagram[11]
        if not 0 < count <= CHUNKS_MAX or place >= count:
            return f"chunk {place} of {count}"
        data = datagram[CHUNK_HEADER_BYTES:]
        if count == 1:
            return data
        key = (peer, number)
        pending = self._pending.get(key)
        if pending is None:
            pending = self._pending[key] = _Pending(count, now)
        if place not in pending.chunks:
            pending.chunks[place] = data
            pending.size_bytes += len(data)
            self._pending_bytes += len(data)
        if len(pending.chunks) == pending.count:
            del self._pending[key]
            self._pending_bytes -= pending.size_bytes
            return b"".join([pending.chunks[one] for one in sorted(pending.chunks)])
        while len(self._pending) > PENDING_MAX or self._pending_bytes > PENDING_BYTES_MAX:
            self._give_up()
        return None

    def _give_up(self) -> None:
        _, oldest = self._pending.popitem(last=False)
        self._pending_bytes -= oldest.size_bytes
        self._given_up += 1

    def _unpack(self, data: bytes) -> bytes | str:
        """Return the message of packed or plain bytes; how it is packed is visible in the first ones."""
        if data[:2] == b"\x1f\x8b" or (
            data[:1] == b"\x78" and data[1:2] in (b"\x01", b"\x5e", b"\x9c", b"\xda")
        ):
            unpacking = zlib.decompressobj(_ANY_HEADER)
            try:
                data = unpacking.decompress(data, self._limit + 1)
            except zlib.error as error:
                return f"damaged packing: {error}"
            if not unpacking.eof and len(data) <= self._limit:
                return "the packing ends too early"
        return (
            data
            if len(data) <= self._limit
            else f"a message of more than {self._limit} bytes (line_bytes_max)"
        )
