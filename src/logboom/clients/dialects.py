"""The registered dialects: one line each."""

from typing import Final

from logboom.clients.collector import CollectorDialect
from logboom.clients.device import DeviceDialect
from logboom.clients.dialect import Dialect
from logboom.clients.gateway import GatewayDialect
from logboom.clients.target import Target, parse_target
from logboom.errors import ConfigError

DIALECTS: Final[dict[str, type[Dialect]]] = {
    DeviceDialect.name: DeviceDialect,
    CollectorDialect.name: CollectorDialect,
    GatewayDialect.name: GatewayDialect,
}
"""Every protocol that clients can speak, by its name."""


def choose(name: str, url: str) -> tuple[Dialect, Target]:
    """Make a dialect, and read the URL in its terms.

    Args:
        name: the protocol's name.
        url: the server's URL; the protocol's usual port may be left out.

    Raises:
        ConfigError: unknown protocol or wrong URL.
    """
    if name not in DIALECTS:
        raise ConfigError(f"unknown protocol {name!r}, expected one of {', '.join(DIALECTS)}")
    dialect = DIALECTS[name]()
    return dialect, parse_target(url, schemes=dialect.schemes, port_default=dialect.port_default)
