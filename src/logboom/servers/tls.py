"""The certificates of one listener: read, checked, and read again at a reload.

A reload makes a new context: the next handshake uses it, and connections that are open keep what they have.
"""

import os
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from logboom.errors import ConfigError
from logboom.extras import require
from logboom.model import Report
from logboom.receivers.base import Transport
from logboom.receivers.registry import transport_of
from logboom.settings import ListenerSettings

CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Ciphers of TLS 1.2: forward secrecy and authenticated encryption only. Those of TLS 1.3 are all of this kind."""

EXPIRES_SOON: Final = timedelta(days=14)
"""Warned about from here on: time enough to get a new one, late enough for certificates that live for 90 days."""

_MISMATCH: Final = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH")


class Certificates(NamedTuple):
    """Loaded certificate."""

    context: ssl.SSLContext
    chain: bytes
    """The certificate's file, PEM."""
    expires_at: datetime
    """UTC."""
    serial: int


class Tls:
    """The certificates in force. Made when the listener is; `reload` replaces them, if the new ones are good.

    Args:
        name: of the listener.
        settings: name the files.
        report: logs certificates that have expired or soon will, and reloads.

    Raises:
        ConfigError: a file is missing or wrong; the text says which, and why.
    """

    def __init__(self, name: str, settings: ListenerSettings, report: Report) -> None:
        self._name = name
        self._report = report
        self.certificates = read_certificates(name, settings)
        self._warn_of_expiry()

    @property
    def context(self) -> ssl.SSLContext:
        """For the next handshake."""
        return self.certificates.context

    def reload(self, settings: ListenerSettings) -> None:
        """Read the files again. On an error, which is logged, the old certificates stay in use."""
        before = self.certificates
        try:
            self.certificates = read_certificates(self._name, settings)
        except ConfigError as error:
            self._report("error", f"{error}; the old certificate stays in force")
            return
        if self.certificates.chain != before.chain:
            until = self.certificates.expires_at.date()
            self._report("info", f"{self._name}: new certificate, valid until {until}")
        self._warn_of_expiry()

    def _warn_of_expiry(self) -> None:
        left = self.certificates.expires_at - datetime.now(UTC)
        if left <= timedelta(0):
            on = self.certificates.expires_at.date()
            self._report("warning", f"{self._name}: the certificate expired on {on}: clients refuse it")
        elif left < EXPIRES_SOON:
            self._report("warning", f"{self._name}: the certificate expires in {left.days} days")


def make_tls(name: str, settings: ListenerSettings, report: Report) -> Tls | None:
    """The certificates of a listener; None: it speaks plain text. Raises `ConfigError`."""
    return Tls(name, settings, report) if settings.tls_cert else None


def read_certificates(name: str, settings: ListenerSettings) -> Certificates:
    """Read and check the files of a listener.

    Raises:
        ConfigError: one is missing or wrong.
    """
    chain = _read(name, "tls_cert", settings.tls_cert)
    _read(name, "tls_key", settings.tls_key)
    if settings.tls_client_ca:
        _read(name, "tls_client_ca", settings.tls_client_ca)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    if transport_of(settings) is Transport.GRPC:
        context.set_alpn_protocols(["h2"])  # gRPC's clients insist on it
    expires_at, serial = _read_leaf(name, settings.tls_cert, chain)
    _load_chain(context, name, settings)
    if settings.tls_client_ca:
        try:
            context.load_verify_locations(settings.tls_client_ca)
        except ssl.SSLError:
            raise ConfigError(
                f"listeners.{name}.tls_client_ca: {settings.tls_client_ca} holds no certificate"
            ) from None
        context.verify_mode = ssl.CERT_REQUIRED
    return Certificates(context, chain, expires_at, serial)


def _read(name: str, setting: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"listeners.{name}.{setting}: can't read {path}: {error.strerror}") from error


def _read_leaf(name: str, path: str, chain: bytes) -> tuple[datetime, int]:
    """Expiry and serial number of the server's own certificate."""
    require("tls", f"listeners.{name}.tls_cert")
    from cryptography import x509  # noqa: PLC0415 - only listeners with TLS need it

    try:
        leaf = x509.load_pem_x509_certificate(chain)
    except ValueError:
        raise ConfigError(
            f"listeners.{name}.tls_cert: {path} holds no certificate, PEM is expected"
        ) from None
    return leaf.not_valid_after_utc, leaf.serial_number


def _load_chain(context: ssl.SSLContext, name: str, settings: ListenerSettings) -> None:
    where, key = f"listeners.{name}.tls_key", settings.tls_key
    try:
        context.load_cert_chain(settings.tls_cert, key, password=_no_password)
    except _PasswordWantedError:
        raise ConfigError(
            f"{where}: {key} has a password, which cannot be entered here; remove it: "
            f"openssl pkey -in {os.path.basename(key)} -out plain.key"  # noqa: PTH119 - a name for a text
        ) from None
    except ssl.SSLError as error:
        if error.reason in _MISMATCH:
            text = f"{key} is not the key of {settings.tls_cert}"
        else:
            text = f"{key} and {settings.tls_cert} can't be used: {error.reason or 'PEM is expected'}"
        raise ConfigError(f"{where}: {text}") from None


class _PasswordWantedError(Exception):
    """The key is encrypted."""


def _no_password() -> str:
    raise _PasswordWantedError
