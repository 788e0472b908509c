"""Refused lines: kept with reason and bytes, over a kill; judged again after a change of the settings."""

import json
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from logboom.testing.server_kit import ServerProcess

WAIT_S = 30.0
GOOD = b'{"boot_seq":1,"uptime_ms":1}'
BAD = [b'{"boot_seq":1,"uptime_ms":2,}', b'{"uptime_ms":3}', b'{"msg":"\xff\x1b[2J"}', b"[1]"]


def ask(server: ServerProcess, path: str, method: str = "GET") -> dict[str, Any]:
    request = urllib.request.Request(f"http://127.0.0.1:{server.ports['http']}{path}", method=method)
    with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
        return dict(json.loads(answer.read()))


def send(server: ServerProcess, *lines: bytes) -> None:
    """Send lines; the last one is acknowledged."""
    with socket.create_connection(("127.0.0.1", server.ports["device"]), WAIT_S) as link:
        link.sendall(b"\n".join(lines) + b"\n")
        assert link.recv(1024) == b'{"ack":1}\n'


def test_refused_lines_are_shown_with_reason_and_bytes_also_after_a_kill(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", ("device", "http")) as server:
        send(server, *BAD, b"x" * 20_000, GOOD)
        server.kill()
        server.start()
        found = ask(server, "/api/refused")
        assert (found["total"], found["omitted"], len(ask(server, "/api/refused?limit=2")["refused"])) == (
            5,
            0,
            2,
        )
        long, *bad = found["refused"]
        assert (long["text"], long["reason"]) == (None, "line of 20000 bytes, the limit is 16384")
        assert [one["text"] for one in bad] == [line.decode(errors="replace") for line in reversed(BAD)]
        assert bad[0]["reason"] == "found a JSON list, expected an object"
        assert (bad[1]["raw_base64"], bad[1]["source"]) == ("eyJtc2ciOiL/G1sySiJ9", "127.0.0.1")
        url = f"http://127.0.0.1:{server.ports['http']}"
        command = [sys.executable, "-m", "logboom", "refused", "--url", url]
        shown = subprocess.run(command, check=True, capture_output=True, text=True, timeout=WAIT_S)
        assert "127.0.0.1: not UTF-8" in shown.stdout
        assert "\x1b" not in shown.stdout
        assert ask(server, "/api/refused", "POST") == {"stored": 0, "refused": 5}
        done = subprocess.run(
            [*command, "--retry"], check=True, capture_output=True, text=True, timeout=WAIT_S
        )
        assert done.stdout == "✅ 0 lines stored, 5 still refused\n"
