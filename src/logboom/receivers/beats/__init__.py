"""`beats`: Lumberjack, the protocol of Filebeat and Logstash clients. Contract: docs/contracts/beats.md."""

from typing import Annotated, Final

from logboom.model import WireProtocol
from logboom.receivers.base import Endpoint, ReceiverType, Refusal, Transport
from logboom.receivers.beats.protocol import BeatsProtocol
from logboom.settings import RELOADED, FrameBytes, LineBytes, TcpSettings


class BeatsSettings(TcpSettings, kw_only=True, forbid_unknown_fields=True):
    """`[listeners.NAME]` with `protocol = "beats"`."""

    line_bytes_max: LineBytes = 1 << 20
    frame_bytes_max: Annotated[FrameBytes, RELOADED] = 16 << 20


def _make(settings: BeatsSettings) -> WireProtocol:
    return BeatsProtocol(event_bytes_max=settings.line_bytes_max, frame_bytes_max=settings.frame_bytes_max)


RECEIVER: Final = ReceiverType(
    name="beats",
    summary="Lumberjack, the protocol of Filebeat and Logstash clients, acknowledged per window",
    settings=BeatsSettings,
    transports={Transport.TCP: Endpoint(5044, _make)},
    refusal=Refusal.CLOSE,
)
