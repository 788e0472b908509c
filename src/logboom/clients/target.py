"""Where a client sends to: `tcp://host:port`, or `tcps://host:port` with TLS."""

from collections.abc import Collection
from typing import NamedTuple
from urllib.parse import urlsplit

from logboom.clients.tls import SECURE_SCHEMES, SYSTEM, Trust
from logboom.errors import ConfigError
from logboom.formats.redaction import redacted_url


class Target(NamedTuple):
    """A server's address."""

    scheme: str
    host: str
    """A name, an IPv4 or an IPv6 address, the latter without brackets."""
    port: int
    trust: Trust = SYSTEM
    """What the server must show, and what this client shows."""
    name: str = ""
    """What the server's certificate must be for; empty: the host."""

    @property
    def secure(self) -> bool:
        """Whether connections are encrypted."""
        return self.scheme in SECURE_SCHEMES

    @property
    def certified_name(self) -> str:
        """What the server's certificate must be for."""
        return self.name or self.host

    def __str__(self) -> str:
        """The URL, as a user would write it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def parse_target(url: str, *, schemes: Collection[str] = ("tcp",), port_default: int | None = None) -> Target:
    """Read a URL such as `tcp://127.0.0.1:5000` or `tcp://[::1]:5000`.

    Args:
        url: what the user wrote; `bearer.take_token` has taken the token out.
        schemes: those that are understood.
        port_default: for URLs without a port; None: a port is required.

    Raises:
        ConfigError: the URL is wrong; the text says what was found and what is expected.
    """
    expected = f"expected {'|'.join(schemes)}://HOST:PORT, for example {next(iter(schemes))}://127.0.0.1:5000"
    try:
        parts = urlsplit(url)
        port = parts.port
        (parts.hostname or "").encode("idna")  # as the resolver will do, which raises an error of its own
    except ValueError as error:
        raise ConfigError(f"{redacted_url(url)!r} is not a URL: {error}; {expected}") from None
    if "://" not in url:
        raise ConfigError(f"{redacted_url(url)!r} has no scheme; {expected}")
    if parts.scheme not in schemes:
        raise ConfigError(f"{redacted_url(url)!r} has the scheme {parts.scheme!r}; {expected}")
    extras = parts.path not in ("", "/") or parts.query or parts.fragment or parts.username is not None
    if not parts.hostname or extras:
        raise ConfigError(f"{redacted_url(url)!r} must hold a host and a port, nothing else; {expected}")
    port = port_default if port is None else port
    if not port:
        raise ConfigError(f"{redacted_url(url)!r} has no port, or port 0; {expected}")
    return Target(parts.scheme, parts.hostname, port)
