"""The address of a server: `tcp://host:port`, or `tcps://host:port` with TLS."""

from collections.abc import Collection
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from logboom.clients.wire.tls_trust import SECURE_SCHEMES, SYSTEM, Trust
from logboom.errors import ConfigError
from logboom.formats.redaction import redacted_url

HTTP_SCHEMES: Final = frozenset({"http", "https"})
API_PATH: Final = "/api/entries"
"""The resource that entries are posted to."""


class Target(NamedTuple):
    """A server's address."""

    scheme: str
    host: str
    """A name, an IPv4 or an IPv6 address, the latter without brackets."""
    port: int
    trust: Trust = SYSTEM
    """Certificates that the server and this client must show, and the token."""
    name: str = ""
    """Name in the server's certificate; empty: the host."""
    path: str = ""
    """Before the paths of the HTTP API, where a proxy wants one; without a slash at its end."""

    @property
    def secure(self) -> bool:
        """True: connections are encrypted."""
        return self.scheme in SECURE_SCHEMES

    @property
    def certified_name(self) -> str:
        """Name that the server's certificate must have."""
        return self.name or self.host

    def __str__(self) -> str:
        """The URL, as a user would write it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"


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
    path = _path_of(parts.path) if parts.scheme in HTTP_SCHEMES else ""
    extras = parts.path.rstrip("/") not in ("", path, path + API_PATH)
    if not parts.hostname or extras or parts.query or parts.fragment or parts.username is not None:
        raise ConfigError(f"{redacted_url(url)!r} must hold a host and a port, nothing else; {expected}")
    port = port_default if port is None else port
    if not port:
        raise ConfigError(f"{redacted_url(url)!r} has no port, or port 0; {expected}")
    return Target(parts.scheme, parts.hostname, port, path=path)


def _path_of(path: str) -> str:
    """A proxy's path; that of the API itself may stand behind it."""
    return path.rstrip("/").removesuffix(API_PATH)
