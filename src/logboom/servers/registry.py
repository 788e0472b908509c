"""Which server runs a listener: the one place to register a new kind. All others are TCP protocols."""

from logboom.errors import ConfigError
from logboom.protocols.registry import PROTOCOLS
from logboom.servers.listener import Listener, ListenerContext
from logboom.servers.tcp import TcpListener


def make_listener(context: ListenerContext) -> Listener:
    """The server for a listener's protocol. Raises `ConfigError` for an unknown one."""
    protocol = context.settings.protocol
    if protocol in PROTOCOLS:
        return TcpListener(context, PROTOCOLS[protocol])
    raise ConfigError(
        f"listeners.{context.name}.protocol: found {protocol!r}, expected one of {', '.join(sorted(PROTOCOLS))}"
    )
