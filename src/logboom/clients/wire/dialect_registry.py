"""Registry of the dialects: one line each."""

from typing import Final

from logboom.clients.wire.bearer import take_token
from logboom.clients.wire.beats_dialect import BeatsDialect
from logboom.clients.wire.capnp_dialect import CapnpDialect
from logboom.clients.wire.collector_dialect import CollectorDialect
from logboom.clients.wire.device_dialect import DeviceDialect
from logboom.clients.wire.dialect import Dialect
from logboom.clients.wire.forward_dialect import ForwardDialect
from logboom.clients.wire.gateway_dialect import GatewayDialect
from logboom.clients.wire.grpc_dialect import GrpcDialect
from logboom.clients.wire.http_dialect import HttpDialect
from logboom.clients.wire.relp_dialect import RelpDialect
from logboom.clients.wire.syslog_dialect import GelfDialect, SyslogDialect
from logboom.clients.wire.target import Target, parse_target
from logboom.clients.wire.tls_trust import SYSTEM, Trust, trust_for
from logboom.clients.wire.websocket_dialect import WebSocketDialect
from logboom.errors import ConfigError
from logboom.extras import require
from logboom.formats.redaction import redacted_url

DIALECTS: Final[dict[str, type[Dialect]]] = {
    DeviceDialect.name: DeviceDialect,
    CollectorDialect.name: CollectorDialect,
    GatewayDialect.name: GatewayDialect,
    CapnpDialect.name: CapnpDialect,
    GrpcDialect.name: GrpcDialect,
    WebSocketDialect.name: WebSocketDialect,
    HttpDialect.name: HttpDialect,
    SyslogDialect.name: SyslogDialect,
    GelfDialect.name: GelfDialect,
    RelpDialect.name: RelpDialect,
    ForwardDialect.name: ForwardDialect,
    BeatsDialect.name: BeatsDialect,
}
"""Every protocol that clients can speak, by its name."""

EXTRAS: Final = {CapnpDialect.name: "capnp", GrpcDialect.name: "grpc"}
"""The extra that a protocol needs."""

_SHARED_SCHEMES: Final = ("tcp", "tcps", "tls")
_PORTS: Final = {"wss": 443, "https": 443}
"""Usual ports of schemes that are not their protocol's."""


def choose(name: str | None, url: str, trust: Trust = SYSTEM) -> tuple[Dialect, Target]:
    """Make a dialect, and read the URL in its terms.

    Args:
        name: the protocol's name; None: the URL's scheme decides.
        url: the server's URL; the protocol's usual port may be left out, and a token may be its password.
        trust: what to trust, and the token to show unless the URL has one.

    Raises:
        ConfigError: unknown protocol, wrong URL, or certificates or a token that can't be used.
    """
    url, trust = take_token(url, trust)
    name = _name_of(url) if name is None else name
    if name not in DIALECTS:
        raise ConfigError(f"unknown protocol {name!r}, expected one of {', '.join(DIALECTS)}")
    if name in EXTRAS:
        require(EXTRAS[name], f"protocol {name}")
    dialect = DIALECTS[name]()
    port = _PORTS.get(_scheme_of(url), dialect.port_default)
    target = parse_target(url, schemes=dialect.schemes, port_default=port)
    dialect.check(trust)
    return dialect, target._replace(trust=trust_for(trust, url))


def _scheme_of(url: str) -> str:
    return url.partition("://")[0].lower()


def _name_of(url: str) -> str:
    """The only protocol of the URL's scheme. Raises `ConfigError`."""
    scheme = _scheme_of(url)
    names = [name for name, dialect in DIALECTS.items() if scheme in dialect.schemes]
    if scheme in _SHARED_SCHEMES:
        raise ConfigError(
            f"{redacted_url(url)!r} may be any of several protocols, name it: {', '.join(names)}"
        )
    if not names:
        schemes = sorted({scheme for dialect in DIALECTS.values() for scheme in dialect.schemes})
        raise ConfigError(
            f"{redacted_url(url)!r}: expected a URL that begins with {', '.join(f'{one}://' for one in schemes)}"
        )
    return names[0]
