"""`loki`: Loki's push API, for its clients, Alloy, promtail, Fluent Bit. Contract: docs/contracts/loki.md."""

from collections.abc import Sequence
from typing import Final

from logboom.receivers.base import Endpoint, ReceiverType, Refusal, Transport
from logboom.receivers.http_push import HttpReply, HttpRequest, HttpRoute
from logboom.receivers.loki.loki_push import PushCodec
from logboom.settings import BodyBytes, ListenerSettings

PUSH_PATHS: Final = ("/loki/api/v1/push", "/api/prom/push")
READY: Final = HttpReply(200, b"ready\n", "text/plain")
BUILD: Final = HttpReply(
    200, b'{"version":"3.0.0","revision":"logboom","branch":"","buildDate":"","goVersion":""}'
)


class LokiSettings(ListenerSettings, kw_only=True, forbid_unknown_fields=True):
    """`[listeners.NAME]` with `protocol = "loki"`."""

    body_bytes_max: BodyBytes = 64 << 20


def _push(request: HttpRequest, settings: LokiSettings) -> PushCodec:
    return PushCodec(request, settings.body_bytes_max)


def _ready(_request: HttpRequest, _settings: LokiSettings) -> HttpReply:
    return READY


def _build(_request: HttpRequest, _settings: LokiSettings) -> HttpReply:
    return BUILD


def _make(_settings: LokiSettings) -> Sequence[HttpRoute]:
    return [
        *(HttpRoute("POST", path, _push) for path in PUSH_PATHS),
        HttpRoute("GET", "/ready", _ready),
        HttpRoute("GET", "/loki/api/v1/status/buildinfo", _build),
    ]


RECEIVER: Final = ReceiverType(
    name="loki",
    summary="Loki's push API, for its clients, Alloy, promtail, Fluent Bit, Vector",
    settings=LokiSettings,
    transports={Transport.HTTP: Endpoint(3100, _make)},
    refusal=Refusal.ANSWER,
    extra="loki",
)
