"""Failures of every kind of listener and of an output: logged, visible, restarted; nothing acknowledged is lost."""

import asyncio
import io
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from aiohttp import ClientSession

from logboom.app import App
from logboom.config import parse
from logboom.errors import ListenerError
from logboom.formats.proto_schema import load_schema
from logboom.ops import journal_follower, supervisor
from logboom.ops.oplog import OperationalLog
from logboom.receivers.grpc.entry import REAL
from logboom.servers import grpc as grpc_listener
from logboom.servers import http as http_listener
from tests.kit.app_kit import journal_lines, run_server, until

STREAMS = ("device", "gateway", "collector", "capnp")
KINDS = (*STREAMS, "grpc", "http")


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "BACKOFF_FIRST_S", 0.05)
    monkeypatch.setattr(http_listener, "SWEEP_INTERVAL_S", 0.05)
    monkeypatch.setattr(grpc_listener, "HEALTH_INTERVAL_S", 0.05)
    monkeypatch.setattr(journal_follower, "PACE_S", 0.01)


class Server:
    """One listener of each kind, a second http one to ask, and a file output."""

    def __init__(self, data_dir: Path) -> None:
        here = {"host": "127.0.0.1", "port": 0}
        self.data_dir = data_dir
        self.file = data_dir / "all.jsonl"
        table = {
            "data_dir": str(data_dir),
            "listeners": {
                **{name: {"protocol": name, **here} for name in KINDS},
                "health": {"protocol": "http", **here},
            },
            "outputs": {"file": {"type": "jsonl", "path": str(self.file)}},
        }
        self.log = io.StringIO()
        self.app = App(parse(table), OperationalLog(stream=self.log))
        self.acknowledged: list[str] = []

    def port(self, listener: str) -> int:
        return self.app.listeners[listener].service.ports[0]

    async def ask(self, path: str) -> tuple[int, Any]:
        async with (
            ClientSession() as client,
            client.get(f"http://127.0.0.1:{self.port('health')}{path}") as answer,
        ):
            return answer.status, await answer.json()

    async def state(self, kind: str, name: str) -> dict[str, Any]:
        _, document = await self.ask("/api/status")
        [found] = [one for one in document[kind] if one["name"] == name]
        return dict(found)

    async def send(self, listener: str, text: str) -> None:
        """One entry over a listener that answers."""
        if listener == "http":
            async with ClientSession() as client:
                url = f"http://127.0.0.1:{self.port('http')}/api/entries"
                async with client.post(url, json={"message": text}) as answer:
                    assert answer.status == 200, await answer.text()
        elif listener == "grpc":
            message = load_schema(REAL).messages["LogRequest"](message=text)
            async with grpc.aio.insecure_channel(f"127.0.0.1:{self.port('grpc')}") as channel:
                call = channel.unary_unary("/logservice.LogService/LogMessage")
                await call(message.SerializeToString(), wait_for_ready=True)
        else:
            await self._send_line(listener, text)
        self.acknowledged.append(text)

    async def _send_line(self, listener: str, text: str) -> None:
        entry = {"boot_seq": 1, "uptime_ms": 1, "level": "INFO", "message": text}
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port(listener))
        writer.write(json.dumps(entry).encode() + b"\n")
        answer = await reader.readline()
        assert b"ack" in answer or b"received" in answer
        writer.close()

    def entries(self, lines: list[bytes]) -> Counter[str]:
        texts = [json.loads(line)["entry"] for line in lines]
        return Counter(text.get("message") for text in texts)


@asynccontextmanager
async def held_down(server: Server, name: str) -> AsyncIterator[None]:
    """A listener's next start waits until this ends, so that its death can be looked at."""
    service: Any = server.app.listeners[name].service
    start, gate = service.start, asyncio.Event()

    async def start_late() -> None:
        await gate.wait()
        await start()

    service.start = start_late
    try:
        yield
    finally:
        gate.set()
        await until(lambda: server.app.listeners[name].alive)
        service.start = start


async def kill(server: Server, name: str) -> None:
    """State after a crash: a socket that does not accept any more."""
    service: Any = server.app.listeners[name].service
    if name == "grpc":
        await service._server.stop(None)
    else:
        for one in service._sockets._servers:
            one.close()


@pytest.mark.parametrize("name", KINDS)
def test_a_listener_that_dies_is_told_and_started_again(tmp_path: Path, name: str) -> None:
    answers = name not in ("gateway", "capnp")  # these two never send a byte

    async def scenario(server: Server) -> None:
        supervised = server.app.listeners[name]
        for number in range(3):
            await server.send(name if answers else "device", f"before {number}")
        async with held_down(server, name):
            await kill(server, name)
            await until(lambda: not supervised.alive)
            status, health = await server.ask("/api/health")
            assert status == 503
            assert health["status"] == "error"
            assert health["errors"] == [f"listener {name} is down: {name} stopped accepting"]
            assert health["tcp_server"]["thread_alive"] is (name == "http")
            state = await server.state("listeners", name)
            assert not state["alive"]
            assert state["restarts"] == 1
            assert state["trouble"] == f"{name} stopped accepting"
            other = "collector" if name == "device" else "device"
            await server.send(other, "meanwhile, by another way")
        status, health = await server.ask("/api/health")
        assert (status, health["status"]) == (200, "ok")
        state = await server.state("listeners", name)
        assert state["alive"]
        assert state["restarts"] == 1
        assert state["trouble"] is None
        await server.send(name if answers else "device", "after")
        _, writer = await asyncio.open_connection("127.0.0.1", server.port(name))
        writer.close()

    server = run_server(Server(tmp_path), scenario)
    log = server.log.getvalue()
    assert f"💥 listener {name} died: {name} stopped accepting" in log
    assert f"🔄 listener {name} restarts in 0.05 s" in log
    stored = server.entries(journal_lines(tmp_path))
    assert stored == Counter(server.acknowledged)
    assert server.entries(server.file.read_bytes().splitlines()) == stored


def test_grpc_can_die_again_and_again_and_still_stops(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        supervised: Any = server.app.listeners["grpc"]
        bind, failures = supervised.service._bind_inner, [ListenerError("listener grpc: can't listen")]

        def bind_late() -> None:
            if failures:
                raise failures.pop()
            bind()

        supervised.service._bind_inner = bind_late
        for number in range(1, 3):
            restarts = supervised.restarts
            await kill(server, "grpc")
            await until(lambda before=restarts: supervised.restarts > before)  # type: ignore[misc]
            await until(lambda: supervised.alive)
            await server.send("grpc", f"life {number}")
        await server.send("grpc", "the end")

    server = run_server(Server(tmp_path), scenario)
    assert server.entries(journal_lines(tmp_path)) == Counter(server.acknowledged)
    assert "❌ listener grpc does not start: listener grpc: can't listen" in server.log.getvalue()


def test_an_output_that_dies_is_told_started_again_and_leaves_nothing_out(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        supervised = server.app.outputs["file"]
        runner: Any = supervised.service.runner
        write = runner.output.write
        gate = asyncio.Event()
        died: list[int] = []

        def fail_once(block: Any) -> None:
            if not died:
                died.append(block.first_sequence)
                raise ZeroDivisionError("a fault of ours")
            write(block)

        service: Any = supervised.service
        start = service.start

        async def start_late() -> None:
            await gate.wait()
            await start()

        service.start = start_late
        await server.send("device", "before")
        await until(lambda: runner.lag == 0)
        runner.output.write = fail_once
        await server.send("device", "the one it dies of")
        await until(lambda: not supervised.alive)
        await server.send("device", "while it is down")
        status, health = await server.ask("/api/health")
        assert status == 503
        assert health["status"] == "warning"  # nothing is lost: entries are safe in the journal
        assert "output file: ZeroDivisionError: a fault of ours" in health["warnings"][0]
        state = await server.state("outputs", "file")
        assert not state["alive"]
        assert state["restarts"] == 1
        assert state["lag"] == 2
        gate.set()
        await until(lambda: supervised.alive and runner.lag == 0)
        await server.send("device", "after")
        await until(lambda: runner.lag == 0)
        assert (await server.ask("/api/health"))[0] == 200
        assert (await server.state("outputs", "file"))["restarts"] == 1

    server = run_server(Server(tmp_path), scenario)
    log = server.log.getvalue()
    assert "💥 output file died: ZeroDivisionError: a fault of ours" in log
    assert "🔄 output file restarts in 0.05 s" in log
    assert len(server.acknowledged) == 4
    lines = server.file.read_bytes().splitlines()
    assert server.entries(lines) == server.entries(journal_lines(tmp_path)) == Counter(server.acknowledged)


def test_what_watches_over_the_server_is_watched_over_too(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        app: Any = server.app
        take = app.sources.take

        def fail_once(*arguments: Any) -> None:
            app.sources.take = take
            raise ZeroDivisionError("a fault of ours")

        app.sources.take = fail_once
        first = app.source_reader._thread
        await server.send("device", "skipped")
        await until(lambda: app.source_reader._thread is not first)
        await server.send("device", "seen")
        await until(lambda: app.sources.position == 2)
        _, document = await server.ask("/api/sources")
        [source] = document["sources"]
        assert source["message"] == "seen"
        assert document["skipped"] == 1

    log = run_server(Server(tmp_path), scenario).log.getvalue()
    assert "💥 task sources died: ZeroDivisionError: a fault of ours" in log
    assert "🔄 task sources restarts in 0.05 s" in log
