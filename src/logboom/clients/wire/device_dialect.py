"""`device`, the client's side: JSON lines, answered by counted `{"ack":1}`. Contract: docs/contracts/device.md."""

import time
from typing import ClassVar, Final

import msgspec

from logboom.clients.wire.dialect import Answers, Outcome, Reply, as_text, json_object
from logboom.clients.wire.line_dialect import REPLIES_BYTES_MAX, LineDialect, one_line
from logboom.remembered import Remembered


class _Ack(msgspec.Struct):
    ack: int


_decode_ack: Final = msgspec.json.Decoder(_Ack).decode
_ACKNOWLEDGED: Final = Reply(Outcome.ACKNOWLEDGED)


class DeviceDialect(LineDialect):
    """Speaks as a device does. JSON objects are sent as they are; other lines become log entries.

    Args:
        boot_seq: for lines that become log entries. The default, the time in seconds, keeps the pairs of
            `boot_seq` and `seq` of different runs apart: servers tell duplicates by them.
    """

    name: ClassVar[str] = "device"
    port_default: ClassVar[int] = 5000
    answers: ClassVar[Answers] = Answers.COUNTED
    timeout_s: ClassVar[float] = 2.0  # what the firmware waits

    def __init__(self, boot_seq: int | None = None) -> None:
        self._boot_seq = int(time.time()) if boot_seq is None else boot_seq
        self._booted_s = time.monotonic()
        self._seq = 0

    def encode(self, line: bytes) -> bytes:
        """See `dialect.Dialect`."""
        found = json_object(line)
        if found is not None:
            return one_line(found)
        self._seq += 1
        entry = {
            "boot_seq": self._boot_seq,
            "uptime_ms": int((time.monotonic() - self._booted_s) * 1000),
            "seq": self._seq,
            "level": "info",
            "msg": as_text(line),
        }
        return msgspec.json.encode(entry) + b"\n"

    @staticmethod
    def parse(line: bytes) -> Reply | None:
        """See `lines.LineDialect`."""
        return _replies[line]


def _parse(line: bytes) -> Reply | None:
    try:
        return _ACKNOWLEDGED if _decode_ack(line).ack == 1 else None
    except msgspec.DecodeError:
        return None


_replies: Final = Remembered(_parse, REPLIES_BYTES_MAX)
