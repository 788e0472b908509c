"""Three scenarios of monitoring, with its profile: normal operation, a sensor that is turned off, network trouble."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from logboom.app import App
from logboom.config import load
from logboom.ops.alerts import service
from logboom.ops.oplog import OperationalLog
from logboom.pipeline.intake import Counters
from tests.kit.app_kit import journal_lines, run_server, until
from tests.kit.clock import ShiftedClock

READING = {"id": "e4643048d7292c2e", "time": "2025-10-02 17:58:37", "temp": 24.1, "rh": 50.5, "lux": 546.6}


CLOCK = ShiftedClock()


@pytest.fixture(autouse=True)
def _activity_is_stamped_by_the_shifted_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is stamped by the clock that operations read: the real one, in a real server."""
    monkeypatch.setattr(service, "CHECK_INTERVAL_S", 0.05)
    started, accepted, received = Counters.started, Counters.accepted, Counters.received

    def shifted(counters: Counters) -> None:
        counters.last_activity = CLOCK()

    def started_now(counters: Counters) -> None:
        started(counters)
        shifted(counters)

    def accepted_now(counters: Counters, connections_open: int) -> None:
        accepted(counters, connections_open)
        shifted(counters)

    monkeypatch.setattr(Counters, "started", started_now)
    monkeypatch.setattr(Counters, "accepted", accepted_now)
    monkeypatch.setattr(Counters, "received", lambda self, _: received(self, CLOCK()))


class Server:
    """The profile `gateway` as it is deployed, on free ports, with a clock that can be set forward."""

    def __init__(self, data_dir: Path, **gateway: Any) -> None:
        here = {"host": "127.0.0.1", "port": 0}
        flags = {
            "data_dir": str(data_dir),
            "alerts": {"rules": {"disk": {"enabled": False}}},  # of the machine that runs the tests
            "listeners": {"gateway": {**here, **gateway}, "http": here, "health": here},
        }
        self.data_dir = data_dir
        self.settings = load(profile="gateway", environment={}, flags=flags)
        self.clock = CLOCK
        self.log = io.StringIO()
        self.app = App(self.settings, OperationalLog(stream=self.log), clock=self.clock)

    def port(self, listener: str) -> int:
        return self.app.listeners[listener].service.ports[0]

    async def health(self) -> tuple[int, dict[str, Any]]:
        url = f"http://127.0.0.1:{self.port('health')}/api/health"
        async with ClientSession() as client, client.get(url) as answer:
            return answer.status, await answer.json()

    @asynccontextmanager
    async def sensor(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port("gateway"))
        try:
            yield reader, writer
        finally:
            writer.close()

    async def send(self, writer: asyncio.StreamWriter) -> None:
        """A reading; returns when it is stored."""
        before = self.app.journal.committed.next_sequence
        writer.write(json.dumps(READING).encode() + b"\n")
        await until(lambda: self.app.journal.committed.next_sequence > before)

    async def until_told(self, text: str) -> None:
        await until(lambda: text in self.log.getvalue())


def test_normal_operation(tmp_path: Path) -> None:
    """Scenario 1: 🔌 lines, status ok, `seconds_since_activity` stays low."""

    async def scenario(server: Server) -> None:
        async with server.sensor() as (_, writer):
            for _ in range(4):
                await server.send(writer)
                server.clock.wait(5.0)
            status, document = await server.health()
        assert status == 200
        assert document["status"] == "ok"
        tcp = document["tcp_server"]
        assert tcp["started"]
        assert tcp["thread_alive"]
        assert tcp["listening"]
        assert tcp["seconds_since_activity"] < 10
        assert tcp["messages_parsed"] == 4
        assert document["memory_readings_count"] == 4
        assert document["database"]["connected"]

    server = run_server(Server(tmp_path), scenario)
    log = server.log.getvalue()
    port = server.settings.listeners["gateway"].port
    for line in (
        f"🚀 Starting TCP server on port {port}",
        "✅ TCP server listening on 127.0.0.1:",
        "🔌 Gateway connected from ('127.0.0.1', ",
    ):
        assert line in log
    assert "💥" not in log
    assert len(journal_lines(tmp_path)) == 4


def test_a_sensor_is_turned_off_for_eleven_minutes(tmp_path: Path) -> None:
    """Scenario 2: 📴 line, warning after ten minutes, no crash, and all is well once it is back."""

    async def scenario(server: Server) -> None:
        async with server.sensor() as (_, writer):
            await server.send(writer)
        await server.until_told("📴 Gateway disconnected from ('127.0.0.1', ")
        server.clock.wait(590.0)
        assert (await server.health())[1]["status"] == "ok"
        server.clock.wait(70.0)  # the eleventh minute is over
        status, document = await server.health()
        assert status == 503
        assert document["status"] == "warning"
        assert document["warnings"] == ["No TCP activity for 660s"]
        assert document["tcp_server"]["seconds_since_activity"] == pytest.approx(660, abs=30)
        assert document["tcp_server"]["thread_alive"]
        assert document["tcp_server"]["listening"]
        await server.until_told("⚠️ alert: no TCP activity for 11 min")

        async with server.sensor() as (_, writer):
            await server.send(writer)
            status, document = await server.health()
            assert (status, document["status"]) == (200, "ok")
            await server.until_told("💬 alert: there is TCP activity again")

    server = run_server(Server(tmp_path), scenario)
    assert "💥" not in server.log.getvalue()
    assert len(journal_lines(tmp_path)) == 2


def test_network_trouble(tmp_path: Path) -> None:
    """Scenario 3: ⚠️ line for a socket that times out; others are served on, the thread lives."""

    async def scenario(server: Server) -> None:
        async with server.sensor() as (reader, stuck):
            await server.send(stuck)
            assert await reader.read() == b""  # the server has given up
            await server.until_told("closed")
            async with server.sensor() as (_, other):
                await server.send(other)
                status, document = await server.health()
        assert (status, document["status"]) == (200, "ok")
        assert document["tcp_server"]["thread_alive"]
        assert document["tcp_server"]["connections_received"] == 2

    server = run_server(Server(tmp_path, idle_close_s=0.5), scenario)
    [line] = [line for line in server.log.getvalue().splitlines() if "⚠️" in line]
    assert "gateway 127.0.0.1: no data for" in line
    assert "closed" in line
    assert len(journal_lines(tmp_path)) == 2
