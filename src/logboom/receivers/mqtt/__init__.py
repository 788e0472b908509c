"""`mqtt`: a subscriber of a broker, which acknowledges what is stored. Contract: docs/contracts/mqtt.md."""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from logboom.receivers.base import Endpoint, ReceiverType, Refusal, Transport
from logboom.settings import LineBytes, ReceiverSettings

DEFAULT_TOPIC: Final = "devices/+/log"
SESSION_S: Final = 7 * 86400
"""Time for which the broker keeps messages while the server is away, seconds."""


class MqttSettings(ReceiverSettings, kw_only=True, forbid_unknown_fields=True):
    """`[listeners.NAME]` with `protocol = "mqtt"`."""

    broker: Annotated[str, Meta(description="Address of the broker.")] = "127.0.0.1"
    broker_port: Annotated[
        int, Meta(ge=1, le=65535, description="Port of the broker; usually 8883 with TLS.")
    ] = 1883
    topics: Annotated[
        list[str],
        Meta(
            min_length=1,
            description="Topics to subscribe to; the level at the first `+` is the source of an entry.",
        ),
    ] = msgspec.field(default_factory=lambda: [DEFAULT_TOPIC])
    client_id: Annotated[
        str, Meta(min_length=1, description="Name of the session at the broker; each server needs its own.")
    ] = "logboom"
    version: Annotated[Literal["5", "3.1.1"], Meta(description="Version of MQTT.")] = "5"
    username: Annotated[str, Meta(description="User name at the broker. Empty: none.")] = ""
    password: Annotated[str, Meta(description="Password at the broker.")] = ""
    tls: Annotated[bool, Meta(description="Connect with TLS.")] = False
    tls_ca: Annotated[
        str, Meta(description="PEM file that the broker's certificate is checked with. Empty: the system's.")
    ] = ""
    retained: Annotated[
        bool, Meta(description="Store retained messages, too, which come again at each subscription.")
    ] = False
    unacknowledged_max: Annotated[
        int, Meta(ge=1, le=65535, description="Messages that the broker sends ahead of acknowledgements.")
    ] = 500
    line_bytes_max: LineBytes = 1 << 20


def _make(settings: MqttSettings) -> Any:
    from logboom.receivers.mqtt.subscriber import Subscriber  # noqa: PLC0415 - of the extra

    return Subscriber(settings)


RECEIVER: Final = ReceiverType(
    name="mqtt",
    summary="Subscriber of a broker; acknowledges what is stored",
    settings=MqttSettings,
    transports={Transport.CLIENT: Endpoint(0, _make)},
    refusal=Refusal.HOLD,
    extra="mqtt",
)
