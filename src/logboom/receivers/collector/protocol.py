"""`collector`: NDJSON with one status reply per line; plain, or in gzip frames.

Contract: docs/contracts/collector.md.
"""

from typing import Final

import msgspec

from logboom.formats import ndjson
from logboom.framing.joint import JointLines, Settlement
from logboom.framing.jsonlines import JsonLines
from logboom.model import Acker, Batch, Receipt, Verdict
from logboom.receivers.collector.gzipframes import GzipFrames, looks_framed

REPLIES: Final = {
    Verdict.ACCEPTED: b'{"status":"ok","message":"received"}\n',
    Verdict.DUPLICATE: b'{"status":"ok","message":"received"}\n',
    Verdict.FILTERED: b'{"status":"ok","message":"filtered"}\n',
    Verdict.NOT_JSON: b'{"status":"error","message":"invalid JSON"}\n',
    Verdict.NOT_OBJECT: b'{"status":"error","message":"expected JSON object"}\n',
    Verdict.MISSING_FIELD: b'{"status":"error","message":"missing required fields: level, message"}\n',
    Verdict.TOO_LONG: b'{"status":"error","message":"line too long"}\n',
    Verdict.FAILED: b'{"status":"error","message":"storage unavailable"}\n',
}
_LIMITED: Final = b'{"status":"error","message":"rate limit exceeded","retry_after_s":%d}\n'


class _Entry(msgspec.Struct, gc=False):
    """The required fields, of any type: nothing is lost over a number where a word was expected."""

    level: object
    message: msgspec.Raw


_DECODER: Final = ndjson.entry_decoder(_Entry)


def reply(receipt: Receipt) -> bytes:
    """One status line a wire line, in wire order."""
    verdicts = receipt.verdicts
    first = verdicts[0]
    if first != Verdict.LIMITED and verdicts.count(first) == len(verdicts):
        return REPLIES[Verdict(first)] * len(verdicts)
    retry_after_s = max(1, -int(-receipt.retry_after_s // 1))
    table = {**REPLIES, Verdict.LIMITED: _LIMITED % retry_after_s}
    return b"".join([table[Verdict(verdict)] for verdict in verdicts])


class CollectorProtocol(JointLines):
    """One collector connection; its first bytes determine which of the two modes it speaks."""

    __slots__ = ("_eof", "_frames_bytes_max", "_head", "_lines", "line_bytes_max")
    name = "collector"
    fatal: str | None = None
    identity: str | None = None
    replies = staticmethod(reply)

    def __init__(self, *, line_bytes_max: int = 65536, frame_bytes_max: int = 1 << 20) -> None:
        self.line_bytes_max = line_bytes_max
        self._frames_bytes_max = frame_bytes_max
        self._head = bytearray()  # the first bytes, until the mode is known
        self._lines: JsonLines | GzipFrames | None = None
        self._eof = False

    def receive_data(self, data: bytes | memoryview) -> None:
        """See `model.WireProtocol`."""
        if self._lines is not None:
            self._lines.feed(data)
            return
        self._head += data
        self._choose()

    def _choose(self) -> None:
        framed = looks_framed(self._head)
        if framed is None and not self._eof:
            return
        lines = JsonLines(_DECODER, self.line_bytes_max, wants_levels=True)
        self._lines = GzipFrames(lines, self._frames_bytes_max) if framed else lines
        self._lines.feed(bytes(self._head))
        self._head.clear()

    def receive_eof(self) -> None:
        """See `model.WireProtocol`."""
        self._eof = True
        if self._lines is None:
            self._choose()
        if self._lines is not None:
            self._lines.end()

    def next_batch(self) -> tuple[Batch, Acker] | None:
        """See `model.WireProtocol`."""
        batch = self._lines.take() if self._lines is not None else None
        return None if batch is None else (batch, reply)

    @property
    def between_lines(self) -> bool:
        """See `JointLines`. Never true for gzip frames."""
        return isinstance(self._lines, JsonLines) and self._lines.between_lines

    @classmethod
    def join(
        cls,
        joints: "list[CollectorProtocol]",
        reads: list[bytes],
        settlement: Settlement,  # noqa: ARG003 - each line has its own answer
    ) -> list[bool]:
        """See `JointLines`."""
        return [len(read) <= joint.line_bytes_max for joint, read in zip(joints, reads, strict=True)]

    def leave(self) -> None:
        """See `JointLines`."""

    @staticmethod
    def judge(lines: bytes) -> Batch | None:
        """See `JointLines`."""
        return ndjson.judge_all(lines, _DECODER, wants_levels=True)

    def data_to_send(self) -> bytes:
        """Nothing but replies."""
        return b""

    def buffered_bytes(self) -> int:
        """See `model.WireProtocol`."""
        return len(self._head) + (len(self._lines) if self._lines is not None else 0)
