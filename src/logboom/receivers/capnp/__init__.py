"""`capnp`: length-prefixed Cap'n Proto messages, never answered. Contract: docs/contracts/capnp.md."""

from typing import Annotated, Final

from logboom.model import WireProtocol
from logboom.receivers.base import Endpoint, ReceiverType, Refusal, Transport
from logboom.receivers.capnp.protocol import CapnpProtocol
from logboom.settings import RELOADED, FrameBytes, TcpSettings


class CapnpSettings(TcpSettings, kw_only=True, forbid_unknown_fields=True):
    """`[listeners.NAME]` with `protocol = "capnp"`."""

    frame_bytes_max: Annotated[FrameBytes, RELOADED] = 1 << 20


def _make(settings: CapnpSettings) -> WireProtocol:
    return CapnpProtocol(frame_bytes_max=settings.frame_bytes_max)


RECEIVER: Final = ReceiverType(
    name="capnp",
    summary="Length-prefixed Cap'n Proto messages, never answered",
    settings=CapnpSettings,
    transports={Transport.TCP: Endpoint(9020, _make)},
    refusal=Refusal.HOLD,
    extra="capnp",
)
