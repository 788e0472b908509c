"""`gateway`: sensor readings as JSON objects, with or without newlines, never answered.

Contract: docs/contracts/gateway.md.
"""

from typing import Final

import msgspec

from logboom.formats import ndjson
from logboom.formats.records import reading_of
from logboom.framing.objects import ObjectScanner, Refusal
from logboom.model import REASONS_MAX, Acker, Batch, Receipt


class _Reading(msgspec.Struct, gc=False):
    """The required fields; `id` and `irradiance` are optional."""

    time: msgspec.Raw
    temp: float
    rh: float
    lux: float


_DECODER: Final = ndjson.entry_decoder(_Reading, strict=False)


def no_reply(_receipt: Receipt) -> bytes:
    """A gateway never gets a byte."""
    return b""


class GatewayProtocol:
    """One gateway connection."""

    __slots__ = ("_eof", "_scanner")
    name = "gateway"
    fatal: str | None = None
    identity: str | None = None

    def __init__(self, *, line_bytes_max: int = 16384) -> None:
        self._scanner = ObjectScanner(line_bytes_max)
        self._eof = False

    def receive_data(self, data: bytes | memoryview) -> None:
        """See `model.WireProtocol`."""
        self._scanner.feed(data)

    def receive_eof(self) -> None:
        """See `model.WireProtocol`."""
        self._eof = True

    def next_batch(self) -> tuple[Batch, Acker] | None:
        """See `model.WireProtocol`."""
        found = self._scanner.scan(eof=self._eof)
        if not found:
            return None
        return judge(found), no_reply

    def data_to_send(self) -> bytes:
        """Nothing, ever."""
        return b""

    def buffered_bytes(self) -> int:
        """See `model.WireProtocol`."""
        return len(self._scanner)


def judge(found: list[bytes | Refusal]) -> Batch:
    """One batch of what the scanner found: garbage between objects must not cost a turn and a log line a piece."""
    refusals = [piece for piece in found if isinstance(piece, Refusal)]
    if len(refusals) == len(found):
        batch = Batch(b"", b"", size_bytes=0)
    else:
        chunk = b"\n".join([piece for piece in found if isinstance(piece, bytes)])
        good = ndjson.judge_all(chunk, _DECODER)
        batch = good if good is not None else _judge_each(chunk)
    if refusals:
        judged = iter(batch.verdicts)
        batch.verdicts = bytes(
            [piece.verdict if isinstance(piece, Refusal) else next(judged) for piece in found]
        )
        batch.size_bytes += sum(refusal.size_bytes for refusal in refusals)
        batch.reasons += tuple(refusal.reason for refusal in refusals[: REASONS_MAX - len(batch.reasons)])
    return batch


def _judge_each(chunk: bytes) -> Batch:
    """Judge objects one by one; bytes that are not UTF-8 are replaced first, so that the reading is kept."""
    if not ndjson.is_utf8(chunk):
        chunk = chunk.decode(errors="replace").encode()
    return ndjson.judge_each(chunk, _DECODER, rescue=_is_reading)


def _is_reading(line: bytes) -> bool:
    """Return whether an object is a reading after all: more are numbers to `float()` than to the decoder."""
    entry = msgspec.json.decode(line)
    return "time" in entry and reading_of(entry) is not None
