"""logger, HAProxy and nginx, each as Debian has it."""

import json
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from logboom.testing.ports import free_port
from tests.kit.app_kit import journal_lines
from tests.kit.app_thread import AppThread
from tests.kit.services import find_program

LISTENERS = {
    "tcp": {"protocol": "syslog"},
    "udp": {"protocol": "syslog", "transport": "udp"},
}
START_S_MAX = 20.0


def entries(data_dir: Path) -> list[dict[str, Any]]:
    return [json.loads(line)["entry"] for line in journal_lines(data_dir)]


def count(server: AppThread, listener: str) -> int:
    return sum(server.app.listeners[listener].service.intake.counters.verdicts.values())


@contextmanager
def running(command: list[str], port: int) -> Iterator[None]:
    """Run a program until the end of the block; it answers on `port` from the beginning."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            ends_at = time.monotonic() + START_S_MAX
            while time.monotonic() < ends_at:
                with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                    break
                assert process.poll() is None
            yield
        finally:
            process.terminate()


@pytest.mark.parametrize(
    ("listener", "options"),
    [
        ("udp", ["--udp"]),
        ("udp", ["--udp", "--rfc3164"]),
        ("tcp", ["--tcp"]),
        ("tcp", ["--tcp", "--octet-count", "--msgid", "ID47"]),
    ],
)
def test_logger(tmp_path: Path, listener: str, options: list[str]) -> None:
    program = find_program("logger", "bsdutils")
    with AppThread(tmp_path, (listener,), settings={"listeners": {listener: LISTENERS[listener]}}) as server:
        place = ["--server", "127.0.0.1", "--port", str(server.port(listener))]
        what = ["--tag", "pumps", "--priority", "local0.warning", "valve stuck at 87 %"]
        subprocess.run([program, *options, *place, *what], check=True)
        server.until(lambda: count(server, listener) == 1)
    [entry] = entries(tmp_path)
    assert (entry["level"], entry["source"], entry["message"]) == ("WARNING", "pumps", "valve stuck at 87 %")
    assert entry["labels"]["facility"] == "local0"
    assert ("msgid" in entry["labels"]) == ("--msgid" in options)


def test_haproxy(tmp_path: Path) -> None:
    program = find_program("haproxy", "haproxy")
    with AppThread(tmp_path / "data", ("udp",), settings={"listeners": {"udp": LISTENERS["udp"]}}) as server:
        port = free_port()
        config = tmp_path / "haproxy.cfg"
        config.write_text(
            f"global\n  log 127.0.0.1:{server.port('udp')} format rfc5424 local0\n"
            "defaults\n  mode http\n  log global\n  option httplog\n"
            "  timeout client 5s\n  timeout connect 5s\n  timeout server 5s\n"
            f"frontend f\n  bind 127.0.0.1:{port}\n  http-request return status 200\n"
        )
        with running([program, "-db", "-f", str(config)], port):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/hello").read()
            server.until(lambda: any(b"/hello" in line for line in journal_lines(tmp_path / "data")))
    [entry] = [entry for entry in entries(tmp_path / "data") if "/hello" in entry["message"]]
    assert entry["source"] == "haproxy"
    assert '"GET /hello HTTP/1.1"' in entry["message"]


def test_nginx(tmp_path: Path) -> None:
    program = find_program("nginx", "nginx-light")
    with AppThread(tmp_path / "data", ("udp",), settings={"listeners": {"udp": LISTENERS["udp"]}}) as server:
        port = free_port()
        config = tmp_path / "nginx.conf"
        place = f"syslog:server=127.0.0.1:{server.port('udp')},tag=ngx"
        config.write_text(
            f"daemon off; pid {tmp_path}/pid; error_log {place} notice; user root;\nevents {{}}\n"
            f"http {{ access_log {place} combined;\n"
            f"server {{ listen 127.0.0.1:{port}; location / {{ return 200; }} }} }}\n"
        )
        with running([program, "-c", str(config)], port):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/hello").read()
            server.until(lambda: any(b"/hello" in line for line in journal_lines(tmp_path / "data")))
    found = entries(tmp_path / "data")
    assert {entry["source"] for entry in found} == {"ngx"}
    assert [entry["level"] for entry in found if "GET /hello" in entry["message"]] == ["INFO"]
