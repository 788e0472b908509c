"""The handler in a process in which gevent has replaced threads and sockets."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from logboom.testing.server_kit import ServerProcess

pytest.importorskip("gevent")
WAIT_S = 100.0
LISTENERS = {"http": "http", "ws": "http", "tcp": "collector", "grpc": "grpc"}

APPLICATION = """
from gevent import monkey; monkey.patch_all()
import asyncio, logging, os, sys
import gevent
import logboom

handler = logboom.LogboomHandler(sys.argv[1], spool_dir=sys.argv[2], flush_timeout_s=60)
logging.basicConfig(level=logging.INFO, handlers=[handler])
turns = 0

def turn():
    global turns
    while True:
        gevent.sleep(0)
        turns += 1

def work(first):
    for number in range(first, first + 20):
        logging.info("%d", number)
        gevent.sleep(0)

gevent.spawn(turn)
gevent.joinall([gevent.spawn(work, first) for first in (0, 20, 40)])
before = turns
while handler.acknowledged < 60:  # flush ends early when the first connection takes its time
    handler.flush()
assert turns > before, "flush has stopped the other greenlets"
try:
    asyncio.get_running_loop()
except RuntimeError:
    print("no loop of another in the application's thread")

child = os.fork()
logging.info("child" if not child else "parent")
if child:
    os.waitpid(child, 0)
else:
    os._exit(0)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    listeners = tuple(dict.fromkeys(LISTENERS.values()))
    limits = {"LOGBOOM_LISTENERS__COLLECTOR__RATE_LIMIT_ENABLED": "false"}
    folder = tmp_path_factory.mktemp("server")
    with ServerProcess(folder / "data", listeners, environment=limits) as found:
        yield found


def run(program: str, url: str, spool: Path) -> str:
    command = [sys.executable, "-W", "ignore", "-c", program, url, str(spool)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("scheme", LISTENERS)
def test_the_application_goes_on(server: ServerProcess, scheme: str, tmp_path: Path) -> None:
    port = server.ports[LISTENERS[scheme]]
    before = len(server.journal_lines())
    printed = run(APPLICATION, f"{scheme}://localhost:{port}", tmp_path)
    assert printed == "no loop of another in the application's thread\n"
    plain = "import logging, sys, logboom; "
    plain += "h = logboom.LogboomHandler(sys.argv[1], spool_dir=sys.argv[2], flush_timeout_s=60); "
    plain += "logging.getLogger().addHandler(h); logging.warning('the next one'); h.flush()"
    run(plain, f"{scheme}://localhost:{port}", tmp_path)
    entries = [json.loads(line)["entry"]["message"] for line in server.journal_lines()[before:]]
    assert set(entries) == {*map(str, range(60)), "child", "parent", "the next one"}
