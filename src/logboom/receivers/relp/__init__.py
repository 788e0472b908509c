"""`relp`: syslog with acknowledgements, as rsyslog's omrelp sends it. Contract: docs/contracts/relp.md."""

from typing import Annotated, Final

from logboom.formats.asked_times import zone_of
from logboom.model import WireProtocol
from logboom.receivers.base import Endpoint, ReceiverType, Refusal, Transport
from logboom.receivers.relp.protocol import DATA_BYTES_MAX, RelpProtocol
from logboom.receivers.syslog import Zone, now
from logboom.settings import RELOADED, FrameBytes, TcpSettings

PORT: Final = 20514


class RelpSettings(TcpSettings, kw_only=True, forbid_unknown_fields=True):
    """`[listeners.NAME]` with `protocol = "relp"`."""

    frame_bytes_max: Annotated[FrameBytes, RELOADED] = DATA_BYTES_MAX
    zone: Zone = "UTC"

    def __post_init__(self) -> None:
        super().__post_init__()
        zone_of(self.zone)


def _make(settings: RelpSettings) -> WireProtocol:
    return RelpProtocol(now, zone_of(settings.zone), frame_bytes_max=settings.frame_bytes_max)


RECEIVER: Final = ReceiverType(
    name="relp",
    summary="Syslog with acknowledgements, as rsyslog's omrelp sends it",
    settings=RelpSettings,
    transports={Transport.TCP: Endpoint(PORT, _make)},
    refusal=Refusal.CLOSE,
)
