"""Behaviour that clients and users of the replaced systems rely on, with a real server."""

import json
import math
import os
import re
import socket
import subprocess
import sys
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from logboom.testing.server_kit import ServerProcess

BROKEN = json.dumps({"temp": [math.nan, math.inf, -math.inf], "msg": "half \ud83d"})[1:]
KEPT = {"temp": ["NaN", "Infinity", "-Infinity"], "msg": r"half \ud83d"}
ACK = b'{"ack":1}\n'


def entries(server: ServerProcess) -> list[Any]:
    return [json.loads(line)["entry"] for line in server.journal_lines()]


def exchange(server: ServerProcess, listener: str, data: bytes) -> bytes:
    """Everything that comes back."""
    with server.connect(listener) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(1 << 16), b""))


def ask(
    server: ServerProcess, listener: str, method: str, path: str, body: bytes | None = None, token: str = ""
) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", server.ports[listener], timeout=30)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


# --- what JSON does not have


@pytest.mark.parametrize("padding", [0, 30_000, 900_000])
def test_every_json_input_keeps_what_json_does_not_have(tmp_path: Path, padding: int) -> None:
    """NaN, infinities and half a character, in entries of every size that the listener takes."""
    listeners = ("device", "gateway", "collector", "http")
    pad = f'"pad":"{"x" * padding}",'
    with ServerProcess(tmp_path, listeners) as server:
        if padding < 16_000:
            line = '{"boot_seq":NaN,"uptime_ms":1,' + pad + BROKEN
            assert exchange(server, "device", line.encode() + b"\n") == ACK
        if padding < 60_000:
            reading = (
                '{"time":"\\udcff","rh":"NaN","lux":-Infinity,'
                + pad
                + BROKEN.replace('"temp": [', '"temp":1,"x": [')
            )
            assert exchange(server, "gateway", reading.encode("utf-8") + b"\n") == b""
        line = '{"level":"INFO","message":"m",' + pad + BROKEN
        assert b"received" in exchange(server, "collector", line.encode() + b"\n")
        message = '{"message":"m",' + pad + BROKEN
        assert ask(server, "http", "POST", "/api/entries", message.encode())[0] == 200
        assert ask(server, "http", "POST", "/api/entries", f"[{message}]".encode())[0] == 200
        with connect(f"ws://127.0.0.1:{server.ports['http']}/", max_size=None) as peer:
            peer.send(message)
            assert json.loads(peer.recv())["status"] == "received"
        assert server.stop() == 0
    found = entries(server)
    assert len(found) == 4 + (padding < 16_000) + (padding < 60_000)
    for entry in found:
        assert entry["msg"] == KEPT["msg"]
        assert entry.get("x", entry["temp"]) == KEPT["temp"]


def test_the_longest_lines_of_the_source_systems(tmp_path: Path) -> None:
    reading = b'{"time":"%b","temp":1,"rh":2,"lux":3}' % (b"\xff" * (65_536 - 35))
    line = b'{"level":"INFO","message":"%b"}' % (b"m" * (1_048_576 - 31))
    with ServerProcess(tmp_path, ("gateway", "collector")) as server:
        exchange(server, "gateway", reading)
        assert exchange(server, "collector", line + b"\n") == b'{"status":"ok","message":"received"}\n'
        assert server.stop() == 0
    first, second = entries(server)
    assert first["time"] == "\ufffd" * (65_536 - 35)
    assert len(second["message"]) == 1_048_576 - 31


def test_the_collector_limits_nobody_unless_its_profile_does(tmp_path: Path) -> None:
    lines = b'{"level":"INFO","message":"x"}\n' * 150
    for arguments, limited in (((), 0), (("--profile=collector",), 50)):
        folder = tmp_path / str(limited)
        folder.mkdir()
        environment = {"LOG_DIR": str(folder / "logs")}
        with ServerProcess(folder / "data", ("collector",), arguments, environment) as server:
            replies = exchange(server, "collector", lines)
            assert (replies.count(b"rate limit exceeded"), replies.count(b"received")) == (
                limited,
                150 - limited,
            )


# --- files


def test_the_greps_of_the_device_servers_users_find_what_its_mock_device_sends(tmp_path: Path) -> None:
    file = tmp_path / "out" / "tcp_server.log"
    sent = {"boot_seq": 3, "uptime_ms": 1, "level": "error", "msg": "a: b, c", "system": {"heap_free": 2.50}}
    with ServerProcess(tmp_path / "data", ("device",), (f"--log-file={file}",)) as server:
        for entry in (sent, {"boot_seq": 3, "uptime_ms": 2, "type": "heartbeat"}):
            assert exchange(server, "device", json.dumps(entry).encode() + b"\n") == ACK
        assert server.stop() == 0
    text = file.read_text()
    for wanted in ('"level":"error"', '"boot_seq":3', '"type":"heartbeat"', '"msg":"a: b, c"'):
        assert subprocess.run(["grep", "-q", wanted, file], check=False).returncode == 0, wanted
    assert json.loads(text.splitlines()[0])["entry"] == sent
    assert json.dumps(sent).encode() in server.journal_lines()[0]


@pytest.mark.parametrize(
    ("umask", "setting", "file_mode", "folder_mode"),
    [
        (0o022, "", 0o644, 0o755),
        (0o002, "", 0o664, 0o775),
        (0o077, "", 0o600, 0o700),
        (0o022, "0640", 0o640, 0o750),
        (0o077, "644", 0o644, 0o755),
    ],
)
def test_others_may_read_the_files_of_outputs_as_far_as_the_umask_lets_them(
    tmp_path: Path, umask: int, setting: str, file_mode: int, folder_mode: int
) -> None:
    tables = {
        name: {"type": kind, "path": name, "folder": str(folder), "file_mode": setting}
        for name, kind, folder in (
            ("a", "jsonl", tmp_path / "new" / "logs"),
            ("b", "text", tmp_path / "new" / "logs"),
            ("c", "columns", tmp_path / "new" / "logs"),
            ("d", "jsonl", tmp_path / "data" / "inside"),
        )
    }
    config = tmp_path / "c.toml"
    config.write_text(
        "".join(
            f"[outputs.{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
            for name, table in tables.items()
        )
    )
    server = ServerProcess(tmp_path / "data", ("device",), (f"--config={config}",))
    before = os.umask(umask)
    try:
        with server:
            assert exchange(server, "device", b'{"boot_seq":1,"uptime_ms":2}\n') == ACK
            assert server.stop() == 0
    finally:
        os.umask(before)
    logs = tmp_path / "new" / "logs"
    assert {path.name: path.stat().st_mode & 0o777 for path in logs.iterdir()} == dict.fromkeys(
        "abc", file_mode
    )
    assert [path.stat().st_mode & 0o777 for path in (logs, logs.parent)] == [folder_mode] * 2
    private = [path for path in (tmp_path / "data").rglob("*") if path.is_file() and path.name != "d"]
    assert len(private) > 3
    assert all(path.stat().st_mode & 0o027 == 0 for path in private)
    inside = (tmp_path / "data" / "inside" / "d").stat().st_mode & 0o777
    assert inside == (file_mode if setting else 0o640 & ~umask)


# --- the profile gateway


def test_the_page_of_the_gateway_profile_waits_for_a_token_and_health_does_not(tmp_path: Path) -> None:
    reading = b'{"id":"e4","time":"2025-10-02 17:58:37","temp":24.10,"rh":50.50,"lux":546.60}'
    ports = ("gateway", "http", "health")
    with ServerProcess(tmp_path, ports, ("--profile=gateway", "--host=0.0.0.0")) as server:
        with server.connect("gateway") as sensor:
            sensor.sendall(reading)
            port = sensor.getsockname()[1]
            server.wait_for(lambda event: event["message"] == f"Gateway connected from ('127.0.0.1', {port})")
        server.wait_for(lambda event: event["message"] == f"Gateway disconnected from ('127.0.0.1', {port})")
        assert any(
            "health and metrics only, until there is a token" in event["message"] for event in server.events
        )
        for path in ("/api/health", "/metrics", "/livez"):
            assert ask(server, "health", "GET", path)[0] == 200, path
        for path in ("/", "/api/export.csv", "/api/entries", "/api/status", "/static/app.js"):
            status, text = ask(server, "health", "GET", path)
            assert (path, status) == (path, 401)
            assert "there is none yet: make one on the server's machine with `logboom token add NAME" in text
        assert ask(server, "health", "POST", "/api/entries", b"{}")[0] == 401
        add = ["token", "add", "anna", "--scope", "read", "--data-dir", str(tmp_path)]
        made = subprocess.run(
            [sys.executable, "-m", "logboom", *add], capture_output=True, text=True, check=True
        )
        [token] = re.findall(r"lb_\S+", made.stdout)
        while ask(server, "health", "GET", "/")[0] != 200:  # the tokens are read again once a second
            time.sleep(0.05)
        status, text = ask(server, "health", "GET", "/api/export.csv?columns=id,temp", token=token)
        assert (status, text.split()) == (200, ["id,temp", "e4,24.10"])
        status, text = ask(server, "health", "GET", "/api/export.csv")
        assert (status, json.loads(text)) == (401, {"error": "a token is needed"})
        assert ask(server, "health", "GET", "/metrics")[0] == 200
        assert ask(server, "http", "GET", "/api/export.csv")[0] == 200  # this machine's own page needs none


def test_on_loopback_the_page_of_the_gateway_profile_needs_no_token(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, ("gateway", "health"), ("--profile=gateway",)) as server:
        assert [ask(server, "health", "GET", path)[0] for path in ("/", "/api/export.csv")] == [200, 200]


# --- clients that are limited


@pytest.mark.parametrize(
    "command",
    [
        ["send", "--as", "collector", "--max-wait", "0"],
        ["send", "--as", "collector"],
        ["simulate", "app", "--count", "5", "--connections", "3", "--window", "2"],
    ],
)
def test_a_client_that_is_limited_says_so_on_the_terminal(tmp_path: Path, command: list[str]) -> None:
    prefix = "LOGBOOM_LISTENERS__COLLECTOR__RATE_LIMIT_"
    window_s = "3600" if "--max-wait" in command or "simulate" in command else "1"
    limits = {f"{prefix}ENABLED": "yes", f"{prefix}REQUESTS_MAX": "2", f"{prefix}WINDOW_S": window_s}
    with ServerProcess(tmp_path, ("collector",), environment=limits) as server:
        url = f"tcp://127.0.0.1:{server.ports['collector']}"
        done = subprocess.run(
            [sys.executable, "-m", "logboom", *command, "--to", url],
            input="one\ntwo\nthree\n",
            capture_output=True,
            text=True,
            check=False,
        )
    told = [
        line for line in (done.stdout + done.stderr).splitlines() if "rate limit exceeded; the server" in line
    ]
    assert len(told) == 1
    assert re.fullmatch(
        rf"⚠️ {url}: rate limit exceeded; the server takes more lines in \d+ s",
        told[0].removeprefix("logboom: "),
    )
