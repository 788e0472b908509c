"""Attacks on access, availability and confidentiality; each stays as a regression test."""

import asyncio
import gzip
import io
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from logboom.app import App
from logboom.config import load
from logboom.errors import ConfigError
from logboom.formats import levelled
from logboom.formats.proto_schema import load_schema
from logboom.formats.redaction import place, redacted_url
from logboom.journal.journal import AckLevel
from logboom.model import NOWHERE, Batch
from logboom.ops.certificates import files_of, make_ca, make_server, write_pair
from logboom.ops.oplog import LINES_BURST, OperationalLog
from logboom.pipeline import tokens as tokens_module
from logboom.pipeline.intake import Intake, IntakeLimits, Limit
from logboom.pipeline.throttle import Throttle
from logboom.pipeline.tokens import add_token, revoke_token
from logboom.receivers.grpc.entry import REAL
from logboom.servers import connection as connection_module
from logboom.servers import http as http_module
from logboom.servers import http_connection
from logboom.servers import tcp as tcp_module
from logboom.testing.server_kit import ServerProcess
from logboom.web import access as access_module
from logboom.web import bodies, json_body, push
from logboom.web import entries as entries_module
from logboom.web import site as site_module
from tests.kit.app_thread import AppThread

LINE = b'{"boot_seq":3,"uptime_ms":1}\n'
ENTRIES = {
    "device": LINE,
    "gateway": b'{"time":"t","temp":1,"rh":2,"lux":3}',
    "collector": b'{"level":"ERROR","message":"m"}\n',
    "capnp": bytes.fromhex("00000014 101250010f01030006111d3200061f68656c6c6f"),
}
"""One entry per protocol over TCP."""
SECRET = b"only for those who may read"
UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
LIMIT_S = 30.0


def ask(port: int, head: str, body: bytes = b"", *, version: str = "1.1") -> bytes:
    """Everything that comes back to a request that is written by hand."""
    request = f"{head.replace(chr(10), f' HTTP/{version}{chr(13)}{chr(10)}', 1)}"
    with socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S) as connection:
        received = b""
        try:
            connection.sendall(request.encode("latin-1") + b"\r\n" + body)
            while piece := connection.recv(1 << 16):
                received += piece
        except ConnectionError:
            pass
    return received


def get(port: int, path: str, headers: str = "", method: str = "GET") -> bytes:
    return ask(port, f"{method} {path}\nHost: 127.0.0.1\r\nConnection: close\r\n{headers}")


def post(port: int, body: bytes, headers: str = "", path: str = "/api/entries") -> bytes:
    size = f"Host: 127.0.0.1\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
    return ask(port, f"POST {path}\n{size}{headers}", body)


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0


def is_ended(connection: socket.socket) -> bool:
    """Wait for the end that the server makes of a connection; what comes before it is read away."""
    connection.settimeout(LIMIT_S)
    try:
        while connection.recv(1 << 16):
            pass
    except ConnectionError:
        pass
    return True


# --- coming in without a token


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[AppThread, dict[str, str]]]:
    """A listener that asks for tokens and holds an entry, and the tokens."""
    folder = tmp_path_factory.mktemp("guarded")
    made = {name: add_token(folder / "tokens.json", name, (name,)) for name in ("write", "read")}
    with AppThread(folder, ("http",), settings={"listeners": {"http": {"auth": "token"}}}) as app:
        bearer = f"Authorization: Bearer {made['write']}\r\n"
        entry = b'{"message":"%b"}' % SECRET
        assert status_of(post(app.port("http"), entry, bearer)) == 200
        yield app, made


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "PROPFIND", "CONNECT", "get"])
def test_no_method_reads_without_a_token(guarded: tuple[AppThread, dict[str, str]], method: str) -> None:
    answer = get(guarded[0].port("http"), "/api/entries", method=method)
    assert status_of(answer) in {400, 401}
    assert SECRET not in answer


@pytest.mark.parametrize(
    "path",
    [
        *(
            "//api/entries",
            "/api/entries/",
            "/%61pi/entries",
            "/api%2fentries",
            "/API/entries",
            "/./api/entries",
        ),
        *("/static/../api/entries", "/static/..%2fapi/entries", "/static/%2e%2e/api/entries"),
        *("/livez/../api/entries", "/api/login/../entries", "/api/entries;x", "/api/entries#/livez"),
        *("http://x/api/entries", "http://x/static/../api/entries", "/api/tail?after=-1"),
        *("/api/export.jsonl", "/api/export.csv", "/api/fields", "/api/volume", "/api/series?field=a"),
        *("/api/sources", "/api/alerts", "/api/status", "/metrics"),
    ],
)
def test_no_path_leads_around_the_token(guarded: tuple[AppThread, dict[str, str]], path: str) -> None:
    answer = get(guarded[0].port("http"), path)
    assert status_of(answer) in {401, 404}
    assert SECRET not in answer


@pytest.mark.parametrize(
    "headers",
    [
        UPGRADE,
        UPGRADE.replace("websocket", "WebSocket"),
        UPGRADE.replace("websocket", "foo, websocket"),
        UPGRADE.replace("Upgrade: websocket", "Upgrade: foo\r\nUpgrade: websocket"),
        "Authorization: Bearer x\r\nAuthorization: Bearer {read}\r\n",
        "Authorization: Basic !!!\r\n",
        "Authorization: Bearer\r\n",
        "Cookie: logboom_token=x\r\n",
        "X-Original-URL: /livez\r\nX-Forwarded-For: 127.0.0.1\r\n",
        UPGRADE + "Authorization: Bearer {write}\r\n",
    ],
)
def test_no_header_reads_without_the_right_token(
    guarded: tuple[AppThread, dict[str, str]], headers: str
) -> None:
    app, made = guarded
    for path in ("/api/entries", "/api/tail?after=-1"):
        answer = get(app.port("http"), path, headers.format(**made))
        assert status_of(answer) in {401, 403}
        assert SECRET not in answer


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"[" * 1000, ""),
        (b'{"token":"x"}', "Content-Type: application/json; charset=nope\r\n"),
        (b'{"token":"x"}', "Content-Type: application/json; charset=hex\r\n"),
        (b'{"token":"\\ud800"}', ""),
        (b'{"token":' + b"1" * 900 + b"}", ""),
    ],
)
def test_a_strangers_login_is_no_fault_of_ours(
    guarded: tuple[AppThread, dict[str, str]], body: bytes, headers: str
) -> None:
    app, _ = guarded
    assert status_of(post(app.port("http"), body, headers, "/api/login")) in {400, 401}
    assert "💥" not in app.log.getvalue()


def test_a_token_in_a_request_that_can_not_be_read_stays_out_of_the_log(
    guarded: tuple[AppThread, dict[str, str]],
) -> None:
    app, made = guarded
    for headers in ("Authorization : Bearer {read}\r\n", "Authorization: Bearer\r\n {read}\r\n"):
        assert status_of(get(app.port("http"), "/", headers.format(**made))) == 400
    assert status_of(ask(app.port("http"), f"GET http://a:{made['read']}@[x\nHost: x\r\n")) == 400
    assert made["read"] not in app.log.getvalue()


def chunked(body: bytes, size: int = 7) -> bytes:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join([b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]) + b"0\r\n\r\n"


LOGIN = b'{"token":"x"}'
LONG = LOGIN + b" " * access_module.LOGIN_BYTES_MAX
IN_CHUNKS = "Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        (f"Content-Length: {len(LOGIN)}\r\n", LOGIN, 200),
        (f"Content-Length: {len(LONG)}\r\n", LONG, 413),
        ("Content-Length: 9999999999\r\n", b"", 413),
        ("Content-Length: 0\r\n", b"", 400),
        ("", b"", 400),
        (IN_CHUNKS, chunked(LOGIN), 200),
        (IN_CHUNKS, chunked(LOGIN, 1), 200),
        (IN_CHUNKS, chunked(b""), 400),
        (IN_CHUNKS, chunked(LOGIN + b"}"), 400),
        (IN_CHUNKS, chunked(LONG, 100), 413),
        (IN_CHUNKS, b"d\r\n" + LOGIN + b"\r\nzz\r\n", 400),
    ],
)
def test_a_login_is_answered_by_what_it_is(tmp_path: Path, headers: str, body: bytes, status: int) -> None:
    with AppThread(tmp_path, ("http",)) as app:
        head = f"POST /api/login\nHost: 127.0.0.1\r\nConnection: close\r\n{headers}"
        assert status_of(ask(app.port("http"), head, body)) == status
        assert "💥" not in app.log.getvalue()


def test_without_tokens_a_login_sets_no_cookie(tmp_path: Path) -> None:
    with AppThread(tmp_path, ("http",)) as app:
        answer = post(app.port("http"), b'{"token":"a\\r\\nSet-Cookie: b"}', path="/api/login")
    assert status_of(answer) == 200
    assert b"ookie" not in answer


# --- a browser that is led here by a foreign name


@pytest.mark.parametrize(
    ("host", "headers", "status"),
    [
        ("evil.example:8080", "Accept-Language: en\r\n", 403),
        ("evil.example", "Accept-Language:\r\n", 403),
        ("evil.example", "Accept-Language: en\r\nOrigin: http://evil.example\r\n", 403),
        ("evil.example", "Accept-Language: en\r\nOrigin: null\r\n" + UPGRADE, 403),
        (
            "evil.example",
            "Accept-Language: *\r\nUser-Agent: node\r\n",
            403,
        ),  # some browsers let a page write this
        ("evil.example", "Origin: http://evil.example\r\n", 403),
        ("evil.example", "Origin: http://evil.example\r\n" + UPGRADE, 403),
        ("127.0.0.1:8080", "Accept-Language: en\r\n", 200),
        ("[::1]:8080", "Accept-Language: en\r\n", 200),
        ("localhost:8080", "Accept-Language: en\r\n", 200),
        ("logs.localhost", "Accept-Language: en\r\n", 200),
        ("logboom:8080", "Accept-Language: en\r\n", 200),
        ("logs.example", "", 200),  # a program; through a proxy, perhaps
        ("logs.example", "Accept-Language: *\r\nSec-Fetch-Mode: cors\r\nUser-Agent: node\r\n", 200),
        ("logs.example", "Origin: file://\r\n", 200),
        ("logs.example", "Accept-Language: en\r\nSec-Fetch-Site: same-origin\r\n", 200),
        ("logs.example", "Accept-Language: en\r\nOrigin: https://logs.example\r\n", 200),
    ],
)
def test_a_foreign_name_that_leads_here_reads_nothing(
    tmp_path_factory: pytest.TempPathFactory, host: str, headers: str, status: int
) -> None:
    with AppThread(tmp_path_factory.mktemp("rebound"), ("http",)) as app:
        answer = ask(app.port("http"), f"GET /api/entries\nHost: {host}\r\nConnection: close\r\n{headers}")
        assert status_of(answer) == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ("", 200),
        ("Accept-Language: *\r\nSec-Fetch-Mode: cors\r\nUser-Agent: node\r\n", 200),
        ("Accept-Language: *\r\nUser-Agent: Deno/2.1\r\n", 200),
        ("Accept-Language: en;q=1\r\nUser-Agent: App/1 CFNetwork/1 Darwin/2\r\n", 200),
        ("Origin: file://\r\nUser-Agent: ESP32HTTPClient\r\n", 200),
        ("Origin: http://logs.example\r\nUser-Agent: x\r\n", 403),  # some browsers let a page write this
        ("Origin: null\r\nUser-Agent: x\r\n", 403),
        ("Origin: http://logs.example\r\nUser-Agent: Mozilla/5.0\r\n", 403),
        ("Origin: file://\r\nUser-Agent: Mozilla/5.0\r\n", 403),
        ("Sec-Fetch-Site: cross-site\r\n", 403),
    ],
)
def test_programs_may_write_by_a_name_that_leads_here(
    tmp_path_factory: pytest.TempPathFactory, headers: str, status: int
) -> None:
    with AppThread(tmp_path_factory.mktemp("named"), ("http",)) as app:
        head = (
            f"POST /api/entries\nHost: logs.example\r\nConnection: close\r\nContent-Length: 12\r\n{headers}"
        )
        assert status_of(ask(app.port("http"), head, b'{"msg":"hi"}')) == status


@pytest.mark.parametrize("origin", ["file://", "https://github.com/gilmaimon/TinyWebsockets"])
@pytest.mark.parametrize("host", ["127.0.0.1", "logs.lan", "192.168.1.9:8080"])
def test_websocket_libraries_of_devices_have_an_origin_of_their_own(
    tmp_path_factory: pytest.TempPathFactory, host: str, origin: str
) -> None:
    with AppThread(tmp_path_factory.mktemp("device"), ("http",)) as app:
        for headers, status in (("", 101), ("User-Agent: Mozilla/5.0\r\n", 403)):
            head = f"GET / HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\n{headers}{UPGRADE}\r\n"
            with socket.create_connection(("127.0.0.1", app.port("http")), timeout=LIMIT_S) as connection:
                connection.sendall(head.encode())
                assert status_of(connection.recv(1 << 16)) == status


# --- what was revoked


def test_who_came_in_by_a_token_goes_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens_module, "RELOAD_INTERVAL_S", 0.0)
    monkeypatch.setattr(http_module, "SWEEP_INTERVAL_S", 0.05)
    file = tmp_path / "tokens.json"
    token, kept = add_token(file, "leaves", ("admin",)), add_token(file, "stays", ("admin",))
    names = ("http", "device", "grpc")
    settings = {"listeners": {name: {"auth": "token"} for name in names}}
    request = load_schema(REAL).messages["LogRequest"](message="hello").SerializeToString()
    with AppThread(tmp_path, names, settings=settings) as app:
        port = app.port("http")
        device = socket.create_connection(("127.0.0.1", app.port("device")), timeout=LIMIT_S)
        channel = grpc.insecure_channel(f"127.0.0.1:{app.port('grpc')}")
        hold = threading.Event()

        def messages() -> Iterator[bytes]:
            yield request
            hold.wait(LIMIT_S)

        with (
            device,
            channel,
            connect(f"ws://a:{token}@127.0.0.1:{port}/api/tail?after=-1") as tail,
            connect(f"ws://a:{token}@127.0.0.1:{port}/") as live,
            connect(f"ws://a:{kept}@127.0.0.1:{port}/") as other,
        ):
            device.sendall(b"AUTH " + token.encode() + b"\n" + LINE)
            assert device.recv(100) == b'{"ack":1}\n'
            stream = channel.stream_stream("/logservice.LogService/LogStream")(
                messages(), metadata=[("authorization", f"Bearer {token}")], timeout=LIMIT_S
            )
            assert next(stream) == b"\x08\x01"
            revoke_token(file, "leaves")
            assert is_ended(device)
            for one in (tail, live):
                with pytest.raises(ConnectionClosed, match="close frame"):
                    read_all(one)
            with pytest.raises(grpc.RpcError, match="UNAUTHENTICATED") as caught:
                next(stream)
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
            hold.set()
            other.send(json.dumps({"message": "still here", "source": "s", "type": "log"}))
            assert json.loads(other.recv(timeout=LIMIT_S))["status"] == "received"
    assert token not in app.log.getvalue()


def read_all(one: ClientConnection) -> None:
    while True:
        one.recv(timeout=LIMIT_S)


def test_a_token_file_that_can_be_read_again_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens_module, "RELOAD_INTERVAL_S", 0.0)
    file = tmp_path / "tokens.json"
    token = add_token(file, "leaves", ("read",))
    store = tokens_module.TokenStore(file)
    revoke_token(file, "leaves")
    read = tokens_module.read_tokens

    def not_allowed(_: Path) -> Any:
        raise ConfigError("as long as it belongs to root")

    monkeypatch.setattr(tokens_module, "read_tokens", not_allowed)
    assert store.identify(token) is not None
    monkeypatch.setattr(tokens_module, "read_tokens", read)
    file.chmod(0o640)
    assert store.identify(token) is None


def test_who_brings_no_token_does_not_hold_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "TOKEN_LINE_S_MAX", 0.0)
    add_token(tmp_path / "tokens.json", "one", ("write",))
    with (
        AppThread(tmp_path, ("device",), settings={"listeners": {"device": {"auth": "token"}}}) as app,
        socket.create_connection(("127.0.0.1", app.port("device")), timeout=LIMIT_S) as silent,
    ):
        silent.sendall(b"AU")
        assert is_ended(silent)


# --- taking what is there for all


def test_all_listeners_share_the_open_files(tmp_path: Path) -> None:
    with AppThread(tmp_path, ("device", "gateway", "http")) as app:
        app.app.open_files.limit = app.app.open_files.spare + 3
        ports = [app.port(name) for name in ("device", "gateway", "http", "device", "http")]
        connections: list[socket.socket] = []
        for port in ports:
            one = socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S)
            connections.append(one)
            if len(connections) > 3:
                assert is_ended(one)
            elif port == app.port("http"):
                one.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
                assert one.recv(9) == b"HTTP/1.1 "
            else:
                one.sendall(LINE)
                assert port == app.port("gateway") or one.recv(100)
        for one in connections:
            one.close()


def test_grpc_takes_no_more_connections_than_it_may(tmp_path: Path) -> None:
    settings = {"listeners": {"grpc": {"connections_max": 2}}}
    with AppThread(tmp_path, ("grpc",), settings=settings) as app:
        connections = [app_socket(app, "grpc") for _ in range(4)]
        greeted = [bool(one.recv(1)) for one in connections]
        for one in connections:
            one.close()
    assert sorted(greeted) == [False, False, True, True]


def app_socket(app: AppThread, listener: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", app.port(listener)), timeout=LIMIT_S)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("attack-certs")
    files = files_of(folder, "server")
    write_pair(files, make_server(make_ca(), [], 30))
    return {"tls_cert": str(folder / "server.pem"), "tls_key": str(folder / "server.key")}


def test_half_handshakes_of_one_address_leave_room_for_others(
    tmp_path: Path, certificates: dict[str, str]
) -> None:
    settings = {"listeners": {"device": {**certificates, "connections_per_address_max": 2}}}
    with AppThread(tmp_path, ("device",), settings=settings) as app:
        half = [socket.create_connection(("127.0.0.1", app.port("device"))) for _ in range(3)]
        assert is_ended(half[2])
        elsewhere = socket.socket()
        elsewhere.bind(("127.0.0.2", 0))
        elsewhere.settimeout(LIMIT_S)
        elsewhere.connect(("127.0.0.1", app.port("device")))
        with ssl._create_unverified_context().wrap_socket(elsewhere) as other:
            other.sendall(LINE)
            assert other.recv(100) == b'{"ack":1}\n'
        for one in half:
            one.close()


def test_who_hangs_up_right_after_the_handshake_is_no_fault_of_ours(
    tmp_path: Path, certificates: dict[str, str]
) -> None:
    settings = {f"LOGBOOM_LISTENERS__HTTP__{name.upper()}": value for name, value in certificates.items()}
    context = ssl._create_unverified_context()
    with ServerProcess(tmp_path, ("http",), environment=settings) as server:
        for _ in range(50):
            with context.wrap_socket(server.connect("http")) as one:
                one.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        server.stop()
        assert [event for event in server.events if event["event"] == "fatal"] == []


def test_no_address_takes_every_place_of_http_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_body, "BODY_S_MAX", 0.0)
    begun = b"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
    with AppThread(tmp_path, ("http",)) as app, app_socket(app, "http") as silent:
        settings = app.app.settings.listeners["http"]
        assert settings.connections_per_address_max < settings.connections_max
        silent.sendall(begun)
        assert status_of(silent.recv(100)) == 408
        assert is_ended(silent)


def test_bodies_that_dribble_take_no_place_from_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push, "HELD_FREE_BYTES", 10)
    monkeypatch.setattr(push, "HELD_BYTES_MAX", 1000)
    begun = b"POST /api/entries HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n["
    with AppThread(tmp_path, ("http",)) as app:
        port = app.port("http")
        held = [socket.create_connection(("127.0.0.1", port)) for _ in range(40)]
        for one in held:
            one.sendall(begun)
        assert status_of(post(port, b'[{"a":"' + b"x" * 500 + b'"}]')) == 200
        held[0].sendall(b" " * 900)
        wait_until(app, lambda site: site.held_bytes > 800)
        assert status_of(post(port, b'[{"a":"' + b"x" * 500 + b'"}]')) == 503
        assert app.app.monitor.counters("http").limits_reached[Limit.HELD_BYTES] == 1
        assert status_of(post(port, b'[{"a":1}]')) == 200
        for one in held:
            one.close()
        wait_until(app, lambda site: site.held_bytes == 0)


def test_frames_that_never_end_do_not_take_all_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tcp_module, "HELD_BYTES_MAX", 250_000)
    begun = (1 << 20).to_bytes(4, "big")
    with AppThread(tmp_path, ("capnp",)) as app, socket.socket() as other:
        other.bind(("127.0.0.2", 0))
        other.connect(("127.0.0.1", app.port("capnp")))
        other.sendall(begun + b"x" * 100_000)
        greedy = [app_socket(app, "capnp") for _ in range(3)]
        for one in greedy:
            one.sendall(begun + b"x" * 100_000)
        assert all(map(is_ended, greedy))
        for one in greedy:
            one.close()
        assert app.app.listeners["capnp"].service.intake.counters.connections_open == 1


def wait_until(app: AppThread, wanted: Callable[[Any], bool]) -> None:
    """Until the site of `http` is as wanted."""
    site = app.app.listeners["http"].service.front._site  # type: ignore[attr-defined]
    deadline = time.monotonic() + LIMIT_S
    while not app.call(wanted, site):
        assert time.monotonic() < deadline


def test_a_body_that_holds_too_long_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push, "HELD_FREE_BYTES", 1)
    monkeypatch.setattr(push, "HELD_S_MAX", 0.0)
    with (
        AppThread(tmp_path, ("http",)) as app,
        socket.create_connection(("127.0.0.1", app.port("http")), timeout=LIMIT_S) as one,
    ):
        one.sendall(b"POST /api/entries HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n[  ")
        wait_until(app, lambda site: site.held_bytes > 0)
        one.sendall(b"  ")
        assert status_of(one.recv(100)) == 408


def test_others_have_their_turn_while_bad_lines_are_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = 500_000
    monkeypatch.setattr(bodies, "INVALID_MAX", lines)
    with AppThread(tmp_path, ("http",)) as app, app_socket(app, "http") as sender:
        port, counters = app.port("http"), app.app.listeners["http"].service.intake.counters
        head = b"POST /api/entries HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (2 * lines)
        sending = threading.Thread(target=sender.sendall, args=(head + b"0\n" * lines,))
        sending.start()
        wait_until(app, lambda _: counters.batches > 0)
        assert status_of(get(port, "/livez")) == 200
        assert sum(counters.verdicts.values()) < lines
        sending.join()


def test_a_bomb_of_bad_lines_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "INVALID_MAX", 1000)
    bomb = gzip.compress(b'{"good":1}\n' + b"0\n" * 2_000_000)
    with AppThread(tmp_path, ("http",)) as app:
        answer = post(app.port("http"), bomb, "Content-Encoding: gzip\r\n")
    assert status_of(answer) == 400
    told = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert told["error"] == "more than 1000 bad entries: the rest was not looked at"
    assert told["stored"] == 1
    assert told["refused"] < 200_000


def test_searches_do_not_pile_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_module, "SEARCHES_MAX", 3)
    monkeypatch.setattr(http_connection, "HALF_CLOSE_S_MAX", -1.0)
    searched: list[str] = []
    page = entries_module._page

    def noted(request: Any, *arguments: Any) -> Any:
        searched.append(request.query["q"])
        return page(request, *arguments)

    monkeypatch.setattr(entries_module, "_page", noted)
    with AppThread(tmp_path, ("http",)) as app:
        port, hold = app.port("http"), threading.Event()
        site = app.app.listeners["http"].service.front._site  # type: ignore[attr-defined]
        busy = [site.searching.submit(hold.wait, LIMIT_S) for _ in range(site_module.SEARCH_THREADS)]
        gone = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        for one in gone:
            one.sendall(b"GET /api/entries?q=gone HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(app, lambda site: site._searches == 3)
        for path in ("/api/entries?q=a", "/api/volume", "/api/fields", "/api/series?field=a"):
            assert status_of(get(port, path)) == 503
        for one in gone:
            one.close()
        server = app.app.listeners["http"].service.front._runner.server  # type: ignore[attr-defined]
        wait_until(app, lambda _: all(one.transport is None for one in server.connections))
        hold.set()
        for one in busy:
            one.result(LIMIT_S)
        assert status_of(get(port, "/api/entries?q=here")) == 200
    assert searched == ["here"]


def test_no_number_is_too_long_to_be_refused(tmp_path: Path) -> None:
    with AppThread(tmp_path, ("http",)) as app:
        for path in (
            "/api/sources?limit=",
            "/api/entries?limit=",
            "/api/volume?since=",
            "/api/series?field=a&points=",
        ):
            assert status_of(get(app.port("http"), path + "9" * 5000)) == 400
        assert "💥" not in app.log.getvalue()


def test_levels_of_a_megabyte_are_not_kept(tmp_path: Path) -> None:
    levelled.LEVEL_OF_WORD.clear()
    entries = b"".join(b'{"level":"%d%b"}\n' % (number, b"x" * 100_000) for number in range(5))
    with AppThread(tmp_path, ("http",)) as app:
        port = app.port("http")
        assert status_of(post(port, entries)) == 200
        told = json.loads(get(port, "/api/volume").partition(b"\r\n\r\n")[2])
        assert sorted(told["levels"]) == [f"{number}{'X' * 31}" for number in range(5)]
        assert len(get(port, "/api/export.csv")) > 500_000
    assert sum(map(len, levelled.LEVEL_OF_WORD)) <= levelled.WORDS_BYTES_MAX


# --- sending more than one may


def test_no_name_that_a_peer_takes_counts_for_its_limits() -> None:
    intake = Intake(None, AckLevel.SYNCED, lambda *_: None, IntakeLimits(throttle=Throttle(10, 0)))
    batch = Batch(b"{}", bytes(1), size_bytes=1000)
    batch.source = NOWHERE._replace(peer="honest", address="192.0.2.66")
    intake.submit(batch, lambda _receipt: None)
    assert intake.debts.owes("192.0.2.66")
    assert not intake.debts.owes("honest")


def test_a_reload_tells_grpc_whom_to_turn_away(tmp_path: Path) -> None:
    request = load_schema(REAL).messages["LogRequest"](message="hello").SerializeToString()
    with (
        AppThread(tmp_path, ("grpc",)) as app,
        grpc.insecure_channel(f"127.0.0.1:{app.port('grpc')}") as channel,
    ):
        call = channel.unary_unary("/logservice.LogService/LogMessage")
        assert call(request, timeout=LIMIT_S) == b"\x08\x01"
        settings = app.app.settings.listeners["grpc"]
        settings.deny = ["127.0.0.0/8"]
        app.call(app.app.listeners["grpc"].service.configure, settings)
        with pytest.raises(grpc.RpcError, match="PERMISSION_DENIED") as caught:
            call(request, timeout=LIMIT_S)
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


# --- the operational log


def test_a_flood_of_one_kind_of_lines_hides_no_other() -> None:
    stream = io.StringIO()
    log = OperationalLog(stream=stream)
    for _ in range(2 * LINES_BURST):
        log.warning("nonsense")
    log.error("something else")
    log.close()
    lines = stream.getvalue().splitlines()
    assert LINES_BURST - 10 < sum("nonsense" in line for line in lines) < LINES_BURST + 500
    assert any("something else" in line for line in lines)
    assert any("lines of this log were dropped" in line for line in lines)


@pytest.mark.parametrize(
    "url",
    [
        "redis://u:SECRET/part@host/0",
        "redis://u:part@SECRET@host:6379/0",
        "postgresql://u:SECRET?part@host/db",
        "postgresql://u:SECRET#part@host/db",
        " redis://u:SECRET@host",
        "https://host/path?apikey=SECRET",
        "https://host/path?x=1&access_token=SECRET",
    ],
)
def test_no_part_of_a_password_is_shown(url: str) -> None:
    assert "SECRET" not in redacted_url(url)
    assert "SECRET" not in place(url)
    assert "SECRET" not in place(url.replace("part", "[")), "it can't be read as an address"


@pytest.mark.parametrize(
    ("listener", "settings", "fits", "does_not"),
    [
        (
            "http",
            {"auth": "token"},
            "set its auth to `auto`, which asks for none here",
            ("--insecure", "bind"),
        ),
        (
            "device",
            {"auth": "token"},
            "set its auth to `auto`, which asks for none here",
            ("--insecure", "bind"),
        ),
        (
            "device",
            {"auth": "token", "host": "0.0.0.0"},
            "set its auth to `auto`, which",
            ("--insecure", "bind"),
        ),
        (
            "http",
            {"auth": "token", "host": "0.0.0.0"},
            "bind it to 127.0.0.1 and set its auth",
            ("--insecure",),
        ),
        ("http", {"host": "0.0.0.0"}, "bind it to 127.0.0.1, or start with --insecure", ("auth",)),
    ],
)
def test_the_advice_of_a_start_without_tokens_fits(
    tmp_path: Path, listener: str, settings: dict[str, str], fits: str, does_not: tuple[str, ...]
) -> None:
    section = {"port": 0, "host": "127.0.0.1", **settings}
    table = {"data_dir": str(tmp_path), "only": [listener], "listeners": {listener: section}}
    app = App(load(environment={}, flags=table), OperationalLog(stream=io.StringIO()))
    with pytest.raises(ConfigError, match="logboom token add NAME") as caught:
        asyncio.run(app.start())
    assert fits in str(caught.value)
    assert not [word for word in does_not if word in str(caught.value)]
