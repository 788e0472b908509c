"""Connections of a client, with TLS where the URL asks for it, and the meaning of TLS failures for a user."""

import asyncio
import os
import ssl
from pathlib import Path
from typing import Any, Final

from logboom.clients.wire.native import connection_to
from logboom.clients.wire.target import Target
from logboom.clients.wire.tls_trust import Trust

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


async def open_stream(target: Target) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
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
