"""Forward and Beats with acknowledgements: what the client counts as delivered is stored once.

Also while the server is killed again and again, and while its disk is full. RELP: test_rsyslog.py.
"""

import asyncio
import json
import queue
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from logboom.clients.delivery.delivery import Policy
from logboom.clients.delivery.sending import send_lines
from logboom.clients.wire.dialect_registry import choose
from logboom.servers import connection
from logboom.testing.server_kit import ServerProcess
from tests.kit.app_kit import FailingDisk, journal_lines
from tests.kit.app_thread import AppThread
from tests.kit.services import give_up

COUNT = 2000
WINDOW = 50
KILLS = (300, 1400)
WAIT_S = 60.0
Happened = Callable[[int], object]
Send = Callable[[int, Happened], None]
"""Delivers the numbers up to `COUNT` to a port, with resends; calls its second argument before sending one."""


def pylogbeat() -> ModuleType:
    try:
        return __import__("pylogbeat")
    except ImportError:
        give_up("there is no pylogbeat; requirements/clients.txt lists it")


def event(number: int) -> dict[str, Any]:
    """An event as Filebeat makes it of a line of a file."""
    log = {"offset": number * 20, "file": {"path": "/var/log/pumps.log", "inode": "5", "device_id": "9"}}
    return {"message": f"number {number}", "agent": {"id": "a", "type": "filebeat"}, "log": log}


def send_with_pylogbeat(port: int, happened: Happened) -> None:
    module = pylogbeat()
    for first in range(0, COUNT, WINDOW):
        happened(first)
        while True:
            client = module.PyLogBeatClient("127.0.0.1", port, timeout=WAIT_S, use_logging=True)
            try:
                with closing(client):
                    client.connect()
                    client.send([event(number) for number in range(first, first + WINDOW)])
                    break
            except (OSError, module.ConnectionException):
                continue


def send_over(protocol: str) -> Send:
    def send(port: int, happened: Happened) -> None:
        def lines() -> Iterator[str]:
            for number in range(COUNT):
                happened(number)
                yield f"number {number}"

        dialect, target = choose(protocol, f"tcp://127.0.0.1:{port}")
        policy = Policy(window=WINDOW, tries=1000, delays_s=(0.01,), endless=True)
        report = asyncio.run(send_lines(lines(), target, dialect, policy=policy))
        assert (report.ok, report.acknowledged) == (True, COUNT)

    return send


SENDERS = [
    pytest.param("forward", send_over("forward"), id="forward"),
    pytest.param("beats", send_over("beats"), id="beats"),
    pytest.param("beats", send_with_pylogbeat, id="pylogbeat"),
]


@contextmanager
def on_numbers(wanted: tuple[int, ...], act: Callable[[], None]) -> Iterator[Happened]:
    """Call `act` on a thread of its own while the client goes on, each time that one of these numbers is due."""
    due: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def run() -> None:
        while due.get():
            act()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield lambda number: due.put(True) if number in wanted else None  # noqa: FBT003 - a queue's item
    finally:
        due.put(False)  # noqa: FBT003
        thread.join(WAIT_S)


def check_once(data_dir: Path) -> None:
    found = [json.loads(line)["entry"]["message"] for line in journal_lines(data_dir)]
    assert sorted(found) == sorted(f"number {number}" for number in range(COUNT))


@pytest.mark.parametrize(("protocol", "send"), SENDERS)
def test_kills(tmp_path: Path, protocol: str, send: Send) -> None:
    chance = random.Random(5)
    pause = threading.Event()
    with ServerProcess(tmp_path, (protocol,), (f"--with={protocol}",)) as server:

        def kill() -> None:
            pause.wait(chance.uniform(0, 0.02))  # so that each kill meets another step
            server.kill()
            server.start()

        with on_numbers(KILLS, kill) as happened:
            send(server.ports[protocol], happened)
    check_once(tmp_path)


@pytest.mark.parametrize(("protocol", "send"), SENDERS)
def test_a_full_disk(tmp_path: Path, protocol: str, send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "REFUSAL_S", 0.0)
    disk = FailingDisk()
    with AppThread(tmp_path, (protocol,), disk, {"listeners": {protocol: {"protocol": protocol}}}) as app:

        def fill() -> None:
            before = app.app.journal.failed_groups
            disk.failing = True
            app.until(lambda: app.app.journal.failed_groups > before)
            disk.failing = False

        with on_numbers(KILLS, fill) as happened:
            send(app.port(protocol), happened)
    check_once(tmp_path)
