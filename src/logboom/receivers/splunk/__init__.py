"""`splunk`: Splunk's HTTP event collector (HEC). Contract: docs/contracts/splunk.md."""

from collections.abc import Sequence
from typing import Final

from logboom.receivers.base import Endpoint, ReceiverType, Refusal, Transport
from logboom.receivers.http_push import HttpReply, HttpRequest, HttpRoute
from logboom.receivers.splunk.events import AckCodec, EventCodec, RawCodec
from logboom.settings import BodyBytes, ListenerSettings

HEALTHY: Final = HttpReply(200, b'{"text":"HEC is healthy","code":17}')
EVENT_PATHS: Final = ("/services/collector", "/services/collector/event", "/services/collector/event/1.0")
RAW_PATHS: Final = ("/services/collector/raw", "/services/collector/raw/1.0")
HEALTH_PATHS: Final = ("/services/collector/health", "/services/collector/health/1.0")


class SplunkSettings(ListenerSettings, kw_only=True, forbid_unknown_fields=True):
    """`[listeners.NAME]` with `protocol = "splunk"`."""

    body_bytes_max: BodyBytes = 64 << 20


def _event(request: HttpRequest, settings: SplunkSettings) -> EventCodec:
    return EventCodec(request, settings.body_bytes_max)


def _raw(request: HttpRequest, settings: SplunkSettings) -> RawCodec:
    return RawCodec(request, settings.body_bytes_max)


def _ack(request: HttpRequest, settings: SplunkSettings) -> AckCodec:
    return AckCodec(request, settings.body_bytes_max)


def _options(_request: HttpRequest, _settings: SplunkSettings) -> HttpReply:
    """Answer Docker's question before it starts a container."""
    return HttpReply(200)


def _health(_request: HttpRequest, _settings: SplunkSettings) -> HttpReply:
    return HEALTHY


def _make(_settings: SplunkSettings) -> Sequence[HttpRoute]:
    return [
        *(HttpRoute("POST", path, _event) for path in EVENT_PATHS),
        *(HttpRoute("POST", path, _raw) for path in RAW_PATHS),
        *(HttpRoute("OPTIONS", path, _options) for path in (*EVENT_PATHS, *RAW_PATHS)),
        *(HttpRoute("GET", path, _health) for path in HEALTH_PATHS),
        HttpRoute("POST", "/services/collector/ack", _ack),
    ]


RECEIVER: Final = ReceiverType(
    name="splunk",
    summary="Splunk's HTTP event collector, for its clients and Docker's splunk driver",
    settings=SplunkSettings,
    transports={Transport.HTTP: Endpoint(8088, _make)},
    refusal=Refusal.ANSWER,
)
