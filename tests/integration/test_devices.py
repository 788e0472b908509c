"""Devices over a real server: the API, the command, metrics, alerts, and a restart."""

import json
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

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


def test_wrong_parameters_are_named(server: ServerProcess) -> None:
    with pytest.raises(urllib.error.HTTPError, match="400"):
        get(server, "/api/devices?sort=name")
