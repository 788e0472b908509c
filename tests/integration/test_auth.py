"""Tokens on every kind of listener, tried by who has one, who has a wrong one, and who has none."""

import base64
import io
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import grpc  # type: ignore[import-untyped]
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from logboom.app import App
from logboom.config import parse
from logboom.errors import ConfigError
from logboom.formats.proto_schema import load_schema
from logboom.ops.oplog import OperationalLog
from logboom.pipeline.tokens import add_token
from logboom.receivers.grpc.entry import REAL
from tests.kit.app_kit import run_scenario
from tests.kit.app_thread import AppThread

ENTRY = '{"level":"info","message":"hello"}'
MESSAGE = json.dumps({"message": "hello", "source": "s", "type": "log"})


class World:
    """A server whose clients must show tokens, and the tokens."""

    def __init__(self, app: AppThread, tokens: dict[str, str]) -> None:
        self.app = app
        self.tokens = tokens

    def ask(self, method: str, path: str, **more: Any) -> tuple[int, str, Any]:
        async def scenario() -> tuple[int, str, Any]:
            url = f"http://127.0.0.1:{self.app.port('http')}{path}"
            async with aiohttp.ClientSession() as session, session.request(method, url, **more) as answer:
                return answer.status, await answer.text(), answer.headers

        return run_scenario(scenario())

    def bearer(self, name: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[name]}"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("auth")
    tokens = {name: add_token(folder / "tokens.json", name, (name,)) for name in ("write", "read", "admin")}
    tokens["wrong"] = "lb_wrong"
    names = ("device", "collector", "grpc", "http")
    settings = {"listeners": {name: {"auth": "token"} for name in names}}
    with AppThread(folder, names, settings=settings) as app:
        yield World(app, tokens)


def test_without_a_token_only_what_tells_nothing_is_open(world: World) -> None:
    for path in ("/api/entries", "/api/tail", "/api/status", "/metrics"):
        status, _, headers = world.ask("GET", path)
        assert (path, status, headers["WWW-Authenticate"]) == (path, 401, "Bearer")
    assert world.ask("POST", "/api/entries", data=ENTRY)[0] == 401
    for path in ("/", "/livez", "/readyz", "/api/health"):
        status = world.ask("GET", path)[0]
        assert (path, status) == (path, 200), world.app.log.getvalue()


@pytest.mark.parametrize(
    ("name", "writes", "reads"),
    [("write", 200, 403), ("read", 403, 200), ("admin", 200, 200), ("wrong", 401, 401)],
)
def test_scopes_over_http(world: World, name: str, writes: int, reads: int) -> None:
    assert world.ask("POST", "/api/entries", data=ENTRY, headers=world.bearer(name))[0] == writes
    for path in ("/api/entries?limit=1", "/api/status", "/metrics"):
        assert (path, world.ask("GET", path, headers=world.bearer(name))[0]) == (path, reads)


def test_only_an_admin_lets_a_source_be_forgotten(world: World) -> None:
    path = "/api/sources?listener=device&name=nobody"
    for name, status in (("write", 403), ("read", 403), ("wrong", 401), ("admin", 404)):
        assert (name, world.ask("DELETE", path, headers=world.bearer(name))[0]) == (name, status)


def test_a_token_as_the_password_of_an_address(world: World) -> None:
    word = base64.b64encode(f"anybody:{world.tokens['read']}".encode()).decode()
    assert world.ask("GET", "/api/entries?limit=1", headers={"Authorization": f"Basic {word}"})[0] == 200
    assert world.ask("GET", "/api/entries", headers={"Authorization": "Basic !!!"})[0] == 401


def test_a_browser_logs_in_and_out(world: World) -> None:
    status, _, headers = world.ask("POST", "/api/login", json={"token": world.tokens["read"]})
    assert status == 200
    cookie = headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    shown = {"Cookie": cookie.partition(";")[0]}
    assert world.ask("GET", "/api/entries?limit=1", headers=shown)[0] == 200
    assert world.ask("POST", "/api/entries", data=ENTRY, headers=shown)[0] == 403
    assert "Max-Age=0" in world.ask("POST", "/api/logout")[2]["Set-Cookie"]


@pytest.mark.parametrize("body", [b'{"token":"lb_no"}', b"[]", b"{", b'{"token":1}', b"x" * 5000])
def test_a_wrong_login_sets_no_cookie(world: World, body: bytes) -> None:
    status, _, headers = world.ask("POST", "/api/login", data=body)
    assert status in (400, 401, 413)
    assert "Set-Cookie" not in headers


def test_another_site_can_not_log_a_browser_in(world: World) -> None:
    shown = {"Origin": "http://evil.example", "User-Agent": "Mozilla/5.0"}
    assert world.ask("POST", "/api/login", json={"token": world.tokens["read"]}, headers=shown)[0] == 403


def test_the_websocket_takes_the_token_in_its_address(world: World) -> None:
    port = world.app.port("http")

    def address(name: str) -> str:
        return f"ws://any:{world.tokens[name]}@127.0.0.1:{port}/"

    with pytest.raises(InvalidStatus, match="HTTP 401"):
        connect(f"ws://127.0.0.1:{port}/")
    with pytest.raises(InvalidStatus, match="HTTP 401"):
        connect(address("wrong"))
    with (
        connect(address("read")) as reader,
        connect(address("write")) as writer,
        connect(address("write")) as deaf,
    ):
        reader.send(MESSAGE)
        assert json.loads(reader.recv(timeout=30))["message"] == "this token may not write"
        writer.send(MESSAGE)
        assert json.loads(writer.recv(timeout=30))["status"] == "received"
        assert json.loads(reader.recv(timeout=30))["message"] == "hello"
        deaf.send(MESSAGE)
        assert (
            json.loads(deaf.recv(timeout=30))["status"] == "received"
        )  # its own reply, nobody else's message


def converse(port: int, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            received = b""
            while piece := connection.recv(4096):
                received += piece
        except ConnectionError:
            return b""
    return received


def test_a_token_line_opens_a_tcp_listener(world: World) -> None:
    line = b'{"boot_seq":3,"uptime_ms":1}\n'
    port = world.app.port("device")
    assert converse(port, b"AUTH %b\n%b" % (world.tokens["write"].encode(), line)) == b'{"ack":1}\n'
    for name in ("wrong", "read"):
        assert converse(port, b"AUTH %b\n%b" % (world.tokens[name].encode(), line)) == b""
    assert converse(port, line) == b""


@pytest.mark.parametrize(
    ("name", "code"),
    [("write", None), ("read", "PERMISSION_DENIED"), ("wrong", "UNAUTHENTICATED"), ("", "UNAUTHENTICATED")],
)
def test_grpc_wants_it_in_the_metadata(world: World, name: str, code: str | None) -> None:
    request = load_schema(REAL).messages["LogRequest"](message="hello").SerializeToString()
    metadata = [("authorization", f"Bearer {world.tokens[name]}")] if name else []
    with grpc.insecure_channel(f"127.0.0.1:{world.app.port('grpc')}") as channel:
        call = channel.unary_unary("/logservice.LogService/LogMessage")
        if code is None:
            assert call(request, metadata=metadata, timeout=30) == b"\x08\x01"
            return
        with pytest.raises(grpc.RpcError, match=f"StatusCode.{code}") as caught:
            call(request, metadata=metadata, timeout=30)
    assert caught.value.code().name == code


def test_wrong_tokens_are_counted(world: World) -> None:
    before = world.app.app.monitor.counters("http").auth_failed
    world.ask("GET", "/api/entries", headers=world.bearer("wrong"))
    assert world.app.app.monitor.counters("http").auth_failed == before + 1


def test_no_token_reaches_the_operational_log(world: World) -> None:
    world.ask("GET", "/api/entries", headers=world.bearer("wrong"))
    assert not [text for text in world.tokens.values() if text in world.app.log.getvalue()]


OPEN = {"http": {"protocol": "http", "host": "0.0.0.0", "port": 0}}


def start(tmp_path: Path, **settings: Any) -> str:
    """Start an app whose page is on all addresses; returns what it says of it."""
    log = ""

    async def scenario() -> None:
        nonlocal log
        stream = io.StringIO()
        app = App(
            parse({"data_dir": str(tmp_path), "listeners": OPEN, **settings}), OperationalLog(stream=stream)
        )
        try:
            await app.start()
            await app.stop()
        finally:
            log = stream.getvalue()

    run_scenario(scenario())
    return log


def test_the_page_is_not_opened_to_the_network_by_accident(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"logboom token add NAME.*--insecure"):
        start(tmp_path)
    add_token(tmp_path / "tokens.json", "anna", ("read",))
    assert "are not encrypted" in start(tmp_path)
    with pytest.raises(ConfigError, match="open to the network"):
        start(tmp_path, listeners={"http": {**OPEN["http"], "auth": "none"}})


def test_insecure_says_what_it_is(tmp_path: Path) -> None:
    assert "every client that reaches it can read every entry" in start(tmp_path, insecure=True)


def test_the_commands(tmp_path: Path) -> None:
    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "logboom", "token", *words, "--data-dir", str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    made = run("add", "anna", "--scope", "read,write")
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout.startswith("lb_")
    listed = run("list").stdout
    assert "anna" in listed
    assert "read, write" in listed
    assert made.stdout.strip() not in listed
    assert run("revoke", "anna").returncode == 0
    assert run("revoke", "anna").returncode == 1
    assert "anna" not in run("list").stdout
