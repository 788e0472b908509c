"""`gateway`: sensor readings as JSON objects, with or without newlines, never answered.

Contract: WIRE.md, "gateway"; source document 001.
"""

from collections import deque
from typing import Final

import msgspec

from logboom.formats import ndjson
from logboom.model import Acker, Batch, Receipt
from logboom.protocols.objects import ObjectScanner, Refusal

_NUMBERS: Final = ("temp", "rh", "lux")


class _Reading(msgspec.Struct, gc=False):
    """The required fields; `id` and `irradiance` are optional."""

    time: object
    temp: float
    rh: float
    lux: float


_DECODER: Final = ndjson.entry_decoder(_Reading, strict=False)


def no_reply(_receipt: Receipt) -> bytes:
    """A gateway never gets a byte."""
    return b""


class GatewayProtocol:
    """One gateway connection."""

    __slots__ = ("_eof", "_found", "_scanner")
    name = "gateway"
    fatal: str | None = None

    def __init__(self, *, line_bytes_max: int = 16384) -> None:
        self._scanner = ObjectScanner(line_bytes_max)
        self._found: deque[bytes | Refusal] = deque()
        self._eof = False

    def receive_data(self, data: bytes | memoryview) -> None:
        """See `model.WireProtocol`."""
        self._scanner.feed(data)

    def receive_eof(self) -> None:
        """See `model.WireProtocol`."""
        self._eof = True

    def next_batch(self) -> tuple[Batch, Acker] | None:
        """See `model.WireProtocol`."""
        if not self._found:
            self._found.extend(self._scanner.scan(eof=self._eof))
        if not self._found:
            return None
        first = self._found[0]
        if isinstance(first, Refusal):
            self._found.popleft()
            refused = Batch(b"", bytes([first.verdict]), size_bytes=first.size_bytes, reasons=(first.reason,))
            return refused, no_reply
        return judge(b"\n".join(self._objects())), no_reply

    def _objects(self) -> list[bytes]:
        """Take the objects up to the next refusal."""
        objects = []
        while self._found and isinstance(self._found[0], bytes):
            objects.append(self._found.popleft())
        return objects  # type: ignore[return-value]

    def data_to_send(self) -> bytes:
        """Nothing, ever."""
        return b""

    def buffered_bytes(self) -> int:
        """See `model.WireProtocol`."""
        return len(self._scanner)


def judge(chunk: bytes) -> Batch:
    """Judge objects, one a line. Anything Python's `float()` takes is a number: `" 24.1"` is one too."""
    batch = ndjson.judge_all(chunk, _DECODER)
    return batch if batch is not None else ndjson.judge_each(chunk, _DECODER, rescue=_castable)


def _castable(line: bytes) -> bool:
    entry = msgspec.json.decode(line)
    if "time" not in entry:
        return False
    try:
        for name in _NUMBERS:
            float(entry[name])
    except (KeyError, TypeError, ValueError):
        return False
    return True
