"""`any`: one port for all stream protocols, distinguished by their first bytes. Contract: docs/contracts/any.md."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from logboom.extras import is_missing
from logboom.model import WireProtocol
from logboom.receivers.any.detection import DETECTED
from logboom.receivers.any.protocol import AnyProtocol
from logboom.receivers.base import Endpoint, ReceiverType, Refusal, Transport
from logboom.receivers.registry import receiver
from logboom.settings import Duplicates, TcpSettings

HTTP: Final = "http"
TAKEN: Final = (*DETECTED, HTTP)
"""Protocols that the port can take. Connections that speak HTTP are recognised by the server, not by the protocol."""


class AnySettings(TcpSettings, kw_only=True, forbid_unknown_fields=True):
    """`[listeners.NAME]` with `protocol = "any"`."""

    protocols: Annotated[
        list[str],
        Meta(
            description="Protocols that the port takes; `http` stands for every protocol over HTTP and WebSocket. "
            "Empty: all that can be distinguished."
        ),
    ] = msgspec.field(default_factory=list)
    duplicates: Duplicates = "drop"
    plain_text: Annotated[
        bool, Meta(description="With `tls_cert`, take connections without TLS, too: the first bytes decide.")
    ] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.plain_text and not self.tls_cert:
            raise ValueError("`plain_text` is for a port with TLS; without `tls_cert` there is nothing else")
        for name in self.protocols:
            if name not in TAKEN:
                raise ValueError(f"`protocols` has {name!r}, expected one of {', '.join(TAKEN)}")

    @property
    def takes_http(self) -> bool:
        """See `TcpSettings`."""
        return HTTP in (self.protocols or TAKEN)


def _make(settings: AnySettings) -> WireProtocol:
    names = settings.protocols or TAKEN
    return AnyProtocol(lambda name: _protocol(name) if name in names else None, ", ".join(names))


def _protocol(name: str) -> WireProtocol | None:
    """Make a protocol with the standard settings of its receiver; None if its extra is missing."""
    kind = receiver(name)
    if kind.extra and is_missing(kind.extra):
        return None
    endpoint = kind.transports[Transport.TCP]
    protocol: WireProtocol = endpoint.make(
        msgspec.convert({"protocol": name, "port": endpoint.port}, kind.settings)
    )
    return protocol


RECEIVER: Final = ReceiverType(
    name="any",
    summary="One port for the stream protocols, distinguished by their first bytes",
    settings=AnySettings,
    transports={Transport.TCP: Endpoint(5140, _make)},
    refusal=Refusal.HOLD,
)
