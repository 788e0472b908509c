"""Servers by transport: the only place where a new kind of server is registered."""

from importlib import import_module
from typing import Any, Final

from logboom.receivers.base import Transport
from logboom.receivers.registry import endpoint_of, transport_of
from logboom.servers.grpc_options import hush_core
from logboom.servers.listener import Listener, ListenerContext

SERVERS: Final = {
    Transport.TCP: ("logboom.servers.tcp", "TcpListener"),
    Transport.UDP: ("logboom.servers.udp", "UdpListener"),
    Transport.HTTP: ("logboom.servers.http", "HttpListener"),
    Transport.GRPC: ("logboom.servers.grpc", "GrpcListener"),
    Transport.CLIENT: ("logboom.servers.client", "ClientListener"),
}
"""Module and class per transport, imported when a listener needs it: gRPC's takes a quarter of a second."""


def make_listener(context: ListenerContext[Any]) -> Listener:
    """Return the server of a configured listener, not started yet."""
    transport = transport_of(context.settings)
    if transport is Transport.GRPC:
        hush_core()  # before it is loaded
    module, name = SERVERS[transport]
    found = getattr(import_module(module), name)
    listener: Listener = found(context, endpoint_of(context.settings).make)
    return listener
