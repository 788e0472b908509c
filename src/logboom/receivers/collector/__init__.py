"""`collector`: JSON lines, plain or in gzip frames, one status per line. Contract: docs/contracts/collector.md."""

from typing import Annotated, Final

from logboom.model import WireProtocol
from logboom.receivers.base import Endpoint, ReceiverType, Refusal, Transport
from logboom.receivers.collector.protocol import CollectorProtocol
from logboom.settings import RELOADED, FrameBytes, LineBytes, TcpSettings


class CollectorSettings(TcpSettings, kw_only=True, forbid_unknown_fields=True):
    """`[listeners.NAME]` with `protocol = "collector"`."""

    line_bytes_max: LineBytes = 1 << 20
    frame_bytes_max: Annotated[FrameBytes, RELOADED] = 1 << 20


def _make(settings: CollectorSettings) -> WireProtocol:
    return CollectorProtocol(line_bytes_max=settings.line_bytes_max, frame_bytes_max=settings.frame_bytes_max)


RECEIVER: Final = ReceiverType(
    name="collector",
    summary="JSON lines, plain or in gzip frames, answered with one status per line",
    settings=CollectorSettings,
    transports={Transport.TCP: Endpoint(9000, _make)},
    refusal=Refusal.ANSWER,
)
