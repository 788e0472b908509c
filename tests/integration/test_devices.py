"""Devices over a real server: the API, the command, metrics, alerts, and a restart."""

import json
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from logboom.query.sql.sql_engine import why_not
from logboom.testing.server_kit import ServerProcess

WAIT_S = 30.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("devices") / "data", ("device", "http")) as server:
        yield server


def send(server: ServerProcess, *entries: dict[str, Any]) -> None:
    with socket.create_connection(("127.0.0.1", server.ports["device"]), WAIT_S) as link:
        for entry in entries:
            link.sendall(json.dumps(entry).encode() + b"\n")
            assert link.recv(1024) == b'{"ack":1}\n'


def get(server: ServerProcess, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.ports['http']}{path}", timeout=WAIT_S) as answer:
        return str(answer.read().decode())


def document(server: ServerProcess, name: str, lines: int) -> dict[str, Any]:
    """A device's document, once that number of its lines was read."""
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        found = json.loads(get(server, f"/api/devices?name={name}"))["devices"]
        if found and found[0]["lines"] >= lines:
            return dict(found[0])
        time.sleep(0.02)
    raise AssertionError(f"{name} has not sent {lines} lines: {found}")


def entry(seq: int, boot: int = 1, device: str = "pump", **more: Any) -> dict[str, Any]:
    return {"boot_seq": boot, "uptime_ms": seq * 1000, "seq": seq, "device": device, "msg": "m", **more}


def test_what_a_device_sent_is_told_by_api_command_and_metrics_also_after_a_kill(
    server: ServerProcess,
) -> None:
    send(server, entry(1), entry(2), entry(5), entry(0, 2, reset_reason="panic", fw="1.4"))
    found = document(server, "pump", 4)
    assert (found["boots"], found["reboots"], found["waiting"], found["firmware"]) == (2, 1, 2, "1.4")
    assert [(gap["first"], gap["last"]) for gap in found["gaps"]] == [(3, 4)]
    server.kill()
    server.start()
    send(server, entry(4))
    found = document(server, "pump", 5)
    assert [(gap["first"], gap["last"]) for gap in found["gaps"]] == [(3, 3)]
    assert found["late"] == 1
    url = f"http://127.0.0.1:{server.ports['http']}"
    command = [sys.executable, "-m", "logboom", "devices", "--url", url]
    shown = subprocess.run(
        [*command, "pump"], check=True, capture_output=True, text=True, timeout=WAIT_S
    ).stdout
    assert re.search(r"^pump +ok .* 1\.4 +0 +1\b", shown, re.MULTILINE), shown
    assert re.search(r"^ +1 +3-3 ", shown, re.MULTILINE), shown
    wrong = subprocess.run([*command, "no"], check=False, capture_output=True, text=True, timeout=WAIT_S)
    assert (wrong.returncode, "there is no device no" in wrong.stderr) == (1, True)
    assert "logboom_device_late_lines 1.0" in get(server, "/metrics")


def test_a_crash_loop_is_an_alert(server: ServerProcess) -> None:
    send(server, *(entry(0, boot, "loopy") for boot in range(1, 6)))
    until, alerts = time.monotonic() + WAIT_S, list[dict[str, Any]]()
    while not alerts and time.monotonic() < until:
        time.sleep(0.05)
        alerts = [
            one for one in json.loads(get(server, "/api/alerts"))["alerts"] if "loopy" in one["subject"]
        ]
    assert [(one["rule"], one["state"]) for one in alerts] == [("device_restarts", "firing")]


def put_name(server: ServerProcess, body: object) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.ports['http']}/api/devices/name",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
        method="PUT",
    )
    try:
        with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_a_name_that_people_gave_stays_and_stands_for_the_device(server: ServerProcess) -> None:
    send(server, entry(1, device="10-aa"))
    document(server, "10-aa", 1)
    given = {"listener": "device", "name": "10-aa", "given_name": " Pump in the cellar "}
    assert put_name(server, given) == (200, {"given_name": "Pump in the cellar"})
    server.kill()
    server.start()
    assert document(server, "Pump%20in%20the%20cellar", 1)["name"] == "10-aa"
    found = json.loads(get(server, "/api/devices?find=CELLAR&state=ok&order=name&limit=5"))
    assert [(one["name"], one["given_name"]) for one in found["devices"]] == [("10-aa", "Pump in the cellar")]
    why = json.loads(get(server, "/api/why?source=Pump%20in%20the%20cellar&boot=1&seq=1"))
    assert why["verdict"] == "stored"
    url = f"http://127.0.0.1:{server.ports['http']}"
    command = [sys.executable, "-m", "logboom", "devices", "--url", url]
    shown = subprocess.run([*command, "--find", "cellar"], check=True, capture_output=True, text=True).stdout
    assert re.search(r"^Pump in the cellar \(10-aa\) +ok ", shown, re.MULTILINE), shown
    done = subprocess.run(
        [*command, "Pump in the cellar", "--set-name", ""], check=True, capture_output=True, text=True
    )
    assert "10-aa has only its own name now" in done.stderr
    assert document(server, "10-aa", 1)["given_name"] == ""


@pytest.mark.parametrize(
    ("changes", "status", "text"),
    [
        ({"name": "unknown"}, 404, "there is no device 'unknown' of listener 'device'"),
        ({"given_name": "x" * 65}, 400, "found 65 characters, expected 64 at most"),
        ({"given_name": "a\u001b[2Jb"}, 400, "without control characters"),
        ({"given_name": 5}, 400, "expected"),
        ({"more": ""}, 400, "expected"),
        ({"given_name": "x" * 5000}, 413, "more than 4096 bytes"),
    ],
)
def test_a_name_that_can_not_be_given_is_refused(
    server: ServerProcess, changes: dict[str, Any], status: int, text: str
) -> None:
    found, answer = put_name(server, {"listener": "device", "name": "pump", "given_name": "x", **changes})
    assert (found, text in answer["error"]) == (status, True), answer


def test_wrong_parameters_are_named(server: ServerProcess) -> None:
    with pytest.raises(urllib.error.HTTPError, match="400"):
        get(server, "/api/devices?sort=name")
    with pytest.raises(urllib.error.HTTPError, match="400"):
        get(server, "/api/devices?order=size")
    with pytest.raises(urllib.error.HTTPError, match="400"):
        get(server, "/api/devices?offset=-1")


@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_sql_and_parquet_have_the_times_of_a_search(server: ServerProcess, tmp_path: Path) -> None:
    """The device is connected for a moment, and then sends what it kept for an hour."""
    send(server, {**entry(1, device="offline"), "uptime_ms": 7_200_000, "ts": None})
    send(
        server,
        *({**entry(seq, device="offline"), "uptime_ms": 60_000 * seq, "ts": None} for seq in range(2, 9)),
    )
    document(server, "offline", 8)
    until, rows = time.monotonic() + WAIT_S, list[dict[str, Any]]()
    while sum(row["time_from"] == "uptime" for row in rows) < 8 and time.monotonic() < until:
        time.sleep(0.05)
        rows = json.loads(get(server, "/api/entries?source=offline"))["entries"]
    expected = sorted((row["sequence"], row["time"]) for row in rows)
    moment = "strftime(time, '%Y-%m-%dT%H:%M:%S.%f+00:00')"
    url = f"http://127.0.0.1:{server.ports['http']}"
    command = [sys.executable, "-m", "logboom"]
    query = f"select sequence, {moment} as time from logs where sender = 'offline' order by 1"
    words = [*command, "sql", query, "--format", "json", "--url", url]
    shown = subprocess.run(words, check=True, capture_output=True, text=True, timeout=WAIT_S).stdout
    assert [tuple(json.loads(row).values()) for row in shown.splitlines()] == expected
    file = tmp_path / "offline.parquet"
    words = [
        *command,
        "export",
        "source:offline",
        "--format",
        "parquet",
        "--output",
        str(file),
        "--url",
        url,
    ]
    subprocess.run(words, check=True, capture_output=True, timeout=WAIT_S)
    with duckdb.connect() as engine:
        engine.execute("SET TimeZone = 'UTC'")
        times = engine.execute(f"SELECT {moment} FROM '{file}' ORDER BY seq").fetchall()
    assert [time for (time,) in times] == [time for _, time in expected]
