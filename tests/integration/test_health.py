"""Health: the documents and probes for users, load balancers and containers."""

import asyncio
import copy
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from typer.testing import CliRunner

from logboom.cli import app as main_app
from logboom.cli import options
from logboom.journal.journal import Journal
from logboom.testing.ports import free_port
from logboom.testing.server_kit import ServerProcess
from tests.kit.app_kit import FailingDisk, journal_lines, run_scenario
from tests.kit.app_thread import AppThread
from tests.kit.postgres_kit import postgres_server

READING = b'{"id":"e4643048d7292c2e","time":"2025-10-02 17:58:37","temp":24.10,"rh":50.50,"lux":546.60}\n'


async def ask(port: int, path: str) -> tuple[int, Any, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
        text = await answer.text()
        document = json.loads(text) if answer.content_type == "application/json" else text
        return answer.status, document, answer.headers.get("Cache-Control", "")


def get(port: int, path: str) -> tuple[int, Any, str]:
    return run_scenario(ask(port, path))


def post(port: int, entry: str) -> None:
    async def scenario() -> None:
        url = f"http://127.0.0.1:{port}/api/entries"
        async with aiohttp.ClientSession() as session, session.post(url, data=entry) as answer:
            assert answer.status == 200, await answer.text()

    run_scenario(scenario())


def send(port: int, data: bytes) -> None:
    """Send, and wait until the server has taken it all: it closes after our end."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""


def test_health_has_the_fields_of_both_generations_of_clients(tmp_path: Path) -> None:
    with AppThread(tmp_path, ("gateway", "http")) as app:
        send(app.port("gateway"), READING * 3 + b'{"temp":1}\n')
        status, document, caching = get(app.port("http"), "/api/health")
        port = app.port("gateway")
    assert (status, document["status"], caching) == (200, "ok", "no-store")
    server = document["tcp_server"]
    assert server["started"] is server["thread_alive"] is server["listening"] is True
    assert server["port"] == port
    assert server["connections_received"] == 1
    assert server["messages_parsed"] == 3
    assert server["invalid_messages"] == 1
    assert server["seconds_since_activity"] < 60
    assert server["seconds_since_last_data"] < 60
    for moment in (
        server["last_activity"],
        server["last_connection_time"],
        document["timestamp"],
        document["start_time"],
    ):
        assert len(moment) == len("2025-01-21T12:34:56")
    assert document["database"]["connected"] is True
    assert document["database"]["total_readings"] == 3
    assert document["memory_readings_count"] == document["memory"]["count"] == 3
    up = datetime.fromisoformat(document["timestamp"]) - datetime.fromisoformat(document["start_time"])
    assert up.total_seconds() == pytest.approx(
        document["uptime_seconds"], abs=1.1
    )  # moments have whole seconds
    assert "warnings" not in document
    assert "errors" not in document


def test_http_alone_is_the_server_and_asking_is_no_sign_of_life(tmp_path: Path) -> None:
    with AppThread(tmp_path, ("http",), settings={"health": {"idle_warn_s": 3600}}) as app:
        port = app.port("http")
        before = get(port, "/api/health")[1]
        again = get(port, "/api/health")[1]["tcp_server"]
        first = before["tcp_server"]
        assert before["status"] == "ok"
        assert first["started"] is first["thread_alive"] is first["listening"] is True
        assert first["port"] == port
        assert first["last_activity"] == again["last_activity"] == before["start_time"]
        assert again["seconds_since_last_data"] is None
        post(port, '{"level":"info","message":"x"}')
        after = get(port, "/api/health")[1]["tcp_server"]
    assert after["messages_parsed"] == 1
    assert after["heartbeat_age"] == after["seconds_since_activity"]
    assert after["seconds_since_last_data"] is not None
    assert after["last_activity"] >= first["last_activity"]


def test_a_server_without_tcp_log_listeners_has_no_idle_warning(tmp_path: Path) -> None:
    idle = {"health": {"idle_warn_s": 1e-6}}
    with AppThread(tmp_path / "http", ("http",), settings=idle) as app:
        port = app.port("http")
        status, document, _ = get(port, "/api/health")
        assert (status, document["status"]) == (200, "ok")
        assert "warnings" not in document
        shown = get(port, "/api/status")[1]
        assert (shown["status"], shown["problems"], shown["alerts"]["firing"]) == ("ok", [], 0)
        assert get(port, "/api/alerts")[1]["alerts"] == []
    with AppThread(tmp_path / "both", ("http", "device"), settings=idle) as app:
        status, document, _ = get(app.port("http"), "/api/health")
        assert (status, document["status"]) == (503, "warning")
        assert document["warnings"] == ["No TCP activity for 0s"]


def test_without_a_database_the_journal_tells_what_it_still_has(tmp_path: Path) -> None:
    def database(port: int) -> dict[str, Any]:
        found: dict[str, Any] = get(port, "/api/health")[1]
        assert (
            found["memory_readings_count"] == found["memory"]["count"] == found["database"]["total_readings"]
        )
        return dict(found["database"])

    nothing = {"connected": True, "total_readings": 0, "date_range": None}
    with AppThread(tmp_path, ("gateway", "http")) as app:
        assert database(app.port("http")) == nothing
        send(app.port("gateway"), READING * 3)
        one = database(app.port("http"))
    with AppThread(tmp_path, ("gateway", "http")) as app:  # what was known has to be found again
        assert database(app.port("http")) == one
    times = [json.loads(line)["received_at"] for line in journal_lines(tmp_path)]
    assert one["total_readings"] == len(times) == 3
    start, end = times[0][:19], times[-1][:19]
    assert one["date_range"] == {"start": start, "end": end, "min_date": start, "max_date": end}


def test_what_retention_deleted_is_not_counted(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    folder.mkdir()
    for first, moment in ((10, "2025-01-01T00:00:00"), (12, "2025-02-01T00:00:00")):
        lines = [
            f'{{"received_at":"{moment}.000000+00:00","entry":{{}},"source":"x","listener":"gateway"}}\n'
        ] * 2
        (folder / f"{first:020d}.jsonl").write_text("".join(lines))
    with AppThread(tmp_path, ("gateway", "http")) as app:
        found = get(app.port("http"), "/api/health")[1]["database"]
    assert found["total_readings"] == 4
    start, end = "2025-01-01T00:00:00", "2025-02-01T00:00:00"
    assert found["date_range"] == {"start": start, "end": end, "min_date": start, "max_date": end}


def test_a_reload_takes_over_what_health_calls_well(tmp_path: Path) -> None:
    with AppThread(tmp_path, ("gateway", "http")) as app:
        port, fresh = app.port("http"), copy.deepcopy(app.app.settings)
        assert get(port, "/api/health")[1]["status"] == "ok"
        fresh.health.idle_warn_s = 1e-6
        app.call(app.app.reload, lambda: fresh)
        assert get(port, "/api/health")[1]["status"] == "warning"


def test_asking_is_no_activity(tmp_path: Path) -> None:
    with AppThread(tmp_path, ("gateway", "http")) as app:
        first = get(app.port("http"), "/api/health")[1]["tcp_server"]
        second = get(app.port("http"), "/api/health")[1]["tcp_server"]
    assert first["connections_received"] == second["connections_received"] == 0
    assert first["last_connection_time"] is second["last_connection_time"] is None
    assert first["seconds_since_last_data"] is None


def test_a_disk_that_fails_is_an_error_and_readiness_finds_out_when_it_is_back(tmp_path: Path) -> None:
    disk = FailingDisk()
    with AppThread(tmp_path, ("collector", "http"), disk) as app:
        port = app.port("http")
        assert get(port, "/readyz")[0] == 200
        disk.failing = True
        with socket.create_connection(("127.0.0.1", app.port("collector")), timeout=30) as connection:
            connection.sendall(b'{"level":"INFO","message":"x"}\n')
            assert b"storage unavailable" in connection.recv(1024)
        status, document, _ = get(port, "/api/health")
        assert (status, document["status"]) == (503, "error")
        assert "no space, says the test" in document["errors"][0]
        status, text, _ = get(port, "/readyz")
        assert status == 503
        assert "[-] storage: [Errno 28] no space, says the test" in text
        assert get(port, "/livez")[0] == 200
        disk.failing = False  # nobody sends: only the probe can notice
        assert get(port, "/readyz")[0] == 200
        assert get(port, "/api/health")[0] == 200


def test_readiness_lists_its_checks_when_asked(tmp_path: Path) -> None:
    with AppThread(tmp_path, ("http",)) as app:
        port = app.port("http")
        assert get(port, "/readyz") == (200, "ok\n", "no-store")
        assert get(port, "/healthz")[0] == 200
        lines = get(port, "/readyz?verbose")[1].splitlines()
    assert [line.split(":")[0] for line in lines[:-1]] == [
        "[+] storage",
        "[+] space",
        "[+] listeners",
        "[+] outputs",
        "[+] draining",
    ]
    assert lines[-1] == "ok"


def test_below_the_free_space_that_must_stay_it_is_not_ready(tmp_path: Path) -> None:
    with AppThread(tmp_path, ("http",), settings={"journal": {"free_bytes_min": 1 << 60}}) as app:
        status, text, _ = get(app.port("http"), "/readyz")
        assert status == 503
        assert "[-] storage" in text
        assert "free_bytes_min" in text
        # Every other voice agrees, though nothing was sent and refused yet.
        status, document, _ = get(app.port("http"), "/api/health")
        assert (status, document["status"], document["database"]["connected"]) == (503, "error", False)
        assert "free_bytes_min" in document["errors"][0]
        journal = get(app.port("http"), "/api/status")[1]["journal"]
        assert journal["writable"] is False
        assert "free_bytes_min" in journal["trouble"]
        assert "\nlogboom_journal_writable 0" in get(app.port("http"), "/metrics")[1]
        found = command("--data-dir", str(tmp_path))
        assert (found.returncode, found.stdout.splitlines()[0]) == (1, "error")


def test_a_disk_that_works_again_is_noticed_without_a_question(tmp_path: Path) -> None:
    disk = FailingDisk()
    with AppThread(tmp_path, ("collector", "http"), disk) as app:
        disk.failing = True
        with socket.create_connection(("127.0.0.1", app.port("collector")), timeout=30) as connection:
            connection.sendall(b'{"level":"INFO","message":"x"}\n')
            assert b"storage unavailable" in connection.recv(1024)
        assert get(app.port("http"), "/api/health")[0] == 503
        disk.failing = False
        while get(app.port("http"), "/api/health")[0] != 200:  # which tries nothing by itself
            pass


def test_a_listener_that_is_down_is_told_by_health_and_readiness_alike(tmp_path: Path) -> None:
    with AppThread(tmp_path, ("device", "http")) as app:
        app.app.listeners["device"].alive = False
        assert get(app.port("http"), "/api/health")[1]["status"] == "error"
        status, text, _ = get(app.port("http"), "/readyz")
        assert (status, text.splitlines()[0]) == (503, "[-] listeners: device down")


def test_an_output_in_trouble_is_a_warning_until_it_works_again(tmp_path: Path) -> None:
    blocked = tmp_path / "out"
    blocked.write_text("a file where a folder should be")
    outputs = {"copy": {"type": "jsonl", "path": str(blocked / "copy.jsonl")}}
    with AppThread(tmp_path / "data", ("gateway", "http"), settings={"outputs": outputs}) as app:
        port = app.port("http")
        send(app.port("gateway"), READING)

        def until(wanted: int) -> dict[str, Any]:
            while True:  # the runner tries again by itself; pytest's time limit ends what does not come
                status, document, _ = get(port, "/api/health")
                if status == wanted:
                    return dict(document)

        document = until(503)
        assert document["status"] == "warning"
        assert document["warnings"][0].startswith("output copy: ")
        assert get(port, "/readyz")[0] == 200  # entries are safe all the same
        blocked.unlink()
        assert until(200)["status"] == "ok"


def test_status_tells_what_the_overview_shows(tmp_path: Path) -> None:
    with AppThread(tmp_path, ("gateway", "http")) as app:
        send(app.port("gateway"), READING * 2 + b"[1]\n")
        status, document, _ = get(app.port("http"), "/api/status")
    assert status == 200
    assert document["status"] == "ok"
    assert document["alerts"] == {"firing": 0, "worst": None}
    assert document["journal"]["entries"] == 2
    assert document["journal"]["writable"] is True
    assert document["totals"]["stored"] == 2
    gateway, http = document["listeners"]
    assert (gateway["name"], gateway["protocol"]) == ("gateway", "gateway")
    assert gateway["stored"] == 2
    assert sum(gateway["refused"].values()) == 1
    assert gateway["connections_last_hour"] == 1
    assert http["alive"] is True


@pytest.mark.parametrize("severity", ["warning", "critical"])
def test_status_tells_of_alerts_that_fire_and_health_stays_as_it_is(tmp_path: Path, severity: str) -> None:
    rules = {
        "disk": {"free_factor": 1e12, "severity": severity},  # so much is never free
        "listener_down": {"enabled": False},  # at this moment they may be about to start
    }
    with AppThread(tmp_path, ("gateway", "http"), settings={"alerts": {"rules": rules}}) as app:
        app.app.alerts.check()
        _, document, _ = get(app.port("http"), "/api/status")
        code, health, _ = get(app.port("http"), "/api/health")
    assert document["alerts"] == {"firing": 1, "worst": severity}
    assert document["status"] == health["status"] == "ok"
    assert code == 200


def test_before_the_first_entry_status_knows_the_disk_and_no_commit(tmp_path: Path) -> None:
    with AppThread(tmp_path, ("http",)) as app:
        _, document, _ = get(app.port("http"), "/api/status")
    assert document["journal"]["free_bytes"] > 0
    assert document["journal"]["last_commit_s"] is None


def test_a_listener_for_health_alone_tells_nothing_it_was_sent(tmp_path: Path) -> None:
    listeners = {"health": {"protocol": "http", "health_only": True}}
    with AppThread(tmp_path, ("gateway", "health"), settings={"listeners": listeners}) as app:
        port = app.port("health")
        assert get(port, "/api/health")[0] == get(port, "/livez")[0] == get(port, "/readyz")[0] == 200
        assert {get(port, path)[0] for path in ("/", "/api/entries", "/api/tail", "/api/status")} == {404}


def test_the_probe_leaves_the_journal_as_it_is(tmp_path: Path) -> None:
    async def scenario() -> None:
        journal = Journal(tmp_path, asyncio.get_running_loop().call_soon_threadsafe)
        journal.probe()
        assert journal.committed.next_sequence == 0
        journal.close()
        again = Journal(tmp_path, asyncio.get_running_loop().call_soon_threadsafe)
        assert again.recovered.notes == []
        again.close()

    run_scenario(scenario())


def command(
    *arguments: str, cwd: Path | None = None, **environment: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "logboom", "health", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=cwd,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize(
    "listeners", [("device",), ("collector",), ("capnp", "grpc"), ("http",)], ids=lambda names: names[0]
)
def test_a_container_is_well_whatever_it_listens_on(tmp_path: Path, listeners: tuple[str, ...]) -> None:
    data_dir = tmp_path / "data"
    with ServerProcess(data_dir, listeners) as server:
        found = command(LOGBOOM_DATA_DIR=str(data_dir))  # as in the image
        assert (found.returncode, found.stdout) == (0, "ok\n"), found.stderr
        server.kill()
        found = command(LOGBOOM_DATA_DIR=str(data_dir))
        assert found.returncode == 1
        assert f"no answer from {data_dir}/health.sock: Connection refused" in found.stderr
        server.start()  # what the killed one has left is in nobody's way
        assert command("--data-dir", str(data_dir)).returncode == 0
        assert server.stop() == 0
        assert not (data_dir / "health.sock").exists()


def test_the_command_finds_the_data_directory_as_the_server_does(tmp_path: Path) -> None:
    with AppThread(tmp_path / "logboom-data") as app:
        assert command(cwd=tmp_path).stdout == "ok\n"
        file = tmp_path / "logboom.toml"
        file.write_text(f"data_dir = '{tmp_path / 'logboom-data'}'\n")
        found = command("--config", str(file), "--json")
        assert json.loads(found.stdout)["tcp_server"]["port"] == app.port("device")


def test_http_is_asked_only_where_nobody_can_mean_another_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "logboom.toml").write_text("data_dir = 'elsewhere'\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LOGBOOM_DATA_DIR", raising=False)

    def asked(*options: str, **environment: str) -> tuple[int, str]:
        done = CliRunner(env=environment).invoke(main_app, ["health", *options])
        return done.exit_code, done.output

    def none_in(folder: str) -> tuple[int, str]:
        return 1, f"❌ no server runs in {folder}; --data-dir or --url names another\n"

    with AppThread(tmp_path / "data", ("gateway", "http")) as app:
        monkeypatch.setattr(options, "URL_DEFAULT", f"http://127.0.0.1:{app.port('http')}")
        assert asked() == (0, "ok\n")
        assert asked("--data-dir", "elsewhere") == none_in("elsewhere")
        assert asked("--config", "logboom.toml") == none_in("elsewhere")
        assert asked(LOGBOOM_DATA_DIR="elsewhere") == none_in("elsewhere")
        assert asked("--data-dir", "logboom.toml") == none_in("logboom.toml")
        (tmp_path / "elsewhere").mkdir()
        assert asked() == none_in("elsewhere")


def test_a_disk_that_fails_is_told_through_the_socket_too(tmp_path: Path) -> None:
    disk = FailingDisk()
    with AppThread(tmp_path, disk=disk) as app:
        disk.failing = True
        with socket.create_connection(("127.0.0.1", app.port("device")), timeout=30) as connection:
            connection.sendall(b'{"boot_seq":1,"uptime_ms":1}\n')
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(1) == b""
        done = CliRunner().invoke(main_app, ["health", "--data-dir", str(tmp_path)])
    assert done.exit_code == 1
    assert done.output.startswith("error\n- the journal can't store: ")


def test_a_data_directory_may_lie_deep_and_is_closed_to_others(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    with AppThread(deep):
        assert command("--data-dir", str(deep)).returncode == 0
        assert (deep / "health.sock").stat().st_mode & 0o777 == 0o660


def test_where_there_can_be_no_socket_the_server_runs_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "health.sock").mkdir()
    with AppThread(tmp_path) as app:
        assert app.port("device")
    assert "⚠️ logboom health can't use" in app.log.getvalue()


def test_the_command_tells_containers_by_its_exit_code(tmp_path: Path) -> None:
    warned = ("--config", str(tmp_path / "warned.toml"))
    Path(warned[1]).write_text("[health]\nidle_warn_s = 0.000001\n")
    with ServerProcess(tmp_path / "data", ("gateway", "http"), warned) as server:
        url = f"http://127.0.0.1:{server.ports['http']}"
        found = command("--url", url)
        assert (found.returncode, found.stdout.splitlines()[0]) == (0, "warning")
        assert command("--url", url, "--strict").returncode == 1
        assert json.loads(command("--url", url, "--json").stdout)["status"] == "warning"
    found = command("--url", f"http://127.0.0.1:{free_port()}")
    assert found.returncode == 1
    assert "no answer from" in found.stderr


@pytest.mark.parametrize("path", ["/api/health", "/livez", "/readyz", "/metrics"])
def test_health_is_read_only(tmp_path: Path, path: str) -> None:
    async def scenario(port: int) -> int:
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"http://127.0.0.1:{port}{path}") as answer,
        ):
            return answer.status

    with AppThread(tmp_path, ("http",)) as app:
        assert run_scenario(scenario(app.port("http"))) == 405


@pytest.mark.service
def test_a_stopped_database_is_a_warning_and_catches_up_when_it_is_back(
    tmp_path: Path, postgres_binaries: Path
) -> None:
    with postgres_server(postgres_binaries) as database:
        database.start()
        outputs = {"postgres": {"type": "postgres", "url": database.url}}
        with AppThread(tmp_path, ("gateway", "http"), settings={"outputs": outputs}) as app:
            port = app.port("http")

            def until(wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
                while True:  # pytest's time limit ends what does not come
                    document = get(port, "/api/health")[1]
                    if wanted(document):
                        return dict(document)

            send(app.port("gateway"), READING * 2)
            document = until(lambda found: found["database"]["total_readings"] == 2)
            assert document["status"] == "ok"
            assert document["database"]["date_range"]["start"].startswith("2025-10-02T17:58:37")
            database.stop()
            send(app.port("gateway"), READING * 3)
            document = until(lambda found: found["status"] == "warning")
            assert document["database"]["connected"] is False
            assert document["warnings"][0].startswith("output postgres: ")
            assert get(port, "/readyz")[0] == 200  # what is sent meanwhile is safe in the journal
            database.start()
            document = until(
                lambda found: found["status"] == "ok" and found["database"]["total_readings"] == 5
            )
            assert document["database"]["connected"] is True


@pytest.mark.parametrize("options", ["", "--strict", "--json", "--data-dir={data}", "--data-dir {data}"])
def test_the_health_of_a_container_costs_no_command_line(tmp_path: Path, options: str) -> None:
    words = options.format(data=tmp_path).split()
    code = (
        "import sys; from logboom.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'asyncio', 'inspect', 'msgspec', 'pathlib', 'tomllib', 'typer', 'typing'}\n"
        "print(sorted(heavy & sys.modules.keys()), file=sys.stderr)"
    )
    with AppThread(tmp_path):
        done = subprocess.run(
            (sys.executable, "-S", "-c", code, "health", *words),
            capture_output=True,
            text=True,
            check=False,
            env={"LOGBOOM_DATA_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)},
        )
    assert done.stderr == "[]\n"
    assert '"ok"' in done.stdout if "--json" in words else done.stdout == "ok\n"


def test_every_other_question_about_health_is_left_to_the_command(tmp_path: Path) -> None:
    assert "Usage: " in command("--help").stdout
    assert command("--nonsense").returncode == 2
    assert command("--data-dir").returncode == 2
    assert "--url" in command("--data-dir", str(tmp_path)).stderr
