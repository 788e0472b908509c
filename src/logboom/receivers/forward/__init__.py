"""`forward`: Fluent Forward of Fluent Bit, fluentd, Docker and loggers. Contract: docs/contracts/forward.md."""

import platform
import secrets
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from logboom.model import WireProtocol
from logboom.receivers.base import Endpoint, ReceiverType, Refusal, Transport
from logboom.receivers.forward.handshake import Handshake
from logboom.receivers.forward.protocol import ForwardProtocol
from logboom.settings import RELOADED, FrameBytes, TcpSettings

_RANDOM_BYTES: Final = 16


class ForwardSettings(TcpSettings, kw_only=True, forbid_unknown_fields=True):
    """`[listeners.NAME]` with `protocol = "forward"`."""

    frame_bytes_max: Annotated[FrameBytes, RELOADED] = 16 << 20
    shared_key: Annotated[
        str, Meta(description="Key that clients must know. Empty: none is asked for."), RELOADED
    ] = ""
    users: Annotated[
        dict[str, str],
        Meta(description="Password per user name, with `shared_key`. Empty: no user is asked for."),
        RELOADED,
    ] = msgspec.field(default_factory=dict)
    hostname: Annotated[
        str, Meta(description="Name of the server in the handshake. Empty: that of the machine."), RELOADED
    ] = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.users and not self.shared_key:
            raise ValueError("`users` needs `shared_key`: passwords are a part of its handshake")


def _make(settings: ForwardSettings) -> WireProtocol:
    handshake = None
    if settings.shared_key:
        hostname = settings.hostname or platform.node()
        nonce, salt = secrets.token_bytes(_RANDOM_BYTES), secrets.token_bytes(_RANDOM_BYTES)
        handshake = Handshake(settings.shared_key, settings.users, hostname, nonce, salt)
    return ForwardProtocol(message_bytes_max=settings.frame_bytes_max, handshake=handshake)


RECEIVER: Final = ReceiverType(
    name="forward",
    summary="Fluent Forward of Fluent Bit, fluentd, Docker and loggers, acknowledged per chunk",
    settings=ForwardSettings,
    transports={Transport.TCP: Endpoint(24224, _make)},
    refusal=Refusal.CLOSE,
)
