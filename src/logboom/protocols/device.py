"""`device`: JSON lines from ESP32-like devices, answered with one `{"ack":1}` a stored line.

Contract: WIRE.md, "device"; source document 000. Refused lines get no answer: the device sends them again.
"""

from typing import Final

import msgspec

from logboom.formats import ndjson
from logboom.model import Acker, Batch, Receipt, Verdict
from logboom.protocols.jsonlines import JsonLines

ACK: Final = b'{"ack":1}\n'


class _Entry(msgspec.Struct, gc=False):
    """The required fields; all others are kept as sent, unread."""

    boot_seq: int
    uptime_ms: int


_DECODER: Final = ndjson.entry_decoder(_Entry)


def acknowledge(receipt: Receipt) -> bytes:
    """One ack a stored line, in order; silence for all others."""
    return ACK * receipt.verdicts.count(Verdict.ACCEPTED)


class DeviceProtocol:
    """One device connection."""

    __slots__ = ("_lines",)
    name = "device"
    fatal: str | None = None
    identity: str | None = None

    def __init__(self, *, line_bytes_max: int = 16384) -> None:
        self._lines = JsonLines(_DECODER, line_bytes_max)

    def receive_data(self, data: bytes | memoryview) -> None:
        """See `model.WireProtocol`."""
        self._lines.feed(data)

    def receive_eof(self) -> None:
        """See `model.WireProtocol`."""
        self._lines.end()

    def next_batch(self) -> tuple[Batch, Acker] | None:
        """See `model.WireProtocol`."""
        batch = self._lines.take()
        return None if batch is None else (batch, acknowledge)

    def data_to_send(self) -> bytes:
        """Nothing: a device parses everything it reads as one ack."""
        return b""

    def buffered_bytes(self) -> int:
        """See `model.WireProtocol`."""
        return len(self._lines)
