"""docs/contracts/any.md: HTTP and WebSocket on the port for all protocols; they write, and read nothing."""

import asyncio
import io
import json
import socket
import ssl
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from logboom.ops.certificates import files_of, make_ca, make_server, write_pair
from logboom.pipeline.tokens import add_token
from tests.kit.app_kit import journal_lines, port_of, run_scenario, running_app, until
from tests.kit.app_thread import AppThread

BROWSER = {"User-Agent": "Mozilla/5.0 (X11)", "Origin": "http://evil.example"}
REBOUND = {"User-Agent": "Mozilla/5.0 (X11)", "Origin": "http://evil.example", "Host": "evil.example"}
LOKI = {"streams": [{"stream": {"app": "pump"}, "values": [["1700000000000000000", "by Loki"]]}]}


class Port:
    """The port under test, with TLS and without."""

    def __init__(self, app: AppThread, folder: Path) -> None:
        self.app = app
        self.folder = folder
        self.number = app.port("any")

    def run(
        self, scenario: Callable[[aiohttp.ClientSession], Coroutine[Any, Any, None]], scheme: str
    ) -> None:
        async def main() -> None:
            context = ssl.create_default_context(cafile=files_of(self.folder, "ca")[0])
            async with aiohttp.ClientSession(
                f"{scheme}://localhost:{self.number}", connector=aiohttp.TCPConnector(ssl=context)
            ) as session:
                await scenario(session)

        asyncio.run(asyncio.wait_for(main(), 30))

    def messages(self) -> list[str]:
        return [json.loads(line)["entry"]["message"] for line in journal_lines(self.folder / "data")]


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Port]:
    folder = tmp_path_factory.mktemp("any")
    authority = make_ca()
    write_pair(files_of(folder, "ca"), authority)
    write_pair(files_of(folder, "server"), make_server(authority, [], 30))
    cert, key = files_of(folder, "server")
    listener = {"protocol": "any", "tls_cert": str(cert), "tls_key": str(key), "plain_text": True}
    listeners = {"any": listener, "bare": {"protocol": "any"}}
    with AppThread(folder / "data", ("any", "bare"), settings={"listeners": listeners}) as app:
        yield Port(app, folder)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_entries_and_pushes_are_stored(port: Port, scheme: str) -> None:
    async def scenario(session: aiohttp.ClientSession) -> None:
        async with session.post("/api/entries", json={"message": f"entry by {scheme}"}) as answer:
            assert (answer.status, (await answer.json())["stored"]) == (200, 1)
        async with session.post("/loki/api/v1/push", json=LOKI, params={"by": scheme}) as answer:
            assert answer.status == 204
        async with session.get("/", headers={"Accept": "application/json"}) as answer:
            assert "version" in await answer.json()  # Elasticsearch's clients ask first

    port.run(scenario, scheme)
    assert f"entry by {scheme}" in port.messages()
    assert "by Loki" in port.messages()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_websocket_is_answered_and_reads_no_messages_of_others(port: Port, scheme: str) -> None:
    async def scenario(session: aiohttp.ClientSession) -> None:
        async with session.ws_connect("/") as listener, session.ws_connect("/") as sender:
            await sender.send_json({"message": f"socket by {scheme}"})
            assert (await sender.receive_json(timeout=20))["status"] == "received"
            await listener.send_str("no object")
            assert (await listener.receive_json(timeout=20))["status"] == "error"

    port.run(scenario, scheme)
    assert f"socket by {scheme}" in port.messages()


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api/entries",
        "/api/tail",
        "/api/export.csv",
        "/api/status",
        "/metrics",
        "/static/app.js",
        "/loki/api/v1/query_range",
    ],
)
def test_nothing_can_be_read(port: Port, path: str) -> None:
    async def scenario(session: aiohttp.ClientSession) -> None:
        async with session.get(path) as answer:
            assert answer.status in (404, 405)

    port.run(scenario, "http")


@pytest.mark.parametrize(("headers", "reason"), [(BROWSER, "cross-origin"), (REBOUND, "not known here")])
def test_foreign_pages_are_refused(port: Port, headers: dict[str, str], reason: str) -> None:
    async def scenario(session: aiohttp.ClientSession) -> None:
        async with session.post("/api/entries", data=b'{"message":"evil"}', headers=headers) as answer:
            assert (answer.status, reason in await answer.text()) == (403, True)
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await session.ws_connect("/", headers=headers)

    port.run(scenario, "http")
    assert "evil" not in port.messages()


@pytest.mark.parametrize(
    ("listener", "secure"),
    [
        pytest.param("any", False, id="plain-text-on-a-tls-port"),
        pytest.param("any", True, id="tls"),
        pytest.param("bare", False, id="plain"),
    ],
)
@pytest.mark.parametrize("origin", [b"", b"Origin: http://evil.example\r\n"])
def test_a_body_that_comes_while_the_journal_is_behind_is_never_read_as_lines(
    port: Port, listener: str, origin: bytes, *, secure: bool
) -> None:
    app, at_once = port.app.app, listener == "any" and not secure
    turns, counters = app._turns, app.monitor.counters(listener)
    behind = turns.behind
    text = f"{listener} {secure} {len(origin)}"
    head = (
        b"POST /api/entries HTTP/1.1\r\nHost: localhost\r\nUser-Agent: Mozilla/5.0\r\nConnection: close\r\n"
    )
    head += origin + b"Content-Type: application/x-ndjson\r\nContent-Length: 8192\r\n\r\n"
    line = b'{"level":"info","message":"%b"}\n' % text.encode()
    body = (b" " * (4095 - len(head)) + b"\n" + line).ljust(8191) + b"\n"  # a small read ends before the line
    with socket.create_connection(("127.0.0.1", port.app.port(listener)), timeout=10) as client:
        if secure:
            context = ssl.create_default_context(cafile=files_of(port.folder, "ca")[0])
            client = context.wrap_socket(client, server_hostname="localhost")  # noqa: PLW2901
        if not at_once:  # else there is no protocol before the first bytes
            port.app.until(lambda: counters.connections_open == 1)
        port.app.call(setattr, turns, "behind", lambda: True)
        try:
            client.sendall(head + body)
            front = app.listeners[listener].service._front  # type: ignore[attr-defined]
            if not origin:
                port.app.until(lambda: front.open_count == 1)
            answer = client.recv(65536) if origin else b""  # what is refused waits for nothing
        finally:
            port.app.call(setattr, turns, "behind", behind)
            port.app.call(turns.advanced)
        answer = answer or client.recv(65536)
        client.close()
    assert answer.startswith(b"HTTP/1.1 403 " if origin else b"HTTP/1.1 200 ")
    port.app.until(lambda: counters.connections_open == 0)
    assert port.messages().count(text) == (0 if origin else 1)


def test_foreign_pages_are_refused_on_a_port_of_a_network(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            running_app(tmp_path, "any", host="0.0.0.0") as app,
            aiohttp.ClientSession(f"http://127.0.0.1:{port_of(app)}") as session,
        ):
            for headers, status in ((REBOUND, 403), ({"Host": "logs.example"}, 200)):
                async with session.post("/api/entries", data=b'{"message":"m"}', headers=headers) as answer:
                    assert answer.status == status

    run_scenario(main())


def test_a_request_may_come_in_single_bytes(port: Port) -> None:
    body = b'{"message":"byte by byte"}'
    request = (
        b"POST /api/entries HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    )
    with socket.create_connection(("127.0.0.1", port.number), timeout=30) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(request)):
            client.sendall(request[at : at + 1])
        assert client.recv(4096).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("sent", [b"POST", b"POSTED"])
def test_the_beginning_of_a_request_alone_is_logged(port: Port, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port.number), timeout=30) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
    port.app.until(lambda: f"begins with {sent!r}, which is none of device, " in port.app.log.getvalue())


def test_a_token_is_shown_as_on_any_http_port(tmp_path: Path) -> None:
    writer = add_token(tmp_path / "tokens.json", "writer", ("write",))
    reader = add_token(tmp_path / "tokens.json", "reader", ("read",))
    settings = {"tokens_file": str(tmp_path / "tokens.json"), "listeners": {"any": {"auth": "token"}}}
    settings["listeners"]["any"]["protocol"] = "any"  # type: ignore[index]
    expected = {"": 401, "Bearer no": 401, f"Bearer {reader}": 403, f"Bearer {writer}": 200}

    async def scenario(session: aiohttp.ClientSession) -> None:
        for shown, status in expected.items():
            headers = {"Authorization": shown} if shown else {}
            async with session.post("/api/entries", json={"message": "m"}, headers=headers) as answer:
                assert answer.status == status
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await session.ws_connect("/", headers={"Authorization": f"Bearer {reader}"})

    async def main(number: int) -> None:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{number}") as session:
            await scenario(session)

    with AppThread(tmp_path / "data", ("any",), settings=settings) as app:
        asyncio.run(asyncio.wait_for(main(app.port("any")), 30))
    assert len(journal_lines(tmp_path / "data")) == 1


def test_a_port_without_http_refuses_it(tmp_path: Path) -> None:
    settings = {"listeners": {"any": {"protocol": "any", "protocols": ["syslog"]}}}
    with AppThread(tmp_path, ("any",), settings=settings) as app:
        with socket.create_connection(("127.0.0.1", app.port("any")), timeout=30) as client:
            client.sendall(b"POST /api/entries HTTP/1.1\r\n")
            assert client.recv(4096) == b""
        reason = "begins with b'POST /api/entrie', which is none of syslog; closed"
        app.until(lambda: reason in app.log.getvalue())


def test_connections_over_http_count_with_the_others(tmp_path: Path) -> None:
    async def main() -> None:
        async with running_app(tmp_path, "any", connections_per_address_max=2) as app:
            number, counters = port_of(app), app.monitor.counters("any")
            _, device = await asyncio.open_connection("127.0.0.1", number)
            async with aiohttp.ClientSession(f"http://127.0.0.1:{number}") as session:
                body = json.dumps([{"message": "x" * 1000}] * 2000).encode()  # more than one read
                async with session.post("/api/entries", data=io.BytesIO(body)) as answer:
                    assert (await answer.json())["stored"] == 2000
                assert counters.connections_open == 2
                third, writer = await asyncio.open_connection("127.0.0.1", number)
                with pytest.raises(
                    (ConnectionResetError, asyncio.IncompleteReadError), match=r"reset|0 bytes"
                ):
                    await third.readexactly(1)
                writer.close()
            await until(lambda: counters.connections_open == 1)
            device.close()
            await until(lambda: counters.connections_open == 0)

    run_scenario(main())
