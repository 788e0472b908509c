"""Every kind of listener over TLS: a real server process, real clients."""

import asyncio
import json
import logging
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request
import warnings
from collections.abc import Iterator
from pathlib import Path

import grpc  # type: ignore[import-untyped]
import pytest
from cryptography import x509
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]
from websockets.sync.client import connect as connect_websocket

import logboom
from logboom.clients.delivery.delivery import Policy
from logboom.clients.delivery.sending import send_lines
from logboom.clients.wire.dialect import ConnectFailedError
from logboom.clients.wire.dialect_registry import choose
from logboom.clients.wire.tls_trust import Trust
from logboom.clients.wire.websocket_dialect import WebSocketDialect
from logboom.ops import certificates
from logboom.ops.certificates import files_of, make_ca, make_client, make_server, write_pair
from logboom.testing.server_kit import ServerProcess
from tests.kit.services import find_program

LISTENERS = ("device", "collector", "gateway", "capnp", "http", "grpc")
SECURE = {
    "device": "tcps",
    "collector": "tcps",
    "gateway": "tls",
    "capnp": "capnps",
    "grpc": "grpcs",
    "ws": "wss",
    "http": "https",
}
"""The URL scheme of each protocol that clients speak."""
INFO = b'{"level":"INFO","message":"hello","id":"a","temp":1.5}\n'
ONE_TRY = Policy(delays_s=())
LIMIT_S = 20.0
REFUSED = re.compile(
    r"alert|handshake failure|reset by peer|EOF occurred|WRONG_VERSION_NUMBER|record layer failure"
)
"""What a client's library makes of a server that does not want it: OpenSSL's words differ from version to version."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates: `ca`, by it `server` and `hall-2`; and `other`, an authority that nobody knows."""
    folder = tmp_path_factory.mktemp("certs")
    ca, other = make_ca(), make_ca()
    write_pair(files_of(folder, "ca"), ca)
    write_pair(files_of(folder, "other"), other)
    write_pair(files_of(folder, "server"), make_server(ca, [], 30))
    write_pair(files_of(folder, "hall-2"), make_client(ca, "hall-2", 30))
    write_pair(files_of(folder, "stranger"), make_client(other, "stranger", 30))
    return folder


def server_on(
    data_dir: Path, folder: Path, listeners: tuple[str, ...] = LISTENERS, **more: str
) -> ServerProcess:
    """A server whose listeners all speak TLS."""
    settings = {"tls_cert": "server.pem", "tls_key": "server.key", **more}
    sections = [
        f"[listeners.{name}]\nrate_limit_enabled = false\n"
        + "".join(f'{key} = "{folder / value}"\n' for key, value in settings.items())
        for name in listeners
    ]
    config = data_dir.parent / f"{data_dir.name}.toml"
    config.write_text("\n".join(sections), encoding="utf-8")
    return ServerProcess(data_dir, listeners, (f"--config={config}",))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[ServerProcess]:
    with server_on(tmp_path_factory.mktemp("tls") / "data", folder) as server:
        yield server


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[ServerProcess]:
    """A server that wants client certificates."""
    data_dir = tmp_path_factory.mktemp("strict") / "data"
    with server_on(data_dir, folder, ("collector", "http", "grpc"), tls_client_ca="ca.pem") as server:
        yield server


def client_context(folder: Path, client: str = "", ca: str = "ca") -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=folder / f"{ca}.pem")
    if client:
        context.load_cert_chain(*files_of(folder, client))
    return context


def secured(server: ServerProcess, listener: str, context: ssl.SSLContext) -> ssl.SSLSocket:
    return context.wrap_socket(server.connect(listener), server_hostname="localhost")


def url_of(server: ServerProcess, name: str) -> str:
    return f"{SECURE[name]}://localhost:{server.ports['http' if name == 'ws' else name]}"


def read_until_end(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(1 << 16), b""))


# --- the server ---


@pytest.mark.parametrize(("listener", "ack"), [("collector", b'{"status":"ok"'), ("device", b'{"ack":1}')])
def test_answers_come_after_the_client_has_ended_its_side(
    server: ServerProcess, folder: Path, listener: str, ack: bytes
) -> None:
    line = (
        INFO
        if listener == "collector"
        else b'{"boot_seq":1,"uptime_ms":5,"seq":1,"level":"info","msg":"m"}\n'
    )
    with secured(server, listener, client_context(folder)) as connection:
        assert connection.version() == "TLSv1.3"
        connection.sendall(line * 3)
        socket.socket.shutdown(connection, socket.SHUT_WR)  # the TCP end, as devices without ceremony do
        assert read_until_end(connection).count(ack) == 3


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_answers_come_after_the_farewell_of_tls(
    server: ServerProcess, folder: Path, newest: ssl.TLSVersion
) -> None:
    context = client_context(folder)
    context.maximum_version = newest
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with server.connect("collector") as connection:
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                connection.sendall(outgoing.read())
                incoming.write(connection.recv(1 << 16))
        tls.write(INFO * 5)
        with pytest.raises(ssl.SSLWantReadError, match="did not complete"):
            tls.unwrap()
        connection.sendall(outgoing.read())
        incoming.write(read_until_end(connection))
    answers = b""
    try:
        while data := tls.read(1 << 16):
            answers += data
    except ssl.SSLZeroReturnError:  # the server has said farewell, too
        pass
    assert answers.count(b'"ok"') == 5


async def flood(server: ServerProcess, folder: Path, lines: bytes) -> int:
    """Send all of it before the first answer is read; returns the number of answers."""
    reader, writer = await asyncio.open_connection(
        "localhost", server.ports["collector"], ssl=client_context(folder), limit=1 << 14
    )
    writer.write(lines)
    answers = 0
    while answers < lines.count(b"\n"):
        answers += (await reader.read(1 << 16)).count(b"\n")
    writer.close()
    await writer.wait_closed()
    return answers


def test_a_flood_with_unread_answers_arrives_whole_and_in_order(server: ServerProcess, folder: Path) -> None:
    count = 60_000
    before = len(server.journal_lines())
    lines = b"".join(b'{"level":"INFO","message":"%06d %s"}\n' % (n, b"x" * 60) for n in range(count))
    assert asyncio.run(flood(server, folder, lines)) == count
    stored = [line for line in server.journal_lines()[before:] if b"xxxx" in line]
    numbers = [int(json.loads(line)["entry"]["message"][:6]) for line in stored]
    assert numbers == list(range(count))


def test_pages_are_served_over_https(server: ServerProcess, folder: Path) -> None:
    url = f"https://localhost:{server.ports['http']}/api/health"
    with urllib.request.urlopen(url, context=client_context(folder), timeout=LIMIT_S) as answer:
        assert json.load(answer)["status"]


def test_a_large_body_over_https(server: ServerProcess, folder: Path) -> None:
    url = f"https://localhost:{server.ports['http']}/api/entries"
    request = urllib.request.Request(
        url, data=INFO * 20_000, headers={"Content-Type": "application/x-ndjson"}, method="POST"
    )
    with urllib.request.urlopen(request, context=client_context(folder), timeout=LIMIT_S) as answer:
        assert b"20000" in answer.read()


def test_web_sockets_over_tls(server: ServerProcess, folder: Path) -> None:
    url = url_of(server, "ws")
    with connect_websocket(url, ssl=client_context(folder)) as connection:
        connection.send(WebSocketDialect().encode(b"hello").decode())
        assert json.loads(connection.recv(timeout=LIMIT_S))["status"] == "received"


def test_grpc_over_tls(server: ServerProcess, folder: Path) -> None:
    credentials = grpc.ssl_channel_credentials((folder / "ca.pem").read_bytes())
    with grpc.secure_channel(f"localhost:{server.ports['grpc']}", credentials) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=LIMIT_S)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_old_tls_is_refused(server: ServerProcess, folder: Path) -> None:
    context = client_context(folder)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with (
        server.connect("collector") as connection,
        pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"),
    ):
        context.wrap_socket(connection, server_hostname="localhost")
    server.wait_for(lambda event: "nothing newer than TLS 1.1" in event["message"])


@pytest.mark.parametrize(
    "cipher", ["ECDHE-ECDSA-AES128-SHA256", "AES128-GCM-SHA256", "DHE-RSA-AES128-GCM-SHA256"]
)
def test_weak_ciphers_of_tls_1_2_are_refused(server: ServerProcess, folder: Path, cipher: str) -> None:
    context = client_context(folder)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(cipher)
    with (
        server.connect("collector") as connection,
        pytest.raises((ssl.SSLError, ConnectionError), match=REFUSED),
    ):
        context.wrap_socket(connection, server_hostname="localhost")


@pytest.mark.parametrize(("option", "protocol"), [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")])
def test_openssl_agrees(server: ServerProcess, folder: Path, option: str, protocol: str) -> None:
    openssl = find_program("openssl", "openssl")
    address = f"127.0.0.1:{server.ports['collector']}"
    trust = ("-CAfile", folder / "ca.pem", "-verify_return_error", "-verify_hostname", "localhost")
    done = subprocess.run(
        [openssl, "s_client", "-brief", option, "-connect", address, *trust],
        input="",
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=True,
    )
    told = done.stdout + done.stderr
    assert f"Protocol version: {protocol}" in told
    assert "Verification: OK" in told
    assert "GCM" in told or "CHACHA20" in told


@pytest.mark.parametrize("listener", ["collector", "http", "capnp"])
def test_plain_text_on_a_tls_port_is_told_and_harmless(
    server: ServerProcess, folder: Path, listener: str
) -> None:
    seen = len(server.events)
    with server.connect(listener) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_until_end(connection) == b""
    event = server.wait_for(lambda event: "sends plain text" in event["message"], since=seen)
    assert event["message"].startswith(f"{listener} 127.0.0.1: TLS handshake failed")
    with secured(server, listener, client_context(folder)):
        pass


def test_scanners_do_not_flood_the_operational_log(tmp_path: Path, folder: Path) -> None:
    with server_on(tmp_path / "data", folder, ("collector",)) as server:
        for _ in range(50):
            with server.connect("collector") as connection:
                connection.sendall(b"\x16\x03\x01\x00\x05garbage")
                read_until_end(connection)
        server.stop()
    told = [event for event in server.events if "handshake failed" in event["message"]]
    assert len(told) == 10
    assert not [event for event in server.events if event["level"] in ("ERROR", "CRITICAL")]


def test_tls_on_a_plain_port_is_told_and_harmless(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, ("collector", "http")) as server:
        for listener in ("collector", "http"):
            with (
                server.connect(listener) as connection,
                pytest.raises((ssl.SSLError, ConnectionError), match=REFUSED),
            ):
                ssl.create_default_context().wrap_socket(connection, server_hostname="localhost")
        server.wait_for(lambda event: "speaks TLS, and this port is plain text" in event["message"])
        with server.connect("collector") as connection:
            connection.sendall(INFO)
            assert b"ok" in connection.recv(1000)
        assert len(server.journal_lines()) == 1


# --- client certificates ---


def test_a_client_with_a_certificate_is_let_in_and_named(strict: ServerProcess, folder: Path) -> None:
    with secured(strict, "collector", client_context(folder, "hall-2")) as connection:
        connection.sendall(INFO)
        assert b"ok" in connection.recv(1000)
    strict.wait_for(lambda event: event["message"].endswith("connected, by its certificate hall-2"))


@pytest.mark.parametrize("client", ["", "stranger"])
@pytest.mark.parametrize("listener", ["collector", "http"])
def test_a_client_without_a_good_certificate_is_refused(
    strict: ServerProcess, folder: Path, listener: str, client: str
) -> None:
    seen = len(strict.events)
    with (
        pytest.raises((ssl.SSLError, ConnectionError), match=REFUSED),
        secured(strict, listener, client_context(folder, client)) as connection,
    ):
        connection.recv(1)
    reason = "its certificate is not accepted" if client else "it shows no client certificate"
    strict.wait_for(lambda event: reason in event["message"], since=seen)


def test_grpc_wants_client_certificates_too(strict: ServerProcess, folder: Path) -> None:
    ca = (folder / "ca.pem").read_bytes()
    key, chain = (folder / "hall-2.key").read_bytes(), (folder / "hall-2.pem").read_bytes()
    address, request = f"localhost:{strict.ports['grpc']}", health_pb2.HealthCheckRequest()
    with (
        grpc.secure_channel(address, grpc.ssl_channel_credentials(ca)) as channel,
        pytest.raises(grpc.RpcError, match=r"StatusCode.UNAVAILABLE"),
    ):
        health_pb2_grpc.HealthStub(channel).Check(request, timeout=LIMIT_S)
    with grpc.secure_channel(address, grpc.ssl_channel_credentials(ca, key, chain)) as channel:
        assert health_pb2_grpc.HealthStub(channel).Check(request, timeout=LIMIT_S).status


# --- renewal ---


def serial_of(server: ServerProcess, listener: str) -> int:
    pem = ssl.get_server_certificate(("127.0.0.1", server.ports[listener]), timeout=LIMIT_S)
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


def reload_of(server: ServerProcess) -> None:
    seen = len(server.events)
    assert server.process is not None
    server.process.send_signal(signal.SIGHUP)
    server.wait_for(lambda event: event["message"].startswith("reloaded"), since=seen)


def test_a_reload_brings_the_new_certificate_and_keeps_connections(tmp_path: Path, folder: Path) -> None:
    own = tmp_path / "certs"
    shutil.copytree(folder, own)
    ca = certificates.read_pair(files_of(own, "ca"))
    old = certificates.read_pair(files_of(own, "server")).certificate.serial_number
    fresh = make_server(ca, [], 60)
    listeners = ("collector", "http", "grpc")
    with (
        server_on(tmp_path / "data", own, listeners) as server,
        secured(server, "collector", client_context(own)) as connection,
    ):
        assert [serial_of(server, name) for name in listeners] == [old] * 3
        write_pair(files_of(own, "server"), fresh)
        reload_of(server)
        assert [serial_of(server, name) for name in listeners] == [fresh.certificate.serial_number] * 3
        connection.sendall(INFO)  # of the old days
        assert b"ok" in connection.recv(1000)
        (own / "server.pem").write_text("nonsense", encoding="utf-8")
        reload_of(server)
        server.wait_for(lambda event: "the old certificate stays in force" in event["message"])
        assert serial_of(server, "collector") == fresh.certificate.serial_number
        connection.sendall(INFO)
        assert b"ok" in connection.recv(1000)


def test_a_server_does_not_start_with_a_wrong_key(tmp_path: Path, folder: Path) -> None:
    server = server_on(tmp_path / "data", folder, ("collector",), tls_key="ca.key")
    done = subprocess.run(server.command(), capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 1
    assert "❌ listeners.collector.tls_key: " in done.stderr
    assert "is not the key of" in done.stderr
    assert "Traceback" not in done.stderr


# --- our own clients ---


@pytest.mark.parametrize("name", SECURE)
def test_our_clients_deliver_over_tls(server: ServerProcess, folder: Path, name: str) -> None:
    dialect, target = choose(name, url_of(server, name), Trust(str(folder / "ca.pem")))
    report = asyncio.run(send_lines([INFO if name == "gateway" else b"hello"] * 500, target, dialect))
    assert report.ok, report.summary()


@pytest.mark.parametrize("name", SECURE)
def test_our_clients_refuse_a_server_they_have_no_reason_to_trust(
    server: ServerProcess, folder: Path, name: str
) -> None:
    dialect, target = choose(name, url_of(server, name), Trust(str(folder / "other.pem")))
    with pytest.raises(ConnectFailedError, match=r"certificate is not trusted: .*--ca"):
        asyncio.run(send_lines([INFO], target, dialect, policy=ONE_TRY))


def test_the_name_in_the_certificate_counts(server: ServerProcess, folder: Path) -> None:
    dialect, target = choose("collector", url_of(server, "collector"), Trust(str(folder / "ca.pem")))
    with pytest.raises(ConnectFailedError, match="not trusted: Hostname mismatch"):
        asyncio.run(send_lines([INFO], target._replace(name="logs.example.com"), dialect, policy=ONE_TRY))


def test_a_client_without_its_certificate_is_told_so(strict: ServerProcess, folder: Path) -> None:
    dialect, target = choose("collector", url_of(strict, "collector"), Trust(str(folder / "ca.pem")))
    report = asyncio.run(send_lines([INFO], target, dialect, policy=Policy(tries=1, delays_s=())))
    assert "the server wants a client certificate" in report.summary()


def command(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "logboom", *arguments],
        input="hello\n",
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def test_the_commands_take_certificates(strict: ServerProcess, folder: Path) -> None:
    cert, key = files_of(folder, "hall-2")
    options = ("--ca", f"{folder}/ca.pem", "--client-cert", str(cert), "--client-key", str(key))
    tcp, web = url_of(strict, "collector"), f"https://localhost:{strict.ports['http']}"
    sent = command("send", "--to", tcp, "--as", "collector", *options)
    assert sent.returncode == 0, sent.stderr
    ran = command("run", "--to", tcp, "--as", "collector", *options, "--", "echo", "from the command")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert command("health", "--url", web, *options).returncode == 0
    tailed = command("tail", web, "--no-follow", *options)
    assert "from the command" in tailed.stdout, tailed.stderr


def test_the_commands_say_what_is_wrong(server: ServerProcess, folder: Path) -> None:
    web = f"https://localhost:{server.ports['http']}"
    for told in (command("health", "--url", web), command("tail", web, "--no-follow")):
        assert told.returncode != 0
        assert "certificate is not trusted" in told.stderr
        assert "--ca" in told.stderr
    skipped = command("health", "--url", web, "--insecure-skip-verify")
    assert skipped.returncode == 0
    assert "⚠️ --insecure-skip-verify" in skipped.stderr
    plain = command("health", "--url", "http://localhost:1", "--ca", f"{folder}/ca.pem")
    assert plain.returncode == 2
    assert "not encrypted" in plain.stderr


@pytest.mark.parametrize("name", ["grpc", "collector", "capnp", "ws", "http"])
def test_the_logging_handler_speaks_tls(
    server: ServerProcess, folder: Path, tmp_path: Path, name: str
) -> None:
    handler = logboom.LogboomHandler(url_of(server, name), spool_dir=tmp_path, ca=folder / "ca.pem")
    logger = logging.Logger("tls")  # noqa: LOG001
    logger.addHandler(handler)
    logger.warning("over %s", name)
    handler.flush()
    handler.close()
    assert (handler.refused, handler.dropped) == (0, 0)
    if name != "capnp":
        assert handler.acknowledged == 1


@pytest.mark.parametrize(("kind", "listener"), [("device", "device"), ("sensor", "gateway"), ("app", "grpc")])
def test_simulations_feed_a_server_with_tls(
    server: ServerProcess, folder: Path, kind: str, listener: str
) -> None:
    words = [
        "simulate",
        kind,
        "--to",
        url_of(server, listener),
        "--count",
        "3",
        "--ca",
        str(folder / "ca.pem"),
    ]
    words += {"device": ["--rate", "0", "--heartbeats", "0"], "app": ["--as", "grpc"]}.get(kind, [])
    done = command(*words)
    assert done.returncode == 0, done.stderr
    assert "3 sent" in done.stderr


def test_alerts_are_listed_over_tls(server: ServerProcess, folder: Path) -> None:
    url = f"https://localhost:{server.ports['http']}"
    done = command("alerts", "list", "--url", url, "--ca", str(folder / "ca.pem"), "--format", "json")
    assert {"alerts", "notify"} <= json.loads(done.stdout).keys()
