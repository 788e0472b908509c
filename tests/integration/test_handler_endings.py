"""Applications that end in every way there is, right after they have logged: what was logged arrives nevertheless.

Each program here runs in an interpreter of its own, with `log` at hand. What it has left, the next one brings.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from logboom.testing.server_kit import ServerProcess

WAIT_S = 100.0

HEAD = """
import logging, os, sys
import logboom

URL, SPOOL = sys.argv[1:3]
handler = logboom.LogboomHandler(URL, spool_dir=SPOOL, flush_timeout_s=60)
logging.basicConfig(level=logging.INFO, handlers=[handler])
log = logging.getLogger("app").info
"""

MULTIPROCESSING = """
import multiprocessing

if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    for number in range(40):
        child = context.Process(target=log, args=(str(number),))
        child.start()
        child.join()
    log("40")
"""

EXIT_AT_ONCE = """
log("0")
os._exit(7)
"""

KILLED = """
import signal

for number in range(100):
    log(str(number))
os.kill(os.getpid(), signal.SIGKILL)
"""

ABORTED = """
import resource

resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
log("0")
handler.flush()
log("1")
os.abort()
"""

REPLACED = """
log("0")
os.execv(sys.executable, [sys.executable, "-c", "pass"])
"""

FORKS_WITH_THREADS = """
import threading

def work(first):
    for number in range(first, first + 50):
        log(str(number))

threads = [threading.Thread(target=work, args=(first,)) for first in (0, 50, 100)]
for thread in threads:
    thread.start()
children = []
for number in range(150, 160):
    child = os.fork()
    if not child:
        log(str(number))
        os._exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
for thread in threads:
    thread.join()
"""

POOL = """
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

if __name__ == "__main__":
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        list(pool.map(log, map(str, range(60))))
"""

PREFORK = """
import signal

log("0")
workers = []
for first in (1, 11, 21):
    read_end, write_end = os.pipe()
    worker = os.fork()
    if not worker:
        for number in range(first, first + 10):
            log(str(number))
        os.write(write_end, b"x")
        signal.pause()
    os.read(read_end, 1)
    workers.append(worker)
for worker in workers:
    os.kill(worker, signal.SIGKILL)
    os.waitpid(worker, 0)
log("31")
"""

DETACHED = """
read_end, write_end = os.pipe()
if not os.fork():
    os.setsid()
    if os.fork():
        os._exit(0)
    os.closerange(3, write_end)
    log("0")
    os.write(write_end, b"x")
    os._exit(0)
os.read(read_end, 1)
os._exit(0)
"""

DAEMON_THREADS = """
import threading, time

def work():
    number = 0
    while True:
        log(str(number))
        os.write(1, b"%d " % number)
        number += 1
        time.sleep(0.0005)  # else the others hardly have a turn

threading.Thread(target=work, daemon=True).start()
while handler.acknowledged < 10:
    time.sleep(0.001)
"""

AFTER_THE_END = """
import atexit

class Late:
    # Logs in a second that no entry before had.
    def __init__(self):
        self.record = logging.makeLogRecord({"name": "app", "levelno": logging.INFO, "levelname": "INFO", "msg": "2"})
        self.record.created += 60
    def __del__(self, handle=logging.getLogger("app").handle):
        handle(self.record)

atexit._clear()
atexit.register(log, "1")  # runs last
atexit.register(logging.shutdown)
keep = Late()
log("0")
"""

QUEUED = """
import queue
from logging.handlers import QueueHandler, QueueListener

waiting = queue.SimpleQueue()
logging.getLogger().handlers = [QueueHandler(waiting)]
listener = QueueListener(waiting, handler)
listener.start()
for number in range(100):
    log("%d", number)
listener.stop()
os._exit(0)
"""

SIGNALS = """
import signal

inner = 0

def on_alarm(*_):
    global inner
    log("inner %d", inner)
    inner += 1
    signal.setitimer(signal.ITIMER_REAL, 0.0001 + inner % 7 * 0.0001)

signal.signal(signal.SIGALRM, on_alarm)
signal.setitimer(signal.ITIMER_REAL, 0.0002)
outer = 0
while inner < 200:
    log("outer %d", outer)
    outer += 1
signal.setitimer(signal.ITIMER_REAL, 0)
os.write(1, f"{outer} {inner}".encode())
os._exit(0)
"""

COLLECTED = """
import gc

class Noisy:
    def __init__(self, number):
        self.number, self.itself = number, self
    def __del__(self):
        log("inner %d", self.number)
    def __str__(self):
        return str(self.number)

gc.set_threshold(1)
for number in range(300):
    log("outer %s", Noisy(number))
gc.collect()
os._exit(0)
"""

SIGTERM = """
import signal

def on_term(*_):
    log("1")
    os._exit(0)

signal.signal(signal.SIGTERM, on_term)
log("0")
os.kill(os.getpid(), signal.SIGTERM)
"""


def numbered(count: int) -> list[str]:
    return [str(number) for number in range(count)]


PROGRAMS = {
    "a child of multiprocessing": (MULTIPROCESSING, numbered(41)),
    "exit at once": (EXIT_AT_ONCE, numbered(1)),
    "killed": (KILLED, numbered(100)),
    "aborted": (ABORTED, numbered(2)),
    "replaced": (REPLACED, numbered(1)),
    "forks with threads": (FORKS_WITH_THREADS, numbered(160)),
    "a pool of processes": (POOL, numbered(60)),
    "prefork": (PREFORK, numbered(32)),
    "detached": (DETACHED, numbered(1)),
    "after the end": (AFTER_THE_END, numbered(3)),
    "queued": (QUEUED, numbered(100)),
    "sigterm": (SIGTERM, numbered(2)),
    "collected": (COLLECTED, [f"{kind} {number}" for kind in ("inner", "outer") for number in range(300)]),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server") / "data", ("http",)) as found:
        yield found


class Place:
    """A folder of programs whose handlers log to one server and share a spool."""

    def __init__(self, folder: Path, server: ServerProcess) -> None:
        self._folder = folder
        self._server = server
        self._url = f"http://127.0.0.1:{server.ports['http']}"

    def run(self, program: str, *, away: bool = False) -> str:
        """Run a program to its end; returns what it printed."""
        path = self._folder / "program.py"
        path.write_text(
            HEAD.replace("flush_timeout_s", f"service_name={str(self._folder)!r}, flush_timeout_s") + program
        )
        command = [sys.executable, "-W", "ignore::DeprecationWarning", str(path), self._url, str(self.spool)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
        assert "rror" not in done.stderr, done.stderr
        return done.stdout

    @property
    def spool(self) -> Path:
        return self._folder / "spool"

    def arrived(self) -> list[str]:
        """The messages of all programs that ran here, after a last one has brought what they left."""
        self.run("log('the next one')\nhandler.flush()")
        entries = [json.loads(line)["entry"] for line in self._server.journal_lines()]
        return [entry["message"] for entry in entries if entry["service_name"] == str(self._folder)]


@pytest.fixture
def place(tmp_path: Path, server: ServerProcess) -> Place:
    return Place(tmp_path, server)


@pytest.mark.parametrize("name", PROGRAMS)
def test_nothing_is_lost(place: Place, name: str) -> None:
    program, expected = PROGRAMS[name]
    place.run(program)
    assert set(place.arrived()) == {*expected, "the next one"}
    assert not list(place.spool.iterdir())


def test_what_daemon_threads_have_logged_arrives(place: Place) -> None:
    logged = place.run(DAEMON_THREADS).split()
    assert len(logged) >= 10
    assert set(logged) <= set(place.arrived())


def test_a_signal_may_log_while_its_thread_does(place: Place) -> None:
    outer, inner = map(int, place.run(SIGNALS).split())
    expected = {f"outer {number}" for number in range(outer)} | {f"inner {number}" for number in range(inner)}
    assert expected <= set(place.arrived())
