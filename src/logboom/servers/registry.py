"""Which server runs a listener: the one place to register a new kind. All others are TCP protocols."""

from typing import Final

from logboom.errors import ConfigError
from logboom.protocols.registry import PROTOCOLS
from logboom.servers.grpc_options import hush_core
from logboom.servers.http import HttpListener
from logboom.servers.listener import Listener, ListenerContext
from logboom.servers.tcp import TcpListener

GRPC: Final = "grpc"
HTTP: Final = "http"

EXTRAS: Final = {"capnp": "capnp", GRPC: "grpc"}
"""The extra that a protocol needs."""


def make_listener(context: ListenerContext) -> Listener:
    """The server for a listener's protocol. Raises `ConfigError` for an unknown one."""
    protocol = context.settings.protocol
    if protocol in PROTOCOLS:
        return TcpListener(context, PROTOCOLS[protocol])
    if protocol == GRPC:
        hush_core()
        from logboom.servers.grpc import GrpcListener  # noqa: PLC0415 - a quarter of a second, for those who want it

        return GrpcListener(context)
    if protocol == HTTP:
        return HttpListener(context)
    known = ", ".join(sorted((*PROTOCOLS, GRPC, HTTP)))
    raise ConfigError(f"listeners.{context.name}.protocol: found {protocol!r}, expected one of {known}")
