"""`webhook`: bodies of any usual shape, at the paths that its owner chooses. Contract: docs/contracts/webhook.md."""

import re
from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from logboom.receivers.base import Endpoint, ReceiverType, Refusal, Transport
from logboom.receivers.http_push import HttpRequest, HttpRoute
from logboom.receivers.webhook.webhook_body import WebhookCodec
from logboom.settings import BodyBytes, ListenerSettings

_PATH: Final = re.compile(r"/[A-Za-z0-9._~/:@!$&'()*+,;=%-]*")


class WebhookSettings(ListenerSettings, kw_only=True, forbid_unknown_fields=True):
    """`[listeners.NAME]` with `protocol = "webhook"`."""

    paths: Annotated[list[str], Meta(description="Paths that take entries, by POST and PUT.")] = (
        msgspec.field(default_factory=lambda: ["/webhook"])
    )
    body_bytes_max: BodyBytes = 64 << 20

    def __post_init__(self) -> None:
        super().__post_init__()
        for path in self.paths:
            if not _PATH.fullmatch(path):
                raise ValueError(f"`paths` has {path!r}, expected a path such as /logs")
        if len(set(self.paths)) != len(self.paths):
            raise ValueError("`paths` has a path twice")


def _body(request: HttpRequest, settings: WebhookSettings) -> WebhookCodec:
    return WebhookCodec(request, settings.body_bytes_max)


def _make(settings: WebhookSettings) -> Sequence[HttpRoute]:
    return [HttpRoute(method, path, _body) for path in settings.paths for method in ("POST", "PUT")]


RECEIVER: Final = ReceiverType(
    name="webhook",
    summary="JSON, MessagePack, forms and text at paths of your choice, for agents without a protocol",
    settings=WebhookSettings,
    transports={Transport.HTTP: Endpoint(8090, _make)},
    refusal=Refusal.ANSWER,
)
