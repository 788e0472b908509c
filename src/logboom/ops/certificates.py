"""Certificates for a private network: a certificate authority, servers and clients.

All keys use the elliptic curve P-256: every TLS library supports it, and it is fast on small devices.
"""

import ipaddress
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from logboom.durable import make_folder, replace_file
from logboom.errors import ConfigError

CA_DAYS: Final = 3650
"""Validity of the authority's certificate, which devices have in their firmware: longer than the server's."""

BACKDATED: Final = timedelta(hours=1)
"""Start of the validity before now, since clocks of small devices may be slow."""

ALWAYS: Final = ("localhost", "127.0.0.1", "::1")
"""Names in every server certificate, for tests on the same machine."""

_NAME_CHARS_MAX: Final = 64
_CA_NAME: Final = "Logboom local CA"


class Pair(NamedTuple):
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


class PairFiles(NamedTuple):
    """Paths of a pair."""

    certificate: Path
    key: Path


def files_of(folder: Path, name: str) -> PairFiles:
    """Paths of the pair `name`."""
    return PairFiles(folder / f"{name}.pem", folder / f"{name}.key")


def make_ca(days: int = CA_DAYS) -> Pair:
    """Make an authority that signs servers and clients, but no further authorities."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(_CA_NAME)
    builder = (
        _builder(name, name, key.public_key(), days)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return Pair(builder.sign(key, hashes.SHA256()), key)


def make_server(ca: Pair, hosts: Sequence[str], days: int) -> Pair:
    """Make a server's certificate.

    Args:
        ca: authority that signs it.
        hosts: names and addresses that clients connect to.
        days: validity.

    Raises:
        ConfigError: a name is not valid in a certificate.
    """
    names = [*dict.fromkeys([*hosts, *ALWAYS])]
    alternatives = [general for host in names for general in _general_names(host)]
    return _make_leaf(ca, names[0][:_NAME_CHARS_MAX], days, ExtendedKeyUsageOID.SERVER_AUTH, alternatives)


def make_client(ca: Pair, name: str, days: int) -> Pair:
    """Make a client's certificate. Raises `ConfigError` for an empty name, or one that is too long."""
    if not 0 < len(name) <= _NAME_CHARS_MAX or not name.isprintable() or "/" in name:
        raise ConfigError(
            f"--client {name!r}: expected a name of up to {_NAME_CHARS_MAX} characters, without /"
        )
    return _make_leaf(ca, name, days, ExtendedKeyUsageOID.CLIENT_AUTH, [])


def read_pair(files: PairFiles) -> Pair:
    """Read the files of `write_pair`. Raises `ConfigError`."""
    try:
        certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
        key = serialization.load_pem_private_key(files.key.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"can't use {files.certificate} and {files.key}: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise ConfigError(f"{files.key} is not the key of {files.certificate}")
    return Pair(certificate, key)


def write_pair(files: PairFiles, pair: Pair) -> None:
    """Write both files; the key is readable by its owner only. Raises `ConfigError`."""
    key = pair.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        make_folder(files.key.parent)
        replace_file(files.key, [key], mode=0o600)
        certificate = pair.certificate.public_bytes(serialization.Encoding.PEM)
        replace_file(files.certificate, [certificate], mode=0o644)
    except OSError as error:
        raise ConfigError(f"can't write {files.certificate} and {files.key}: {error.strerror}") from error


def _make_leaf(
    ca: Pair, name: str, days: int, use: x509.ObjectIdentifier, alternatives: list[x509.GeneralName]
) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = ca.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        _builder(_name(name), ca.certificate.subject, key.public_key(), days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer), critical=False)
    )
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return Pair(builder.sign(ca.key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC).replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + timedelta(days=days))
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_names(host: str) -> list[x509.GeneralName]:
    """Alternative names for a host. Raises `ConfigError`.

    An IPv4 address is also added as a DNS name: Mbed TLS before 3.5, which many ESP32 firmwares use, compares
    nothing else (Mbed-TLS/mbedtls#5082).
    """
    with suppress(ValueError):
        address = ipaddress.ip_address(host)
        plain = [x509.DNSName(host)] if address.version == 4 else []
        return [x509.IPAddress(address), *plain]
    name = ""
    with suppress(ValueError):
        name = host if host.isascii() else host.encode("idna").decode()
    if not name or any(not (sign.isalnum() or sign in "-._*") for sign in name):
        raise ConfigError(f"--host {host!r}: expected a name or an IP address, without port and scheme")
    return [x509.DNSName(name)]
