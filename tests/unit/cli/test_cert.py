"""`logboom cert`."""

import re
import ssl
import stat
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from typer.testing import CliRunner

from logboom.cli import app
from logboom.errors import ConfigError
from logboom.ops.certificates import files_of, make_ca, make_server, read_pair


def cert(folder: Path, *options: str) -> str:
    result = CliRunner().invoke(app, ["cert", "--dir", str(folder), *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_a_server_gets_all_its_names(tmp_path: Path) -> None:
    cert(
        tmp_path,
        "--host",
        "logboom.local",
        "--host",
        "192.168.1.10",
        "--host",
        "fd00::10",
        "--host",
        "bücher.example",
    )
    names = (
        load(tmp_path / "server.pem").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    )
    dns, addresses = names.get_values_for_type(x509.DNSName), names.get_values_for_type(x509.IPAddress)
    assert {"logboom.local", "localhost", "xn--bcher-kva.example"} <= set(dns)
    assert {"192.168.1.10", "127.0.0.1"} <= set(dns)  # for Mbed TLS
    assert set(addresses) == {ip_address(one) for one in ("192.168.1.10", "fd00::10", "127.0.0.1", "::1")}


def test_the_authority_signs_and_is_used_again(tmp_path: Path) -> None:
    cert(tmp_path, "--host", "a.example")
    before = (tmp_path / "ca.pem").read_bytes()
    cert(tmp_path, "--client", "hall-1", "--client", "hall-2")
    cert(tmp_path, "--host", "b.example", "--force")
    assert (tmp_path / "ca.pem").read_bytes() == before
    ca = load(tmp_path / "ca.pem")
    for name in ("server", "hall-1", "hall-2"):
        load(tmp_path / f"{name}.pem").verify_directly_issued_by(ca)  # raises unless it is
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(*files_of(tmp_path, name))
    with pytest.raises(InvalidSignature, match=r"^$"):
        ca.verify_directly_issued_by(make_ca().certificate)
    limits = ca.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (limits.ca, limits.path_length) == (True, 0)


def test_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    cert(tmp_path, "--client", "hall-1")
    for key in tmp_path.glob("*.key"):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert not list(tmp_path.glob(".*"))


def test_nothing_is_replaced_unasked(tmp_path: Path) -> None:
    cert(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ConfigError, match=r"server.pem is there already; --force"):
        cert(tmp_path, "--client", "hall-1", "--host", "a.example")
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    cert(tmp_path, "--force")
    changed = {path.name for path in tmp_path.iterdir() if before[path] != path.read_bytes()}
    assert changed == {"server.pem", "server.key"}


@pytest.mark.parametrize("lost", ["ca.key", "ca.pem"])
def test_half_an_authority_is_no_reason_to_make_another(tmp_path: Path, lost: str) -> None:
    cert(tmp_path)
    (tmp_path / lost).unlink()
    with pytest.raises(ConfigError, match=r"can't use .*ca.pem and .*ca.key"):
        cert(tmp_path, "--force")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--host", "tcps://a:5000"), "expected a name or an IP address"),
        (("--host", ""), "expected a name or an IP address"),
        (("--client", "../up"), "without /"),
        (("--client", "x" * 65), "up to 64"),
        (("--client", "server"), "that name is taken"),
        (("--client", "ca"), "that name is taken"),
    ],
)
def test_wrong_names_are_told(tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        cert(tmp_path, *options)
    assert not list(tmp_path.glob("*server*"))


def test_it_says_how_to_go_on(tmp_path: Path) -> None:
    told = cert(tmp_path, "--host", "logboom.local", "--client", "hall-1")
    assert f'tls_cert = "{tmp_path}/server.pem"' in told
    assert f'tls_client_ca = "{tmp_path}/ca.pem"' in told
    assert "--to tcps://logboom.local:9000" in told
    assert f"--client-key {tmp_path}/hall-1.key" in told


def test_days_are_counted_from_now(tmp_path: Path) -> None:
    cert(tmp_path, "--days", "30")
    made = load(tmp_path / "server.pem")
    assert (made.not_valid_after_utc - made.not_valid_before_utc).days == 30


def test_a_name_that_is_long_still_fits_the_subject() -> None:
    name = "a" * 60 + ".example.com"
    made = make_server(make_ca(), [name], 1).certificate
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert name in names.get_values_for_type(x509.DNSName)


def test_a_foreign_key_is_no_authority(tmp_path: Path) -> None:
    cert(tmp_path, "--client", "hall-1")
    (tmp_path / "ca.key").write_bytes((tmp_path / "hall-1.key").read_bytes())
    with pytest.raises(ConfigError, match="is not the key of"):
        read_pair(files_of(tmp_path, "ca"))
