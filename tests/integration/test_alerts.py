"""Alerts as people get them: a real server, a real webhook, one message when trouble comes and one when it goes."""

import asyncio
import io
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from typer.testing import CliRunner

from logboom.app import App
from logboom.cli import app as command_line
from logboom.config import parse
from logboom.errors import ConfigError
from logboom.ops import journal_follower
from logboom.ops.alerts import service
from logboom.ops.oplog import OperationalLog
from logboom.testing.ports import free_port
from tests.kit.app_kit import run_server, until
from tests.kit.clock import ShiftedClock
from tests.kit.webhook_kit import Webhook, webhook

SENSOR = 32
"""Entries of a source that speaks every 5 seconds, until it is one that is waited for."""
SOON = {"silent_s_min": 10.0}
SECRETS = ("hunter2secret", "hook-of-mine")


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as found:
        yield found


class Server:
    """A server with a device and an http listener, and a clock that can be set forward."""

    def __init__(self, data_dir: Path, notify: list[str], **rules: Any) -> None:
        calm = {
            name: {"clear_s": 0}
            for name in ("listener_down", "disk", "error_burst", "refused", "output_lagging")
        }
        rules = {name: {**calm.get(name, {}), **rules.get(name, {})} for name in calm.keys() | rules.keys()}
        rules["disk"]["enabled"] = False  # of the machine that runs the tests
        self.table: dict[str, Any] = {
            "data_dir": str(data_dir),
            "alerts": {"notify": notify, "label": "boom", "rules": rules},
            "listeners": {
                name: {"protocol": name, "host": "127.0.0.1", "port": 0} for name in ("device", "http")
            },
        }
        self.clock = ShiftedClock()
        self.log = io.StringIO()
        self.app = App(parse(self.table), OperationalLog(stream=self.log), clock=self.clock)

    async def send(self, **fields: Any) -> None:
        """An entry; returns when it is stored, and the source book knows of it."""
        port = self.app.listeners["device"].service.ports[0]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(json.dumps({"boot_seq": 1, "uptime_ms": 2, **fields}).encode() + b"\n")
        assert await reader.readline() == b'{"ack":1}\n'
        writer.close()
        end = self.app.journal.committed.next_sequence
        await until(lambda: self.app.sources.position >= end)

    async def every_five_seconds(self, times: int, **fields: Any) -> None:
        for _ in range(times):
            await self.send(**fields)
            self.clock.wait(5.0)

    async def until_told(self, text: str) -> None:
        await until(lambda: text in self.log.getvalue())

    async def ask(self, method: str, path: str, **headers: str) -> tuple[int, Any]:
        url = f"http://127.0.0.1:{self.app.listeners['http'].service.ports[0]}{path}"
        async with ClientSession() as client, client.request(method, url, headers=headers) as answer:
            return answer.status, await answer.json()

    async def delete(self, path: str, **headers: str) -> tuple[int, Any]:
        return await self.ask("DELETE", path, **headers)

    async def get(self, path: str) -> Any:
        url = f"http://127.0.0.1:{self.app.listeners['http'].service.ports[0]}{path}"
        async with ClientSession() as client, client.get(url) as answer:
            assert answer.status == 200, await answer.text()
            assert answer.headers["Cache-Control"] == "no-store"
            return await answer.json()


def run(server: Server, scenario: Callable[[], Awaitable[None]]) -> str:
    """Run a scenario in a server; returns the operational log."""
    return run_server(server, lambda _: scenario()).log.getvalue()


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_follower, "PACE_S", 0.01)
    monkeypatch.setattr(service, "CHECK_INTERVAL_S", 0.05)


def test_a_sensor_falls_silent_and_comes_back(tmp_path: Path, hook: Webhook) -> None:
    server = Server(tmp_path, [hook.url], source_silent=SOON)
    alerts: list[Any] = []

    async def scenario() -> None:
        await server.every_five_seconds(SENSOR, device="pump", msg="tick")
        [source] = (await server.get("/api/sources"))["sources"]
        assert (source["name"], source["state"], source["entries"]) == ("pump", "live", SENSOR)
        assert source["interval_s"] == pytest.approx(5.0, abs=0.5)
        server.clock.wait(60.0)
        message = await asyncio.to_thread(hook.next)
        assert message["title"].startswith("⚠️ boom: pump (device) is silent for ")
        assert message["type"] == "warning"
        alerts.append(await server.get("/api/alerts"))
        assert (await server.get("/api/sources?limit=1"))["sources"][0]["state"] == "silent"
        await server.send(device="pump", msg="back")
        message = await asyncio.to_thread(hook.next)
        assert message["title"] == "✅ boom: pump (device) sends again"
        alerts.append(await server.get("/api/alerts"))

    log = run(server, scenario)
    assert hook.rest() == []
    assert "⚠️ alert: pump (device) is silent for" in log
    assert "💬 alert: pump (device) sends again" in log
    for document, state in zip(alerts, ("firing", "resolved"), strict=True):
        [alert] = document["alerts"]
        assert alert["rule"] == "source_silent"
        assert alert["subject"] == "pump (device)"
        assert alert["state"] == state
        assert (alert["resolved_at"] is None) == (state == "firing")
        [target] = document["notify"]  # the answer to a message may still be on its way: `waiting` may be 1
        assert (target["name"], target["trouble"]) == (f"json://127.0.0.1:{hook.port}", None)
    kept = "".join(path.read_text() for path in tmp_path.glob("*.json"))
    assert not [secret for secret in SECRETS if secret in log + json.dumps(alerts) + kept]


def test_a_rule_of_your_own_fires_is_listed_and_is_taken_over_by_a_reload(
    tmp_path: Path, hook: Webhook
) -> None:
    rule = {"query": 'pump "is dry"', "threshold": 2}
    server = Server(tmp_path, [hook.url], pump_dry=rule)
    documents: list[Any] = []

    async def scenario() -> None:
        for _ in range(2):
            await server.send(device="greenhouse-3", msg="Pump is dry")
        message = await asyncio.to_thread(hook.next)
        text = 'pump_dry: 2 entries within 5 min match pump "is dry"; the last: greenhouse-3: Pump is dry'
        assert message["title"] == f"⚠️ boom: {text}"
        documents.append(await server.get("/api/alerts"))
        url = f"http://127.0.0.1:{server.app.listeners['http'].service.ports[0]}"
        code, output = await asyncio.to_thread(call, "alerts", "list", "--url", url)
        assert code == 0
        assert 'pump_dry  2        >= 2 in 300 s  pump "is dry"' in output
        fresh = {**server.table, "alerts": {**server.table["alerts"], "rules": {"low": {"query": "low"}}}}
        server.app.reload(lambda: parse(fresh))
        await until(lambda: [one["name"] for one in server.app.alerts.rules] == ["low"])
        await server.send(device="greenhouse-3", msg="water low")
        message = await asyncio.to_thread(hook.next)
        assert message["title"].startswith("⚠️ boom: low: 1 entry within 5 min match")

    run(server, scenario)
    assert hook.rest() == []
    assert [(one["name"], one["matches"]) for one in documents[0]["rules"]] == [("pump_dry", 2)]
    assert json.loads((tmp_path / "alert-rules.json").read_text())["rules"].keys() == {"low"}


def test_a_listener_dies_and_lives_again(tmp_path: Path, hook: Webhook) -> None:
    server = Server(tmp_path, [hook.url])

    async def scenario() -> None:
        listener: Any = server.app.listeners["device"].service
        gate, start = asyncio.Event(), listener.start

        async def start_late() -> None:
            await gate.wait()
            await start()

        listener.start = start_late
        for one in listener._sockets._servers:
            one.close()
        message = await asyncio.to_thread(hook.next)
        assert message["title"] == "❌ boom: listener device is down: device stopped accepting"
        assert message["type"] == "failure"
        gate.set()
        message = await asyncio.to_thread(hook.next)
        assert message["title"] == "✅ boom: listener device listens again"

    log = run(server, scenario)
    assert hook.rest() == []
    assert log.count("❌ alert: listener device is down: device stopped accepting") == 1
    assert log.count("💬 alert: listener device listens again") == 1


def test_a_restart_does_not_send_a_firing_alert_again(tmp_path: Path, hook: Webhook) -> None:
    first = Server(tmp_path, [hook.url], source_silent=SOON)

    async def fall_silent() -> None:
        await first.every_five_seconds(SENSOR, device="pump")
        first.clock.wait(60.0)
        await asyncio.to_thread(hook.next)

    run(first, fall_silent)
    second = Server(tmp_path, [hook.url], source_silent=SOON)

    async def come_back() -> None:
        checked, loop = asyncio.Event(), asyncio.get_running_loop()
        check = second.app.alerts.check

        def check_and_tell() -> None:
            check()
            loop.call_soon_threadsafe(checked.set)

        second.app.alerts.check = check_and_tell  # type: ignore[method-assign]
        await checked.wait()
        assert [one["state"] for one in (await second.get("/api/alerts"))["alerts"]] == ["firing"]
        await second.send(device="pump")
        assert (await asyncio.to_thread(hook.next))["title"] == "✅ boom: pump (device) sends again"

    run(second, come_back)
    assert hook.rest() == []


def test_what_a_target_did_not_take_is_told_after_a_restart(tmp_path: Path, hook: Webhook) -> None:
    burst = {"count_min": 1, "clear_s": 1e6}
    hook.status = 503
    first = Server(tmp_path, [hook.url], error_burst=burst)

    async def break_down() -> None:
        await first.send(device="pump", level="ERROR", msg="broken")
        await first.until_told("did not accept")
        [target] = (await first.get("/api/alerts"))["notify"]
        assert target["waiting"] == 1
        assert "503" in target["trouble"]

    log = run(first, break_down)
    hook.status = 200
    second = Server(tmp_path, [hook.url], error_burst=burst)

    async def be_told() -> None:
        message = await asyncio.to_thread(hook.next)
        assert message["title"].startswith("⚠️ boom: pump (device): 1 errors within 60 s")
        assert "(since " in message["message"]

    log += run(second, be_told)
    assert hook.rest() == []
    kept = (tmp_path / "alerts.json").read_text()
    assert not [secret for secret in SECRETS if secret in log + kept]


def test_a_source_is_forgotten_and_its_alert_ends_without_a_word(tmp_path: Path, hook: Webhook) -> None:
    server = Server(tmp_path, [hook.url], source_silent=SOON)

    async def scenario() -> None:
        await server.every_five_seconds(SENSOR, device="pump 1", msg="tick")
        server.clock.wait(60.0)
        await asyncio.to_thread(hook.next)
        path = "/api/sources?listener=device&name=pump%201"
        assert await server.delete(
            path, **{"Origin": "http://evil.example", "User-Agent": "Mozilla/5.0"}
        ) == (
            403,
            {"error": "cross-origin requests are refused"},
        )
        assert await server.delete(path) == (200, {"forgotten": 1})
        assert await server.delete(path) == (
            404,
            {"error": "there is no source 'pump 1' of listener 'device'"},
        )
        assert (await server.get("/api/sources"))["sources"] == []
        [alert] = (await server.get("/api/alerts"))["alerts"]
        assert alert["state"] == "resolved"
        await server.send(device="pump 1", msg="back")

    log = run(server, scenario)
    assert hook.rest() == []
    assert "sends again" not in log


def test_a_parameter_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    server = Server(tmp_path, [])

    async def scenario() -> None:
        for path in ("/api/sources?limt=3", "/api/alerts?x=1", "/api/status?x=1", "/api/openapi.json?x=1"):
            status, document = await server.ask("GET", path)
            assert (path, status) == (path, 400)
            assert "unknown parameter" in document["error"]
        for query in ("listener=device", "name=pump", "listener=device&name=pump&x=1"):
            assert (await server.delete(f"/api/sources?{query}"))[0] == 400
        assert (await server.ask("GET", "/api/health?_=1"))[0] == 200  # a cache is told so to keep out

    run(server, scenario)


def test_a_target_that_is_away_is_told_without_its_secrets_and_blocks_nobody(tmp_path: Path) -> None:
    url = f"json://user:hunter2secret@127.0.0.1:{free_port()}/hook-of-mine"
    server = Server(tmp_path, [url], error_burst={"count_min": 1})

    async def scenario() -> None:
        await server.send(device="pump", level="ERROR", msg="broken")
        await server.until_told("alert: pump")
        await server.send(device="pump", msg="goes on")

    log = run(server, scenario)
    assert "⚠️ alerts: json://127.0.0.1:" in log
    assert not [secret for secret in SECRETS if secret in log]
    assert "Traceback" not in log


def test_a_wrong_setting_stops_the_start_and_names_the_key(tmp_path: Path) -> None:
    server = Server(tmp_path, [])
    server.app.settings.alerts["rules"]["disk"]["used_share"] = 0.5

    async def scenario() -> None:
        raise AssertionError("it has started")

    with pytest.raises(ConfigError, match=r"alerts\.rules\.disk\.used_share: unknown setting"):
        run(server, scenario)


# --- the command line


def call(*arguments: str, **environment: str) -> tuple[int, str]:
    result = CliRunner().invoke(command_line, list(arguments), env=environment)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        return 1, f"{result.output}{result.exception}"
    return result.exit_code, result.output


def test_alerts_test_sends_to_every_target_and_tells_each_result(tmp_path: Path, hook: Webhook) -> None:
    config = tmp_path / "logboom.toml"
    config.write_text(f'name = "boom"\n[alerts]\nnotify = ["{hook.url}"]\n')
    assert call("alerts", "test", "--config", str(config)) == (
        0,
        f"✅ json://127.0.0.1:{hook.port}: accepted\n",
    )
    message = hook.next()
    assert message["title"] == "💬 boom: test message"
    assert message["message"] == "This is a test. Alerts of this Logboom server are sent to this target."

    away = f"json://127.0.0.1:{free_port()}/hook-of-mine"
    notify = json.dumps([hook.url, away, "nosuch://hook-of-mine/hunter2secret"])
    code, output = call("alerts", "test", "--config", str(config), LOGBOOM_ALERTS__NOTIFY=notify)
    assert code == 1
    assert [line.split(": ")[0][:1] for line in output.splitlines()] == ["✅", "❌", "❌", "❌"]
    assert "2 of 3 targets did not accept the test message" in output
    assert "nosuch://…: not accepted: Apprise does not support this target" in output
    assert not [secret for secret in SECRETS if secret in output]
    hook.next()

    hook.status = 403
    code, output = call("alerts", "test", "--config", str(config))
    assert code == 1
    assert "403" in output
    assert not [secret for secret in SECRETS if secret in output]
    assert hook.rest() == []


def test_alerts_test_without_a_target_says_so() -> None:
    code, output = call("alerts", "test")
    assert code == 1
    assert "no target is configured: set alerts.notify" in output


def test_alerts_test_warns_where_alerts_are_off(tmp_path: Path, hook: Webhook) -> None:
    config = tmp_path / "logboom.toml"
    config.write_text(f'[alerts]\nenabled = false\nnotify = ["{hook.url}"]\n')
    code, output = call("alerts", "test", "--config", str(config))
    assert (code, "alerts.enabled is false: the server sends no alerts" in output) == (0, True)
    hook.next()


def test_config_check_knows_the_alerts(tmp_path: Path) -> None:
    config = tmp_path / "logboom.toml"
    config.write_text("[alerts.rules.disk]\nused_share_max = 0.9\n")
    assert call("config", "check", "--config", str(config))[0] == 0
    config.write_text("[alerts.rules.disk]\nused_share_max = 9\n")
    code, output = call("config", "check", "--config", str(config))
    assert code == 1
    assert "alerts.rules.disk.used_share_max: found 9." in output
    config.write_text('[alerts]\nnotify = ["nosuch://hunter2secret"]\n')
    code, output = call("config", "check", "--config", str(config))
    assert code == 1
    assert "alerts.notify: nosuch://… is not supported by Apprise" in output
    config.write_text('[alerts.rules.dry]\nquery = "pump ("\n')
    code, output = call("config", "check", "--config", str(config))
    assert code == 1
    assert "alerts.rules.dry.query: the query, at character 7, at the end: " in output
    config.write_text('[alerts.rules.dry]\nquery = "pump"\ntargets = ["nosuch://hunter2secret"]\n')
    code, output = call("config", "check", "--config", str(config))
    assert code == 1
    assert "alerts.rules.dry.targets: nosuch://… is not supported by Apprise" in output
