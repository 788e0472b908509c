"""`capnp`: length-prefixed packed Cap'n Proto messages, never answered.

Contract: docs/contracts/capnp.md.
"""

from typing import Final

from logboom.formats.capnp_entry import decode
from logboom.formats.capnp_hello import HELLO_START, BadHelloError, identity
from logboom.framing.frames import HEADER_BYTES, LengthFramer
from logboom.model import Acker, Batch, Verdict
from logboom.receivers.gateway.protocol import no_reply

HEARTBEAT: Final = bytes(HEADER_BYTES)
"""A frame without a payload."""
HEARTBEAT_POLLS: Final = 10
"""Clients that said hello get a heartbeat every 10 s; the server asks every second for bytes to send."""
ENTRIES_GROWTH_MAX: Final = 4
"""Entries have twice the bytes of usual messages. Messages made to grow further count for more than they took
on the wire, so that flow control sees the memory that they hold."""

_FOREIGN: Final = {
    b"GET ": "HTTP",
    b"POST": "HTTP",
    b"HTTP": "HTTP",
    b"\x16\x03\x01\x02": "TLS",
    b"\x16\x03\x01\x00": "TLS",
}
"""Lengths that mean that a client speaks another protocol."""


class CapnpProtocol:
    """One Cap'n Proto connection. The first bad message is its end: the protocol has no negative answer."""

    __slots__ = ("_eof", "_frame_bytes_max", "_frames", "_greeted", "_polls", "fatal", "identity")
    name = "capnp"

    def __init__(self, *, frame_bytes_max: int = 1 << 20) -> None:
        self._frame_bytes_max = frame_bytes_max
        self._frames = LengthFramer(frame_bytes_max, alone=HELLO_START)
        self._greeted = False
        self._polls = 0
        self._eof = False
        self.fatal: str | None = None
        self.identity: str | None = None
        """Identity that the client has given itself; used for the batches from then on."""

    def receive_data(self, data: bytes | memoryview) -> None:
        """See `model.WireProtocol`."""
        if self.fatal is None:
            self._frames.feed(data)

    def receive_eof(self) -> None:
        """See `model.WireProtocol`."""
        self._eof = True

    def next_batch(self) -> tuple[Batch, Acker] | None:
        """See `model.WireProtocol`."""
        batch = None
        while self.fatal is None and batch is None:
            payloads, size_bytes = self._frames.take()
            if not size_bytes:
                batch = self._rest()
                break
            if payloads:
                batch = (
                    self._greet(payloads[0])
                    if payloads[0].startswith(HELLO_START)
                    else self._judge(payloads, size_bytes)
                )
        return None if batch is None else (batch, no_reply)

    def _judge(self, payloads: list[bytes], size_bytes: int) -> Batch:
        """The batch of these messages, the last of which may be the connection's end."""
        entries, levels, trouble = decode(payloads)
        verdicts = bytes(len(levels))
        if trouble is not None:
            self._end(trouble)
            verdicts += bytes([Verdict.NOT_JSON])
        size_bytes = max(size_bytes, len(entries) // ENTRIES_GROWTH_MAX)
        return Batch(entries, verdicts, size_bytes=size_bytes, levels=levels)

    def _greet(self, payload: bytes) -> Batch | None:
        try:
            name = identity(payload)
        except BadHelloError as error:
            return self._refuse(Verdict.NOT_JSON, len(payload), str(error))
        self._greeted = True
        self.identity = name or self.identity
        return None

    def _rest(self) -> Batch | None:
        """No frame is complete: wait for more, unless the next one is too long or will never be complete."""
        size = self._frames.next_size
        if size is not None and size > self._frame_bytes_max:
            return self._refuse(Verdict.TOO_LONG, HEADER_BYTES, self._explain_size(size))
        held = len(self._frames)
        if not self._eof or not held:
            return None
        self._frames.clear()
        expected = HEADER_BYTES if size is None else HEADER_BYTES + size
        reason = f"the connection ended inside a frame, after {held} of {expected} bytes"
        return Batch(b"", bytes([Verdict.NOT_JSON]), size_bytes=held, reasons=(reason,))

    def _explain_size(self, size: int) -> str:
        speaks = _FOREIGN.get(size.to_bytes(HEADER_BYTES, "big"))
        hint = f"; the client seems to speak {speaks}" if speaks else ""
        return f"frame of {size} bytes, the limit is {self._frame_bytes_max} (frame_bytes_max){hint}"

    def _refuse(self, verdict: Verdict, size_bytes: int, reason: str) -> Batch:
        """End the connection; the batch counts the refused messages, `fatal` has the reason."""
        self._end(reason)
        return Batch(b"", bytes([verdict]), size_bytes=size_bytes, levels=[])

    def _end(self, reason: str) -> None:
        self.fatal = reason
        self._frames.clear()

    def data_to_send(self) -> bytes:
        """A heartbeat at every tenth call, to clients that said hello: older ones read nothing."""
        if not self._greeted:
            return b""
        self._polls = (self._polls + 1) % HEARTBEAT_POLLS
        return b"" if self._polls else HEARTBEAT

    def buffered_bytes(self) -> int:
        """See `model.WireProtocol`."""
        return len(self._frames)
