"""`http`: the page, the API, WebSocket and health. Contract of its entries: docs/contracts/http-entries.md."""

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from logboom.extras import is_missing
from logboom.receivers import registry
from logboom.receivers.base import Endpoint, ReceiverType, Refusal, Transport
from logboom.receivers.http_push import HttpRoute
from logboom.settings import LineBytes, ListenerSettings, ReceiverSettings


class HttpSettings(ListenerSettings, kw_only=True, forbid_unknown_fields=True):
    """`[listeners.NAME]` with `protocol = "http"`."""

    line_bytes_max: LineBytes = 1 << 20
    protocols: Annotated[
        list[str],
        Meta(
            description="Further protocols over HTTP that this port serves at their own paths; `all` is every one."
        ),
    ] = msgspec.field(default_factory=lambda: ["all"])
    health_only: Annotated[bool, Meta(description="Serve health and metrics only; no page, no entries.")] = (
        False
    )
    health_open: Annotated[
        bool,
        Meta(
            description="Health and metrics need no token, and the listener starts even while there is none; "
            "until one is made, it serves nothing else."
        ),
    ] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.protocols:
            if name not in ("all", *registry.NAMES):
                raise ValueError(f"`protocols` has {name!r}, expected `all` or names such as `http`")

    @property
    def serves_entries(self) -> bool:
        """See `ReceiverSettings`."""
        return not self.health_only


def served_too(settings: ReceiverSettings) -> list[ReceiverSettings]:
    """Return the default settings of the receivers that a listener of `http` serves besides its own."""
    if not isinstance(settings, HttpSettings) or settings.health_only:
        return []
    others = {
        name: registry.receiver(name)
        for name in registry.names_of(Transport.HTTP)
        if name != settings.protocol
    }
    chosen = others if "all" in settings.protocols else settings.protocols
    return [
        msgspec.convert({"protocol": name, "port": 0}, kind.settings)
        for name, kind in others.items()
        if name in chosen and not (kind.extra and is_missing(kind.extra))
    ]


def _make(_settings: HttpSettings) -> Sequence[HttpRoute]:
    return ()


RECEIVER: Final = ReceiverType(
    name="http",
    summary="The page, the HTTP API and WebSocket; health and metrics",
    settings=HttpSettings,
    transports={Transport.HTTP: Endpoint(8080, _make)},
    refusal=Refusal.ANSWER,
)
