"""Connections through proxies: the client that the PROXY header names is the one that counts, everywhere."""

import contextlib
import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from logboom.ops.certificates import files_of, make_ca, make_server, write_pair
from logboom.pipeline.intake import Limit
from logboom.servers import proxy_link
from logboom.testing.server_kit import ServerProcess
from tests.kit.app_kit import journal_lines
from tests.kit.app_thread import AppThread
from tests.kit.proxy_kit import local, v1, v2

LIMIT_S = 30.0
LINE = b'{"boot_seq":1,"uptime_ms":1,"level":"info","msg":"m"}\n'
ACK = b'{"ack":1}\n'
CLIENT = "192.0.2.7"


def settings(listener: str = "device", **more: Any) -> dict[str, Any]:
    return {"listeners": {listener: {"proxy_from": ["127.0.0.0/8", "::1/128"], **more}}}


def connect(app: AppThread, listener: str = "device") -> socket.socket:
    return socket.create_connection(("127.0.0.1", app.port(listener)), timeout=LIMIT_S)


def read_all(one: socket.socket) -> bytes:
    received = b""
    try:
        while data := one.recv(1 << 16):
            received += data
    except ConnectionError:
        pass
    return received


def exchange(app: AppThread, *pieces: bytes, listener: str = "device") -> bytes:
    """Send pieces, end this side, read to the end; the server may have closed the connection before all is sent."""
    with connect(app, listener) as one:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError):
            for piece in pieces:
                one.sendall(piece)
            one.shutdown(socket.SHUT_WR)
        return read_all(one)


def sources(data_dir: Path) -> list[str]:
    return [json.loads(line)["source"] for line in journal_lines(data_dir)]


def bytewise(data: bytes) -> list[bytes]:
    return [data[index : index + 1] for index in range(len(data))]


def test_entries_come_from_the_client_whatever_the_header_and_its_pieces(tmp_path: Path) -> None:
    with AppThread(tmp_path, settings=settings()) as app:
        assert exchange(app, v1(CLIENT) + LINE) == ACK
        assert exchange(app, v2(CLIENT) + LINE) == ACK
        assert exchange(app, v2("2001:db8::9", more=bytes(1000)) + LINE * 2000) == ACK * 2000
        assert exchange(app, *bytewise(v1("198.51.100.1") + LINE)) == ACK
        assert exchange(app, *bytewise(v2("198.51.100.2") + LINE)) == ACK
        assert exchange(app, local() + LINE) == ACK
        assert exchange(app, b"PROXY UNKNOWN\r\n" + LINE) == ACK
    assert sources(tmp_path) == [
        *(CLIENT, CLIENT, *["2001:db8::9"] * 2000, "198.51.100.1", "198.51.100.2", "127.0.0.1", "127.0.0.1")
    ]
    assert f"device {CLIENT} connected" in app.log.getvalue()
    assert "💥" not in app.log.getvalue()


@pytest.mark.parametrize("first", [LINE, b"GET / HTTP/1.1\r\n\r\n", v1()[1:] + LINE, v2()[:-1], b"PRO", b""])
def test_from_a_proxy_nothing_is_taken_without_a_header(tmp_path: Path, first: bytes) -> None:
    with AppThread(tmp_path, settings=settings()) as app:
        assert exchange(app, first) == b""
        assert exchange(app, v1() + LINE) == ACK
        assert app.app.monitor.counters("device").shaking == 0
    assert sources(tmp_path) == [CLIENT]


def test_from_elsewhere_a_header_is_never_read(tmp_path: Path) -> None:
    with AppThread(tmp_path, settings=settings(proxy_from=["192.0.2.0/24"])) as app:
        assert exchange(app, v1() + LINE) == ACK  # the header is a bad line
        assert exchange(app, LINE) == ACK
    assert sources(tmp_path) == ["127.0.0.1"] * 2


def test_a_second_header_is_a_bad_line(tmp_path: Path) -> None:
    with AppThread(tmp_path, settings=settings()) as app:
        assert exchange(app, v1("198.51.100.9") + v1(CLIENT) + LINE) == ACK
    assert sources(tmp_path) == ["198.51.100.9"]


def test_networks_and_limits_are_those_of_the_client(tmp_path: Path) -> None:
    limits = settings(allow=["192.0.2.0/24"], deny=["192.0.2.66/32"], connections_per_address_max=1)
    with AppThread(tmp_path, settings=limits) as app:
        assert exchange(app, v2("198.51.100.1") + LINE) == b""
        assert exchange(app, v2("192.0.2.66") + LINE) == b""
        assert exchange(app, local() + LINE) == b""
        with connect(app) as first, connect(app) as other:
            first.sendall(v1("192.0.2.1") + LINE)
            assert first.recv(100) == ACK
            assert exchange(app, v1("192.0.2.1") + LINE) == b""
            other.sendall(v1("192.0.2.2") + LINE)
            assert other.recv(100) == ACK
    assert sources(tmp_path) == ["192.0.2.1", "192.0.2.2"]


def test_the_rate_limit_counts_clients(tmp_path: Path) -> None:
    limits = settings("collector", rate_limit_enabled=True, rate_limit_requests_max=1)
    line = b'{"level":"INFO","message":"m"}\n'
    with AppThread(tmp_path, ("collector",), settings=limits) as app:
        for client in (CLIENT, "192.0.2.8"):
            replies = exchange(app, v2(client) + line * 2, listener="collector")
            assert replies.count(b'"received"') == replies.count(b"rate limit") == 1


def test_http_and_websocket_see_the_client(tmp_path: Path) -> None:
    body = b'{"message":"m"}'
    request = b"POST /api/entries HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b"
    upgrade = (
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    frame = b"\x81" + bytes([0x80 | len(body)]) + bytes(4) + body
    with AppThread(tmp_path, ("http",), settings=settings("http")) as app:
        answer = exchange(app, *bytewise(v1(CLIENT)), request % (len(body), body), listener="http")
        assert answer.startswith(b"HTTP/1.1 200")
        with connect(app, "http") as one:
            one.sendall(v2("2001:db8::5") + upgrade)
            assert one.recv(12) == b"HTTP/1.1 101"
            one.sendall(frame)
            received = b""
            while b'"message_id"' not in received:
                received += one.recv(4096)
        assert exchange(app, request % (len(body), body), listener="http") == b""
    assert sources(tmp_path) == [CLIENT, "2001:db8::5"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    ca = make_ca()
    write_pair(files_of(folder, "ca"), ca)
    write_pair(files_of(folder, "server"), make_server(ca, [], 30))
    return folder


@pytest.mark.parametrize("make_header", [v1, v2])
def test_the_header_stands_before_tls(tmp_path: Path, folder: Path, make_header: Any) -> None:
    tls = {"tls_cert": str(folder / "server.pem"), "tls_key": str(folder / "server.key")}
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    with AppThread(tmp_path, settings=settings(**tls)) as app:
        with connect(app) as plain:
            plain.sendall(make_header(CLIENT))
            with context.wrap_socket(plain, server_hostname="localhost") as one:
                one.sendall(LINE)
                assert one.recv(100) == ACK
        with connect(app) as plain, pytest.raises((ssl.SSLError, OSError), match=r"."):
            context.wrap_socket(plain, server_hostname="localhost")
    assert sources(tmp_path) == [CLIENT]


def test_a_header_must_come_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy_link, "HEADER_S_MAX", 0.01)
    with AppThread(tmp_path, settings=settings()) as app, connect(app) as one:
        one.sendall(b"PROXY TCP4 ")
        assert read_all(one) == b""
        counters = app.app.monitor.counters("device")
        assert counters.limits_reached[Limit.PROXY_HEADER] == counters.slow_closed == 1
        assert counters.shaking == 0
        app.until(lambda: "no PROXY header came within" in app.log.getvalue())


def test_silent_connections_from_a_proxy_are_bounded(tmp_path: Path) -> None:
    with AppThread(tmp_path, settings=settings(connections_max=2)) as app:
        with connect(app) as one, connect(app) as two:
            app.until(lambda: app.app.monitor.counters("device").shaking == 2)
            with connect(app) as third:
                assert read_all(third) == b""
            for waiting in (one, two):
                waiting.sendall(v1() + LINE)
                assert waiting.recv(100) == ACK
        app.until(lambda: app.app.monitor.counters("device").connections_open == 0)


@pytest.fixture
def reloaded(tmp_path: Path) -> Iterator[AppThread]:
    with AppThread(tmp_path) as app:
        yield app


def test_proxies_can_be_named_while_it_runs(reloaded: AppThread) -> None:
    assert exchange(reloaded, LINE) == ACK
    service = reloaded.app.listeners["device"].service
    changed = msgspec.structs.replace(reloaded.app.settings.listeners["device"], proxy_from=["127.0.0.1/32"])
    reloaded.call(service.configure, changed)
    assert exchange(reloaded, LINE) == b""
    assert exchange(reloaded, v1() + LINE) == ACK


def test_a_server_of_its_own_reads_headers_in_any_pieces(tmp_path: Path, folder: Path) -> None:
    """The event loop of a server is another one than that of the tests above."""
    config = tmp_path / "proxies.toml"
    tls = f'tls_cert = "{folder / "server.pem"}"\ntls_key = "{folder / "server.key"}"\n'
    config.write_text(
        "".join(
            f'[listeners.{name}]\nproxy_from = ["127.0.0.1/32"]\n{more}'
            for name, more in (("device", tls), ("gateway", ""), ("http", ""))
        ),
        encoding="utf-8",
    )
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    body = b'{"message":"m"}\n'
    request = b"POST /api/entries HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b"
    reading = b'{"id":"a","time":"2025-10-02 17:58:37","temp":1,"rh":2,"lux":3}\n'
    with ServerProcess(tmp_path / "data", ("device", "gateway", "http"), (f"--config={config}",)) as server:
        for header in (v1("192.0.2.1"), v2("192.0.2.1")):
            with server.connect("device") as plain:
                for piece in bytewise(header):
                    plain.sendall(piece)
                with context.wrap_socket(plain, server_hostname="localhost") as one:
                    one.sendall(LINE)
                    assert one.recv(100) == ACK
            with server.connect("http") as one:
                one.sendall(header + request % (len(body), body))
                assert read_all(one).startswith(b"HTTP/1.1 200")
            with server.connect("gateway") as one:
                one.sendall(header + reading)
                one.shutdown(socket.SHUT_WR)
                assert read_all(one) == b""
    assert sources(tmp_path / "data") == ["192.0.2.1"] * 6
