"""Facts about a TLS peer: its first bytes, its certificate, and the reason of a failure."""

import asyncio
import ssl
from typing import Final

CLIENT_HELLO: Final = b"\x16\x03"
"""First bytes of every TLS connection: a handshake record, version 3.x."""

_REASONS: Final = {
    "UNSUPPORTED_PROTOCOL": "it offers nothing newer than TLS 1.1",
    "NO_SHARED_CIPHER": "it offers no cipher that is allowed here",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "it shows no client certificate",
    "TLSV1_ALERT_UNKNOWN_CA": "it does not trust this server's certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": "it refuses this server's certificate",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "it refuses this server's certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "to it, this server's certificate has expired",
}
"""Descriptions for operators, by OpenSSL's reasons."""


def begins_tls(data: memoryview) -> bool:
    """Return whether a connection's first bytes are TLS. No line and no frame of another protocol begins like that."""
    return bytes(data[:2]) == CLIENT_HELLO


def reason_of(error: ssl.SSLError) -> str:
    """Describe an error of TLS."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    name = error.reason or type(error).__name__
    return _REASONS.get(name, name.lower().replace("_", " "))


def client_name(transport: asyncio.BaseTransport) -> str:
    """The common name of the client's certificate; empty: it has shown none."""
    tls = transport.get_extra_info("ssl_object")
    certificate = tls.getpeercert() if tls is not None else None
    subject = (certificate or {}).get("subject", ())
    return next((value for part in subject for key, value in part if key == "commonName"), "")
