"""Over HTTP, what is sent again is stored once: after a lost answer, a kill of the server, and a kill of the client."""

import asyncio
import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from logboom import LogboomHandler
from logboom.clients.delivery.delivery import Policy
from logboom.clients.delivery.sending import send_lines
from logboom.clients.wire.dialect_registry import choose
from logboom.testing.server_kit import ServerProcess
from tests.kit.losing_proxy import LosingProxy

WAIT_S = 60.0
LINES = [f"line {number // 2}" for number in range(600)]
"""Each line twice: equal lines are lines of their own."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path / "data", ("http",)) as server:
        yield server


def stored(server: ServerProcess) -> list[str]:
    return [json.loads(line)["entry"]["message"] for line in server.journal_lines()]


def wait_until_stored(server: ServerProcess, count: int) -> None:
    until = time.monotonic() + WAIT_S
    while len(server.journal_lines()) < count and time.monotonic() < until:
        time.sleep(0.02)


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "logboom", *map(str, words)]


def send_file(url: str, folder: Path) -> None:
    del folder
    dialect, target = choose(None, url)
    policy = Policy(delays_s=(0.01, 0.01), window=200)
    report = asyncio.run(send_lines(LINES, target, dialect, policy=policy))
    assert (report.ok, report.acknowledged) == (True, len(LINES))


def log(url: str, folder: Path) -> None:
    handler = LogboomHandler(url, spool_dir=folder, flush_timeout_s=WAIT_S)
    logger = logging.getLogger("stored once")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    for line in LINES:
        logger.info(line)
    logger.removeHandler(handler)
    handler.close()


def run_a_command(url: str, folder: Path) -> None:
    words = ["--to", url, "--spool-dir", folder, "--flush-timeout", WAIT_S, "--"]
    text = "\n".join(LINES)
    program = [sys.executable, "-c", f"print({text!r})"]
    subprocess.run(
        command("run", *words, *program), check=True, stdout=subprocess.DEVNULL, timeout=WAIT_S * 2
    )


@pytest.mark.parametrize("send", [send_file, log, run_a_command])
def test_answers_that_are_lost(
    server: ServerProcess, tmp_path: Path, send: Callable[[str, Path], None]
) -> None:
    with LosingProxy(server.ports["http"], answers=2) as proxy:
        send(proxy.url, tmp_path / "spool")
    assert stored(server) == LINES
    assert proxy.keys[0] == proxy.keys[1] == proxy.keys[2] != ""


@pytest.mark.parametrize("send", [send_file, log])
def test_a_server_that_is_killed_after_storing(
    server: ServerProcess, tmp_path: Path, send: Callable[[str, Path], None]
) -> None:
    def restart() -> None:
        server.kill()
        server.start()

    with LosingProxy(server.ports["http"], answers=1, on_lost=restart) as proxy:
        send(proxy.url, tmp_path / "spool")
    assert stored(server) == LINES


LOGGING = """
import logging, sys, time
import logboom

handler = logboom.LogboomHandler(sys.argv[1], spool_dir=sys.argv[2], flush_timeout_s=60)
logger = logging.Logger("app", logging.INFO)
logger.addHandler(handler)
for line in sys.argv[4:]:
    logger.info(line)
if sys.argv[3] == "wait":
    time.sleep(600)
handler.close()
"""


def test_a_follower_that_is_killed_before_the_answer(server: ServerProcess, tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text("".join(f"{line}\n" for line in LINES))
    started: list[subprocess.Popen[bytes]] = []

    def kill() -> None:
        started[0].kill()
        started[0].wait(WAIT_S)

    with LosingProxy(server.ports["http"], answers=1, on_lost=kill) as proxy:
        words = ["send", path, "--follow", "--to", proxy.url, "--state", tmp_path / "state"]
        started.append(subprocess.Popen(command(*words), stderr=subprocess.DEVNULL))
        assert proxy.lost.wait(WAIT_S)
        with path.open("a") as file:
            file.write("one more\n")  # must not join the entries that are sent again
        started.append(subprocess.Popen(command(*words), stderr=subprocess.DEVNULL))
        wait_until_stored(server, len(LINES) + 1)
        started[1].terminate()
        started[1].wait(WAIT_S)
    assert proxy.keys[0] == proxy.keys[1] != ""
    assert stored(server) == [*LINES, "one more"]


def test_an_application_that_is_killed_before_the_answer(server: ServerProcess, tmp_path: Path) -> None:
    started: list[subprocess.Popen[bytes]] = []

    def kill() -> None:
        started[0].kill()
        started[0].wait(WAIT_S)

    with LosingProxy(server.ports["http"], answers=1, on_lost=kill) as proxy:
        words = [sys.executable, "-c", LOGGING, proxy.url, str(tmp_path / "spool")]
        started.append(subprocess.Popen([*words, "wait", *LINES]))
        assert proxy.lost.wait(WAIT_S)
        subprocess.run([*words, "end", "one more"], check=True, timeout=WAIT_S)
    assert proxy.keys[0] == proxy.keys[1] != ""
    *lines, last = stored(server)
    assert lines == LINES[: len(lines)]  # those that were logged before the kill
    assert last == "one more"
