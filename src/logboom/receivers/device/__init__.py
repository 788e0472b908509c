"""`device`: JSON lines from ESP32-like devices; one `{"ack":1}` per stored line. Contract: docs/contracts/device.md."""

from typing import Final

from logboom.model import WireProtocol
from logboom.receivers.base import Endpoint, ReceiverType, Refusal, Transport
from logboom.receivers.device.protocol import DeviceProtocol
from logboom.settings import Duplicates, LineBytes, TcpSettings


class DeviceSettings(TcpSettings, kw_only=True, forbid_unknown_fields=True):
    """`[listeners.NAME]` with `protocol = "device"`."""

    line_bytes_max: LineBytes = 16384
    duplicates: Duplicates = "drop"


def _make(settings: DeviceSettings) -> WireProtocol:
    return DeviceProtocol(line_bytes_max=settings.line_bytes_max)


RECEIVER: Final = ReceiverType(
    name="device",
    summary="JSON lines from ESP32-like devices, acknowledged one by one",
    settings=DeviceSettings,
    transports={Transport.TCP: Endpoint(5000, _make)},
    refusal=Refusal.ANSWER,
)
