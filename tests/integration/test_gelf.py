"""GELF over real sockets: each transport, and HTTP beside the page."""

import json
import socket
import urllib.request
from pathlib import Path
from typing import Any

from tests.kit.app_kit import journal_lines
from tests.kit.app_thread import AppThread

MESSAGE = b'{"version":"1.1","host":"h","short_message":"valve stuck","level":4}'


def stored(data_dir: Path) -> list[dict[str, Any]]:
    return [json.loads(line)["entry"] for line in journal_lines(data_dir)]


def count(server: AppThread, listener: str) -> int:
    return sum(server.app.listeners[listener].service.intake.counters.verdicts.values())


def test_over_tcp_and_udp(tmp_path: Path) -> None:
    settings = {"listeners": {"tcp": {"protocol": "gelf"}, "udp": {"protocol": "gelf", "transport": "udp"}}}
    with AppThread(tmp_path, ("tcp", "udp"), settings=settings) as server:
        with socket.create_connection(("127.0.0.1", server.port("tcp"))) as client:
            client.sendall(MESSAGE + b"\0" + MESSAGE)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(MESSAGE, ("127.0.0.1", server.port("udp")))
        server.until(lambda: count(server, "tcp") == 2 and count(server, "udp") == 1)
    assert [entry["message"] for entry in stored(tmp_path)] == ["valve stuck"] * 3


def test_posted_to_the_listener_of_the_page(tmp_path: Path) -> None:
    with AppThread(tmp_path, ("http",), settings={"listeners": {"http": {"protocols": ["all"]}}}) as server:
        request = urllib.request.Request(
            f"http://127.0.0.1:{server.port('http')}/gelf", MESSAGE, method="POST"
        )
        with urllib.request.urlopen(request) as answer:
            assert (answer.status, answer.read()) == (202, b"")
    assert [entry["message"] for entry in stored(tmp_path)] == ["valve stuck"]
