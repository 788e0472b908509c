"""How the server is: the documents and probes that people, load balancers and containers ask for."""

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from logboom.journal.journal import Journal
from logboom.testing.app_kit import FailingDisk, run_scenario
from logboom.testing.app_thread import AppThread
from logboom.testing.postgres_kit import postgres_server
from logboom.testing.server_kit import ServerProcess, free_port

READING = b'{"id":"e4643048d7292c2e","time":"2025-10-02 17:58:37","temp":24.10,"rh":50.50,"lux":546.60}\n'


async def ask(port: int, path: str) -> tuple[int, Any, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
        text = await answer.text()
        document = json.loads(text) if answer.content_type == "application/json" else text
        return answer.status, document, answer.headers.get("Cache-Control", "")


def get(port: int, path: str) -> tuple[int, Any, str]:
    return run_scenario(ask(port, path))


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
    assert document["uptime_seconds"] >= 0
    assert "warnings" not in document
    assert "errors" not in document


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
    assert document["journal"]["entries"] == 2
    assert document["journal"]["writable"] is True
    assert document["totals"]["stored"] == 2
    gateway, http = document["listeners"]
    assert (gateway["name"], gateway["protocol"]) == ("gateway", "gateway")
    assert gateway["stored"] == 2
    assert sum(gateway["refused"].values()) == 1
    assert gateway["connections_last_hour"] == 1
    assert http["alive"] is True


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


def command(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "logboom", "health", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


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
