"""`logboom serve` as systemd starts it: a real datagram socket stands for the service manager."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from logboom.testing.server_kit import START_S_MAX, ServerProcess


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(START_S_MAX)
        yield listening


def told_until(manager: socket.socket, wanted: str) -> list[str]:
    """What the service manager is told, up to the message that starts with `wanted`."""
    messages: list[str] = []
    while not messages or not messages[-1].startswith(wanted):
        messages.append(manager.recv(4096).decode())
    return messages


def service(tmp_path: Path, manager: socket.socket, *arguments: str, watchdog_us: int = 0) -> ServerProcess:
    environment = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": str(watchdog_us)}
    return ServerProcess(tmp_path / "data", arguments=arguments, environment=environment)


def test_a_service_is_ready_once_it_takes_connections_and_says_when_it_stops(
    tmp_path: Path, manager: socket.socket
) -> None:
    with service(tmp_path, manager) as server:
        assert "READY=1" in told_until(manager, "READY=1")
        with server.connect("device") as client:
            client.sendall(b'{"boot_seq":1,"uptime_ms":1,"level":"info","msg":"x"}\n')
            assert client.recv(100) == b'{"ack":1}\n'
        assert server.stop() == 0
    told_until(manager, "STOPPING=1")


def test_a_reload_begins_and_ends(tmp_path: Path, manager: socket.socket) -> None:
    with service(tmp_path, manager) as server:
        told_until(manager, "READY=1")
        assert server.process is not None
        server.process.send_signal(signal.SIGHUP)
        assert "\nMONOTONIC_USEC=" in told_until(manager, "RELOADING=1")[-1]
        told_until(manager, "READY=1")
        server.stop()


def test_a_reload_that_fails_ends_too(tmp_path: Path, manager: socket.socket) -> None:
    file = tmp_path / "logboom.toml"
    file.write_text("")
    with service(tmp_path, manager, f"--config={file}") as server:
        told_until(manager, "READY=1")
        file.write_text("nonsense = 1")
        assert server.process is not None
        server.process.send_signal(signal.SIGHUP)
        told_until(manager, "RELOADING=1")
        told_until(manager, "READY=1")
        server.stop()


def test_signs_of_life_keep_coming(tmp_path: Path, manager: socket.socket) -> None:
    with service(tmp_path, manager, watchdog_us=100_000) as server:
        told_until(manager, "READY=1")
        for _ in range(3):
            told_until(manager, "WATCHDOG=1")
        server.stop()


def test_a_start_that_fails_is_never_ready(tmp_path: Path, manager: socket.socket) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = service(tmp_path, manager)
        server.ports["device"] = taken.getsockname()[1]
        with pytest.raises(AssertionError, match="was not logged"):
            server.start()
        assert server.process is not None
        assert server.stop() != 0
    manager.settimeout(0)
    with pytest.raises(BlockingIOError, match="temporarily unavailable"):
        told_until(manager, "READY=1")
