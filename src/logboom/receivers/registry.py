"""The list of receivers: the only place where a protocol is registered. A folder is imported when it is asked for."""

from importlib import import_module
from typing import Final

from logboom.receivers.base import Endpoint, ReceiverType, Transport
from logboom.settings import ReceiverSettings

NAMES: Final = (
    "device",
    "gateway",
    "collector",
    "syslog",
    "relp",
    "gelf",
    "capnp",
    "grpc",
    "http",
    "forward",
    "beats",
    "mqtt",
    "any",
    "elasticsearch",
    "splunk",
    "loki",
    "otlp",
    "journald",
)
"""Names of the receivers, each the name of its folder."""


def receiver(name: str) -> ReceiverType:
    """Return a receiver's declaration. Raises KeyError for a name that is not registered."""
    if name not in NAMES:
        raise KeyError(name)
    found = import_module(f"logboom.receivers.{name}").RECEIVER
    assert isinstance(found, ReceiverType)  # noqa: S101 - the contract of a folder
    return found


def transport_of(settings: ReceiverSettings) -> Transport:
    """Return the transport of a configured listener."""
    return receiver(settings.protocol).transport(getattr(settings, "transport", ""))


def endpoint_of(settings: ReceiverSettings) -> Endpoint:
    """Return the standard port and the constructor of a configured listener."""
    return receiver(settings.protocol).transports[transport_of(settings)]


def names_of(transport: Transport) -> list[str]:
    """Return the names of the receivers that have a transport; imports all of them."""
    return [name for name in NAMES if transport in receiver(name).transports]
