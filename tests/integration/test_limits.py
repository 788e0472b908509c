"""Limits for unknown, many, fast and slow clients, without an effect on others."""

import gzip
import json
import socket
from pathlib import Path
from typing import Any

import aiohttp
import grpc  # type: ignore[import-untyped]
import pytest

from logboom.errors import ConfigError
from logboom.pipeline.door import Refused
from logboom.servers import http, http_front
from tests.kit.app_kit import run_scenario
from tests.kit.app_thread import AppThread

LINE = b'{"boot_seq":3,"uptime_ms":1}\n'
GREETING = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


def limited(tmp_path: Path, *listeners: str, **settings: Any) -> AppThread:
    return AppThread(
        tmp_path, listeners, settings={"listeners": {name: dict(settings) for name in listeners}}
    )


def connect(app: AppThread, listener: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", app.port(listener)), timeout=30)


def is_turned_away(connection: socket.socket, greeting: bytes) -> bool:
    try:
        connection.sendall(greeting)
        return connection.recv(1024) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize(("listener", "greeting"), [("device", LINE), ("http", GREETING)])
@pytest.mark.parametrize("rule", [{"deny": ["127.0.0.0/8"]}, {"allow": ["192.168.0.0/16"]}])
def test_a_network_that_may_not_connect(
    tmp_path: Path, listener: str, greeting: bytes, rule: dict[str, Any]
) -> None:
    with limited(tmp_path, listener, **rule) as app:
        with connect(app, listener) as stranger:
            assert is_turned_away(stranger, greeting)
        counters = app.app.monitor.counters(listener)
        assert counters.connections_turned_away[Refused.NETWORK] == 1
        assert counters.connections_total == 0


@pytest.mark.parametrize(("listener", "greeting"), [("device", LINE), ("http", GREETING)])
def test_a_reload_ends_what_may_not_be_here_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listener: str, greeting: bytes
) -> None:
    monkeypatch.setattr(http, "SWEEP_INTERVAL_S", 0.05)
    with limited(tmp_path, listener) as app, connect(app, listener) as guest:
        guest.sendall(greeting)
        assert guest.recv(1024)
        settings = app.app.settings.listeners[listener]
        settings.deny = ["127.0.0.0/8"]
        app.call(app.app.listeners[listener].service.configure, settings)
        assert is_turned_away(guest, b"")


def test_a_network_that_may_not_call(tmp_path: Path) -> None:
    with (
        limited(tmp_path, "grpc", deny=["127.0.0.0/8"]) as app,
        grpc.insecure_channel(f"127.0.0.1:{app.port('grpc')}") as channel,
        pytest.raises(grpc.RpcError, match="UNAVAILABLE") as caught,
    ):
        channel.unary_unary("/logservice.LogService/LogMessage")(b"", timeout=30)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a_wrong_network_names_the_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"listeners\.device.*`deny` has 'everybody', expected a network"):
        limited(tmp_path, "device", deny=["everybody"])


def test_one_address_does_not_take_every_place_over_tcp(tmp_path: Path) -> None:
    with limited(tmp_path, "device", connections_per_address_max=2) as app:
        first, second = connect(app, "device"), connect(app, "device")
        with first, second:
            for connection in (first, second):
                connection.sendall(LINE)
                assert connection.recv(1024) == b'{"ack":1}\n'
            with connect(app, "device") as third:
                assert is_turned_away(third, LINE)
        assert app.app.monitor.counters("device").connections_turned_away[Refused.ADDRESS] == 1


def test_one_address_does_not_take_every_place_over_http(tmp_path: Path) -> None:
    with limited(tmp_path, "http", connections_per_address_max=2) as app:
        first, second = connect(app, "http"), connect(app, "http")
        with first, second:
            for connection in (first, second):
                connection.sendall(GREETING)
                assert connection.recv(1024).startswith(b"HTTP/1.1 200")
            with connect(app, "http") as third:
                assert is_turned_away(third, GREETING)


@pytest.mark.parametrize("listener", ["device", "http"])
def test_connections_that_are_gone_count_no_more(tmp_path: Path, listener: str) -> None:
    greeting, answer = {"device": (LINE, b'{"ack":1}\n'), "http": (GREETING, b"HTTP/1.1 200")}[listener]
    with limited(tmp_path, listener, connections_per_address_max=2) as app:
        counters = app.app.monitor.counters(listener)
        for _ in range(10):
            with connect(app, listener) as short:
                short.sendall(greeting)
                assert short.recv(1024).startswith(answer)
            app.until(lambda: not counters.connections_open)
        assert counters.connections_total == 10
        assert counters.connections_refused == 0


def test_who_sends_too_fast_is_read_slowly_and_loses_nothing(tmp_path: Path) -> None:
    with limited(tmp_path, "device", lines_per_s_max=400) as app:
        with connect(app, "device") as hasty:
            for _ in range(10):
                hasty.sendall(LINE * 100)
            hasty.shutdown(socket.SHUT_WR)
            received = b""
            while piece := hasty.recv(65536):
                received += piece
        assert received == b'{"ack":1}\n' * 1000
        assert app.app.monitor.counters("device").throttled_s > 0


def test_over_http_as_well(tmp_path: Path) -> None:
    async def scenario(port: int) -> Any:
        async with aiohttp.ClientSession() as session:
            body = b'{"message":"x"}\n' * 500
            async with session.post(f"http://127.0.0.1:{port}/api/entries", data=body) as answer:
                return await answer.json(content_type=None)

    with limited(tmp_path, "http", bytes_per_s_max=6000) as app:
        assert run_scenario(scenario(app.port("http")))["stored"] == 500
        assert app.app.monitor.counters("http").throttled_s > 0


def test_who_never_ends_the_head_of_a_request_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_front, "FIRST_REQUEST_S_MAX", 0.0)
    with limited(tmp_path, "http") as app:
        with connect(app, "http") as dawdler:
            assert is_turned_away(dawdler, b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        assert app.app.monitor.counters("http").slow_closed == 1


def test_who_asks_in_time_may_stay(tmp_path: Path) -> None:
    with limited(tmp_path, "http") as app, connect(app, "http") as visitor:
        visitor.sendall(GREETING)
        assert visitor.recv(4096).startswith(b"HTTP/1.1 200")
        monitor = app.app.monitor
        app.call(lambda: monitor.listeners["http"].service.front.look_after(1e12, lambda _: True))  # type: ignore[attr-defined]
        visitor.sendall(GREETING)
        assert visitor.recv(4096).startswith(b"HTTP/1.1 200")


def post(app: AppThread, body: bytes, **headers: str) -> int:
    async def scenario() -> int:
        url = f"http://127.0.0.1:{app.port('http')}/api/entries"
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=body, headers=headers) as answer,
        ):
            return answer.status

    return run_scenario(scenario())


def test_a_bomb_is_refused_in_little_memory(tmp_path: Path) -> None:
    bomb = gzip.compress(b" " * (256 << 20), 9)
    with limited(tmp_path, "http") as app:
        assert post(app, bomb, **{"Content-Encoding": "gzip"}) in (400, 413)
        assert post(app, b'{"message":"x"}') == 200


@pytest.mark.parametrize("depth", [5_000, 200_000])
def test_deep_json_harms_nobody(tmp_path: Path, depth: int) -> None:
    deep = b'{"message":' + b"[" * depth + b"]" * depth + b"}"
    with limited(tmp_path, "http", "collector") as app:
        assert post(app, deep, **{"Content-Type": "application/x-ndjson"}) in (200, 400, 413)
        with connect(app, "collector") as client:
            client.sendall(
                b'{"level":"INFO","message":"x","deep":'
                + deep[11:-1]
                + b'}\n{"level":"INFO","message":"y"}\n'
            )
            replies = b""
            while replies.count(b"\n") < 2:
                replies += client.recv(4096)
        assert json.loads(replies.splitlines()[-1])["message"] == "received"


def test_long_heads_are_refused(tmp_path: Path) -> None:
    with limited(tmp_path, "http") as app, connect(app, "http") as client:
        client.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Long: " + b"y" * 100_000 + b"\r\n\r\n")
        assert b" 400 " in client.recv(4096).splitlines()[0]
