"""`device`: JSON lines from ESP32-like devices, answered with one `{"ack":1}` a stored line.

Contract: docs/contracts/device.md. Refused lines get no answer: the device sends them again.
"""

from typing import Final

import msgspec

from logboom.formats import ndjson
from logboom.framing.jsonlines import JsonLines
from logboom.model import Acker, Batch, Receipt, Verdict

ACK: Final = b'{"ack":1}\n'

RESEND_NS_MIN: Final = 1_500_000_000
"""A line that comes again so much later, on its connection, was sent again: devices wait 2 s for the ack."""

CROSSING_NS_MAX: Final = 1_400_000_000
"""For so long after its ack, a line that comes again may have crossed it on the way. Shorter than the above: a line
that was acked at once gets another ack whenever it comes."""


class _Entry(msgspec.Struct, gc=False):
    """The required fields, of any type and value: a device whose line is never acknowledged sends nothing after it."""

    boot_seq: msgspec.Raw
    uptime_ms: msgspec.Raw


_DECODER: Final = ndjson.entry_decoder(_Entry)


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
        before: the answer to the line before; None: there was none, or many at once.
    """

    __slots__ = ("_batch", "_before", "acked", "line", "received_ns", "settled_ns")

    def __init__(self, batch: Batch, before: "_Answer | None") -> None:
        self.acked = False
        self.received_ns = self.settled_ns = 0
        self.line = hash(batch.entries)  # the line itself, of each device of a fleet, would take memory
        self._batch: Batch | None = batch
        self._before = before if before and before.line == self.line else None

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


class DeviceProtocol:
    """One device connection."""

    __slots__ = ("_last", "_lines")
    name = "device"
    fatal: str | None = None
    identity: str | None = None

    def __init__(self, *, line_bytes_max: int = 16384) -> None:
        self._lines = JsonLines(_DECODER, line_bytes_max)
        self._last: _Answer | None = None

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
            self._last = None
            return batch, acknowledge
        self._last = _Answer(batch, self._last)
        return batch, self._last

    def data_to_send(self) -> bytes:
        """Nothing: a device parses everything it reads as one ack."""
        return b""

    def buffered_bytes(self) -> int:
        """See `model.WireProtocol`."""
        return len(self._lines)
