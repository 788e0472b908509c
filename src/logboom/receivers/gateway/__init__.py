"""`gateway`: sensor readings as JSON objects, never answered. Contract: docs/contracts/gateway.md."""

from typing import Final

from logboom.model import WireProtocol
from logboom.receivers.base import Endpoint, ReceiverType, Refusal, Transport
from logboom.receivers.gateway.protocol import GatewayProtocol
from logboom.settings import LineBytes, TcpSettings


class GatewaySettings(TcpSettings, kw_only=True, forbid_unknown_fields=True):
    """`[listeners.NAME]` with `protocol = "gateway"`."""

    line_bytes_max: LineBytes = 65536


def _make(settings: GatewaySettings) -> WireProtocol:
    return GatewayProtocol(line_bytes_max=settings.line_bytes_max)


RECEIVER: Final = ReceiverType(
    name="gateway",
    summary="Sensor readings as JSON objects, never answered",
    settings=GatewaySettings,
    transports={Transport.TCP: Endpoint(6000, _make)},
    refusal=Refusal.HOLD,
)
