"""`http`: the page, the API, WebSocket and health. Contract of its entries: docs/contracts/http-entries.md."""

from collections.abc import Sequence
from typing import Annotated, Final

from msgspec import Meta

from logboom.receivers.base import Endpoint, ReceiverType, Refusal, Transport
from logboom.receivers.http_push import HttpRoute
from logboom.settings import LineBytes, ListenerSettings


class HttpSettings(ListenerSettings, kw_only=True, forbid_unknown_fields=True):
    """`[listeners.NAME]` with `protocol = "http"`."""

    line_bytes_max: LineBytes = 1 << 20
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

    @property
    def serves_entries(self) -> bool:
        """See `ReceiverSettings`."""
        return not self.health_only


def _make(_settings: HttpSettings) -> Sequence[HttpRoute]:
    return ()


RECEIVER: Final = ReceiverType(
    name="http",
    summary="The page, the HTTP API and WebSocket; health and metrics",
    settings=HttpSettings,
    transports={Transport.HTTP: Endpoint(8080, _make)},
    refusal=Refusal.ANSWER,
)
