"""Whom clients trust, and what they say about failures."""

import ssl
from pathlib import Path

import pytest

from logboom.clients.wire.dialect_registry import choose
from logboom.clients.wire.http_api import HttpApi
from logboom.clients.wire.tls_stream import explain, explain_connecting
from logboom.clients.wire.tls_trust import Trust, trust_for
from logboom.errors import ConfigError
from logboom.ops.certificates import files_of, make_ca, make_client, write_pair


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("device", "tcps://h:1"),
        ("collector", "tls://h:1"),
        ("capnp", "capnps://h:1"),
        ("grpc", "grpcs://h:1"),
        (None, "grpcs://h"),
        (None, "wss://h"),
    ],
)
def test_schemes_of_encrypted_connections(name: str | None, url: str) -> None:
    assert choose(name, url)[1].secure
    assert not choose(name, url.replace("s://", "://").replace("tl:", "tcp:"))[1].secure


def test_a_server_proves_who_it_is_unless_told_otherwise() -> None:
    context = Trust().context()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    careless = Trust(verify=False).context()
    assert (careless.verify_mode, careless.check_hostname) == (ssl.CERT_NONE, False)


@pytest.mark.parametrize("url", ["tcp://h:1", "ws://h:1", "grpc://h:1", "http://h:1", "h:1"])
def test_certificates_are_not_ignored_on_plain_connections(url: str) -> None:
    for trust in (Trust(ca="ca.pem"), Trust(verify=False)):
        with pytest.raises(ConfigError, match="not encrypted"):
            trust_for(trust, url)


def test_wrong_files_are_named(tmp_path: Path) -> None:
    pair, other = files_of(tmp_path, "a"), files_of(tmp_path, "b")
    ca = make_ca()
    write_pair(pair, make_client(ca, "a", 1))
    write_pair(other, make_client(ca, "b", 1))
    (tmp_path / "nonsense").write_text("nonsense", encoding="utf-8")
    for trust, message in (
        (Trust(ca=f"{tmp_path}/absent"), "--ca: can't read .*absent"),
        (Trust(ca=f"{tmp_path}/nonsense"), "can't use .*nonsense"),
        (Trust(client_cert=str(pair.certificate)), "belong together"),
        (Trust(client_key=str(pair.key)), "belong together"),
        (Trust(client_cert=str(pair.certificate), client_key=str(other.key)), "can't use .*a.pem, .*b.key"),
    ):
        with pytest.raises(ConfigError, match=message):
            choose("collector", "tcps://h:1", trust)
        with pytest.raises(ConfigError, match=message):
            HttpApi("https://h:1", trust)
    choose("collector", "tcps://h:1", Trust(client_cert=str(pair.certificate), client_key=str(pair.key)))


def test_grpc_always_looks_at_the_certificate() -> None:
    with pytest.raises(ConfigError, match="gRPC always looks"):
        choose("grpc", "grpcs://h:1", Trust(verify=False))


def test_errors_are_told_in_words_for_users() -> None:
    reset = ssl.SSLError(1, "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] whatever")
    reset.reason = "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    assert explain(reset) == "the server wants a client certificate"
    unknown = ssl.SSLError(1, "whatever")
    unknown.reason = "SOME_NEW_REASON"
    assert explain(unknown) == "TLS: some new reason"
    assert explain_connecting(ConnectionRefusedError(111, "x")) == "connection refused"
    assert explain_connecting(unknown) == "TLS: some new reason"
