"""A confined server stores as ever, and can do nothing else."""

import ctypes
import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from logboom.query.sql.sql_engine import why_not
from logboom.testing.server_kit import ServerProcess

LINE = b'{"boot_seq":3,"uptime_ms":1}\n'

pytestmark = pytest.mark.skipif(
    ctypes.CDLL(None).syscall(444, None, 0, 1) < 2, reason="this kernel has no Landlock"
)

SCRIPT = """
import os, subprocess, sys
from pathlib import Path
from logboom.ops.confine import confine

inside, outside = Path(sys.argv[1]), Path(sys.argv[2])
confine([inside])

def attempt(name, action):
    try:
        action()
    except OSError as error:
        print(name, type(error).__name__)
    else:
        print(name, "done")

attempt("write inside", lambda: (inside / "a").write_text("x"))
attempt("make a folder inside", (inside / "deep").mkdir)
attempt("move inside", lambda: (inside / "a").rename(inside / "deep" / "b"))
attempt("remove inside", (inside / "deep" / "b").unlink)
attempt("read outside", (outside / "there").read_text)
attempt("write outside", lambda: (outside / "new").write_text("x"))
attempt("change outside", lambda: (outside / "there").write_text("x"))
attempt("remove outside", (outside / "there").unlink)
attempt("run a program", lambda: subprocess.run(["/bin/true"], check=True))
attempt("write nowhere", lambda: Path(os.devnull).write_text("x"))
"""


def test_what_a_confined_process_can_do(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    outside.mkdir()
    (outside / "there").write_text("x")
    command = [sys.executable, "-c", SCRIPT, str(inside), str(outside)]
    found = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=True
    ).stdout.splitlines()
    assert found == [
        "write inside done",
        "make a folder inside done",
        "move inside done",
        "remove inside done",
        "read outside done",
        "write outside PermissionError",
        "change outside PermissionError",
        "remove outside PermissionError",
        "run a program PermissionError",
        "write nowhere done",
    ]


def counted_in_sql(server: ServerProcess) -> int:
    """Number of entries, by a query whose process comes from the server's fork server."""
    address = f"http://127.0.0.1:{server.ports['http']}/api/sql"
    body = json.dumps({"query": "select count(*) from logs"}).encode()
    with urllib.request.urlopen(urllib.request.Request(address, body), timeout=60) as answer:
        return int(json.load(answer)["rows"][0][0])


def test_a_confined_server_stores_and_starts_again(tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere" / "all.jsonl"
    arguments = ("--log-file", str(copy))
    environment = {"LOGBOOM_CONFINE": "true"}
    names = ("device", "http", "grpc")
    server = ServerProcess(tmp_path / "data", names, arguments, environment)
    for _ in range(2):
        with server, server.connect("device") as device:
            device.sendall(LINE)
            assert device.recv(1024) == b'{"ack":1}\n'
            assert why_not() or counted_in_sql(server) >= 1
            server.stop()
    assert len(server.journal_lines()) == 2
    assert len(copy.read_bytes().splitlines()) == 2
    assert any("confined" in event["message"] for event in server.events)
