"""`device`: JSON lines from ESP32-like devices, answered with one `{"ack":1}` a stored line.

Contract: docs/contracts/device.md. Refused lines get no answer: the device sends them again.
"""

from typing import Any, Final

import msgspec

from logboom.formats import ndjson
from logboom.framing.joint import JointLines, Settlement
from logboom.framing.jsonlines import JsonLines
from logboom.model import Acker, Batch, Receipt, Verdict

ACK: Final = b'{"ack":1}\n'

RESEND_NS_MIN: Final = 1_500_000_000
"""Time after which an equal line on the same connection was sent again, seconds: devices wait 2 s for the ack."""

CROSSING_NS_MAX: Final = 1_400_000_000
"""Time after its ack in which a repeated line may have crossed the ack, seconds. Shorter than the above: a line
that was acked at once gets another ack whenever it comes."""


class _Entry(msgspec.Struct, gc=False):
    """The required fields, of any type and value: a device whose line is never acknowledged sends nothing after it."""

    boot_seq: Any
    uptime_ms: Any


class _RawEntry(msgspec.Struct, gc=False):
    """The same, with values that Python can't have as well, such as 1e400; costs more."""

    boot_seq: msgspec.Raw
    uptime_ms: msgspec.Raw


_DECODER: Final = ndjson.entry_decoder(_Entry)
_LENIENT: Final = ndjson.entry_decoder(_RawEntry)


def acknowledge(receipt: Receipt) -> bytes:
    """One ack a stored line, in order; silence for all others."""
    verdicts = receipt.verdicts
    return ACK * (verdicts.count(Verdict.ACCEPTED) + verdicts.count(Verdict.DUPLICATE))


class _Answer:
    """The acker of a batch of one line: what a device sends that waits for each ack.

    When the disk is slow, the device sends the line again, and gets the first one's ack after all. With a second ack,
    it would be one ahead from then on, and take a line for stored that is not.

    Args:
        batch: of the line.
        before: the answer to the line before, if that was the same; None otherwise.
    """

    __slots__ = ("_batch", "_before", "acked", "received_ns", "settled_ns")

    def __init__(self, batch: Batch, before: "_Answer | Settlement | None") -> None:
        self.acked = False
        self.received_ns = self.settled_ns = 0
        self._batch: Batch | None = batch
        self._before = before

    def __call__(self, receipt: Receipt) -> bytes:
        if self._batch:
            self.received_ns, self.settled_ns = self._batch.received_ns, self._batch.settled_ns
        before, self._batch, self._before = self._before, None, None
        replies = acknowledge(receipt)
        self.acked = bool(replies)
        if before and before.acked:
            again = self.received_ns - before.received_ns >= RESEND_NS_MIN
            if again and self.received_ns - before.settled_ns <= CROSSING_NS_MAX:
                return b""
        return replies


class DeviceProtocol(JointLines):
    """One device connection."""

    __slots__ = ("_lines", "last_answer", "last_line", "line_bytes_max")
    name = "device"
    fatal: str | None = None
    identity: str | None = None
    replies = staticmethod(acknowledge)

    def __init__(self, *, line_bytes_max: int = 16384) -> None:
        self._lines = JsonLines(_DECODER, line_bytes_max, lenient=_LENIENT)
        self.line_bytes_max = line_bytes_max
        self.last_line = (
            0  # the last line's hash: the line itself, of each device of a fleet, would take memory
        )
        self.last_answer: _Answer | Settlement | None = None  # to that line; None: many came at once

    def receive_data(self, data: bytes | memoryview) -> None:
        """See `model.WireProtocol`."""
        self._lines.feed(data)

    def receive_eof(self) -> None:
        """See `model.WireProtocol`."""
        self._lines.end()

    def next_batch(self) -> tuple[Batch, Acker] | None:
        """See `model.WireProtocol`."""
        batch = self._lines.take()
        if batch is None:
            return None
        if len(batch.verdicts) > 1:
            self.last_answer = None
            return batch, acknowledge
        line = hash(batch.entries)
        self.last_answer = answer = _Answer(batch, self.last_answer if line == self.last_line else None)
        self.last_line = line
        return batch, answer

    @property
    def between_lines(self) -> bool:
        """See `JointLines`."""
        return self._lines.between_lines

    @classmethod
    def join(cls, joints: "list[DeviceProtocol]", reads: list[bytes], settlement: Settlement) -> list[bool]:
        """See `JointLines`. A line like the one before stays out: its answer depends on when each of them came."""
        stay = [True] * len(reads)
        for index, (joint, read) in enumerate(zip(joints, reads, strict=True)):
            line = hash(read)
            if line == joint.last_line or read.endswith(b"\r") or len(read) > joint.line_bytes_max:
                stay[index] = False
            else:
                joint.last_line, joint.last_answer = line, settlement
        return stay

    def leave(self) -> None:
        """See `JointLines`."""
        self.last_answer = None

    @staticmethod
    def judge(lines: bytes) -> Batch | None:
        """See `JointLines`."""
        return ndjson.judge_all(lines, _DECODER)

    def data_to_send(self) -> bytes:
        """Nothing: a device parses everything it reads as one ack."""
        return b""

    def buffered_bytes(self) -> int:
        """See `model.WireProtocol`."""
        return len(self._lines)
