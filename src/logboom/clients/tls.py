"""TLS, the client's side: whom to trust, what to show, and what failures mean to a user."""

import asyncio
import os
import ssl
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from logboom.clients.native import connection_to
from logboom.errors import ConfigError
from logboom.formats.redaction import redacted_url

if TYPE_CHECKING:
    from logboom.clients.target import Target

SECURE_SCHEMES: Final = frozenset({"tcps", "tls", "capnps", "grpcs", "wss", "https"})
"""URL schemes whose connections are encrypted."""

_UNKNOWN_AUTHORITY: Final = frozenset({18, 19, 20, 21})
"""OpenSSL's X509_V_ERR_…: self-signed, self-signed in the chain, no local issuer, first not verified."""

_REASONS: Final = {
    "WRONG_VERSION_NUMBER": "the server speaks plain text there, or TLS older than 1.2",
    "UNSUPPORTED_PROTOCOL": "the server speaks nothing newer than TLS 1.1",
    "TLSV1_ALERT_PROTOCOL_VERSION": "the server and this client have no TLS version in common",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the server wants a client certificate",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "the server refuses the handshake; it may want a client certificate",
    "TLSV1_ALERT_UNKNOWN_CA": "the server does not trust the client certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": "the server refuses the client certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "the client certificate has expired",
}
"""What OpenSSL calls it, and what it means to a user."""


@dataclass(frozen=True)
class Trust:
    """Whom a client trusts, and what it shows. Files are read for each connection: renewed ones are taken up."""

    ca: str = ""
    """PEM file of the authority that signed the server's certificate; empty: those of the system."""
    client_cert: str = ""
    """PEM file of this client's own certificate, for servers that want one; with `client_key`."""
    client_key: str = ""
    verify: bool = True
    """Whether the server must prove who it is."""
    token: str = field(default="", repr=False)
    """For servers that ask for one, encrypted or not; empty: none is shown."""
    user: str = ""
    """The name that stands before the token in a URL; empty: it stood in none."""

    def context(self) -> ssl.SSLContext:
        """A client's context. Raises OSError when a file can't be used; `check` tells why."""
        context = ssl.create_default_context(cafile=self.ca or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.client_cert:
            context.load_cert_chain(self.client_cert, self.client_key, password=_no_password)
        return context

    def check(self) -> None:
        """Raises `ConfigError` when the files can't be used."""
        if bool(self.client_cert) != bool(self.client_key):
            raise ConfigError("a client certificate and its key belong together: give both, or none")
        for what, path in (
            ("--ca", self.ca),
            ("--client-cert", self.client_cert),
            ("--client-key", self.client_key),
        ):
            if path and not os.access(path, os.R_OK):
                raise ConfigError(f"{what}: can't read {path}")
        try:
            self.context()
        except ssl.SSLError as error:
            detail = error.reason or "PEM is expected"
            files = ", ".join(path for path in (self.ca, self.client_cert, self.client_key) if path)
            raise ConfigError(f"can't use {files}: {detail.lower().replace('_', ' ')}") from None


SYSTEM: Final = Trust()
"""The authorities of the system, and no certificate of one's own."""


def trust_for(trust: Trust, url: str) -> Trust:
    """Check that what was asked for makes sense for a URL.

    Raises:
        ConfigError: it does not, or a file can't be used.
    """
    secure = url.partition("://")[0].lower() in SECURE_SCHEMES
    if replace(trust, token="", user="") != SYSTEM and not secure:
        raise ConfigError(
            f"{redacted_url(url)!r} is not encrypted, so certificates mean nothing; "
            "encrypted are tcps://, capnps://, grpcs://, wss:// and https://"
        )
    if secure:
        trust.check()
    return trust


async def open_stream(target: "Target") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect, with TLS where the target's scheme says so. Raises OSError."""
    if not target.secure:
        return await asyncio.open_connection(**await connection_to(target.host, target.port))
    try:
        return await asyncio.open_connection(
            **await connection_to(target.host, target.port),
            ssl=target.trust.context(),
            server_hostname=target.certified_name,
        )
    except ssl.SSLError as error:
        raise ConnectionAbortedError(explain(error)) from error
    except ConnectionResetError as error:
        raise ConnectionAbortedError(
            "the server hung up during the TLS handshake; it may speak plain text"
        ) from error


def grpc_credentials(trust: Trust) -> Any:
    """Channel credentials of grpcio. Raises OSError when a file can't be read."""
    import grpc  # type: ignore[import-untyped]  # noqa: PLC0415 - it takes a quarter of a second

    ca = trust.ca or ssl.get_default_verify_paths().cafile
    return grpc.ssl_channel_credentials(
        Path(ca).read_bytes() if ca else None,  # none: those that grpcio brings
        Path(trust.client_key).read_bytes() if trust.client_key else None,
        Path(trust.client_cert).read_bytes() if trust.client_cert else None,
    )


def explain(error: ssl.SSLError) -> str:
    """What an error of TLS means, for a user."""
    if isinstance(error, ssl.SSLCertVerificationError):
        text = error.verify_message.rstrip(".")
        hint = (
            "; give its authority's certificate with --ca" if error.verify_code in _UNKNOWN_AUTHORITY else ""
        )
        return f"the server's certificate is not trusted: {text}{hint}"
    if isinstance(error, ssl.SSLEOFError):
        return "the server hung up during the TLS handshake; it may speak plain text"
    reason = error.reason or str(error)
    return _REASONS.get(reason, f"TLS: {reason.lower().replace('_', ' ')}")


def explain_connecting(error: OSError) -> str:
    """Why there is no connection; takes aiohttp's errors, whose own texts are about aiohttp."""
    inner = getattr(error, "certificate_error", None) or getattr(error, "os_error", error)
    if isinstance(inner, ssl.SSLError):
        return explain(inner)
    return os.strerror(error.errno).lower() if error.errno else str(error)


def _no_password() -> str:
    raise OSError(
        "the key of the client certificate has a password; a client that runs by itself can't type it"
    )
