"""Talking to the service manager: a real datagram socket stands for systemd."""

import asyncio
import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from logboom.ops import systemd as module
from logboom.ops.systemd import STATUS_CHARACTERS_MAX, ServiceNotifier

WAIT_S = 30.0


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(WAIT_S)
        yield listening


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"NOTIFY_SOCKET": str(tmp_path / "notify")}


def received(manager: socket.socket) -> str:
    return manager.recv(65536).decode()


def test_ready_stopping_and_status(manager: socket.socket, environment: dict[str, str]) -> None:
    notifier = ServiceNotifier(environment)
    notifier.ready()
    notifier.status("6 listeners")
    notifier.stopping()
    assert [received(manager) for _ in range(3)] == ["READY=1", "STATUS=6 listeners", "STOPPING=1"]
    notifier.close()


def test_reloading_tells_when_it_began_and_that_it_ended(
    manager: socket.socket, environment: dict[str, str]
) -> None:
    notifier = ServiceNotifier(environment)
    notifier.ready()
    before = time.monotonic_ns() // 1000
    with pytest.raises(ValueError, match="broken"), notifier.reloading():
        raise ValueError("broken")
    assert received(manager) == "READY=1"
    found = re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=(\d+)", received(manager))
    assert found is not None
    assert before <= int(found[1]) <= time.monotonic_ns() // 1000
    assert received(manager) == "READY=1"
    notifier.close()


def test_a_reload_during_the_start_makes_nothing_ready(
    manager: socket.socket, environment: dict[str, str]
) -> None:
    notifier = ServiceNotifier(environment)
    with notifier.reloading():
        notifier.status("starting")
    notifier.stopping()
    assert [received(manager) for _ in range(2)] == ["STATUS=starting", "STOPPING=1"]
    notifier.close()


def test_a_socket_without_a_file() -> None:
    name = f"logboom-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{name}")
        manager.settimeout(WAIT_S)
        notifier = ServiceNotifier({"NOTIFY_SOCKET": f"@{name}"})
        notifier.ready()
        assert received(manager) == "READY=1"
        notifier.close()


@pytest.mark.parametrize(
    "text", ["line\nREADY=1", "line\r\nREADY=1\n", "ä" * 10_000, "\ud800", "🚀" * STATUS_CHARACTERS_MAX]
)
def test_a_status_is_one_line_that_systemd_takes(
    manager: socket.socket, environment: dict[str, str], text: str
) -> None:
    notifier = ServiceNotifier(environment)
    notifier.status(text)
    message = manager.recv(65536)
    assert message.startswith(b"STATUS=")
    assert b"\n" not in message
    assert len(message) <= 4096
    notifier.close()


@pytest.mark.parametrize("address", ["", "relative/path", "vsock:2:1234"])
def test_without_a_service_manager_nothing_happens(address: str) -> None:
    told: list[str] = []
    environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"}
    notifier = ServiceNotifier(environment, lambda _kind, text: told.append(text))
    notifier.ready()
    notifier.stopping()
    assert notifier.watchdog_s is None
    asyncio.run(asyncio.wait_for(notifier.watch(lambda: True), WAIT_S))
    notifier.close()
    assert told == []


def test_the_environment_is_the_process_own(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.getsockname())
    notifier = ServiceNotifier()
    notifier.ready()
    assert received(manager) == "READY=1"
    notifier.close()


def test_a_manager_that_is_away_is_told_of_once_and_found_again(tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []
    path = tmp_path / "notify"
    notifier = ServiceNotifier({"NOTIFY_SOCKET": str(path)}, lambda kind, text: told.append((kind, text)))
    notifier.ready()
    notifier.status("x")
    assert told == [
        ("warning", "the service manager can't be notified of READY=1: No such file or directory")
    ]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(WAIT_S)
        notifier.ready()
        assert received(manager) == "READY=1"
    notifier.stopping()
    assert len(told) == 2
    notifier.close()


def test_a_manager_that_does_not_read_blocks_nobody_for_long(
    manager: socket.socket, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SEND_S_MAX", 0.01)
    told: list[str] = []
    notifier = ServiceNotifier(environment, lambda _kind, text: told.append(text))
    while not told:  # until the manager's queue is full
        notifier.status("x")
    assert "timed out" in told[0]
    assert received(manager) == "STATUS=x"
    notifier.close()


def test_nothing_is_sent_after_closing(manager: socket.socket, environment: dict[str, str]) -> None:
    notifier = ServiceNotifier(environment)
    notifier.close()
    notifier.close()
    notifier.ready()
    manager.settimeout(0)
    with pytest.raises(BlockingIOError, match="temporarily unavailable"):
        manager.recv(1)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_who_is_watched(
    environment: dict[str, str], variables: dict[str, str], expected: float | None
) -> None:
    notifier = ServiceNotifier(environment | variables)
    assert notifier.watchdog_s == expected
    notifier.close()


def test_signs_of_life_stop_when_something_is_dead_and_come_again(
    manager: socket.socket, environment: dict[str, str]
) -> None:
    told: list[tuple[str, str]] = []
    notifier = ServiceNotifier(
        environment | {"WATCHDOG_USEC": "2000"}, lambda kind, text: told.append((kind, text))
    )

    async def life() -> None:
        answers = [True, True, True, False, False, False, True]

        def is_alive() -> bool:
            if len(answers) == 1:
                watching.cancel()  # takes hold where the watch next waits
            return answers.pop(0)

        watching = asyncio.create_task(notifier.watch(is_alive))
        await asyncio.wait([watching], timeout=WAIT_S)

    asyncio.run(life())
    notifier.stopping()
    messages: list[str] = []
    while not messages or messages[-1] != "STOPPING=1":
        messages.append(received(manager))
    assert messages == ["WATCHDOG=1"] * 4 + ["STOPPING=1"]
    assert told == [("error", "watchdog keep-alive stopped; systemd will restart the server within 0.002 s")]
    notifier.close()
