"""Applications that know of Logboom only by `dictConfig`, and a server that comes and goes.

Run as a program, this file is such an application: its configuration is its argument, its orders come on stdin.
"""

import json
import logging
import logging.config
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from logboom.testing.ports import free_port
from logboom.testing.server_kit import ServerProcess

WAIT_S = 60.0
PROTOCOLS = {"grpc": "grpc", "http": "http", "tcp": "collector", "ws": "http"}


def application() -> None:
    """Do what stdin says, and report on stdout: `log FROM TO`, `flush`, `fork FROM TO`; the end of stdin is the end."""
    logging.config.dictConfig(json.loads(sys.argv[1]))
    logger = logging.getLogger("shop.orders")

    def log(first: int, last: int) -> None:
        for number in range(first, last):
            logger.info("message %d", number)

    for line in sys.stdin:
        order, *numbers = line.split()
        first, last = (int(number) for number in numbers or (0, 0))
        if order == "flush":
            logging.getLogger().handlers[0].flush()
        elif order == "fork":
            child = os.fork()
            log(first, last)
            if not child:
                log(last, last + 10)
                logging.shutdown()
                os._exit(0)
            os.waitpid(child, 0)
        else:
            log(first, last)
        print("done", flush=True)


class Application:
    """A process of `application`."""

    def __init__(self, url: str, spool: Path, **options: Any) -> None:
        handler = {
            "class": "logboom.LogboomHandler",
            "url": url,
            "spool_dir": str(spool),
            "service_name": "shop",
            **options,
        }
        config = {
            "version": 1,
            "handlers": {"server": handler},
            "root": {"level": "DEBUG", "handlers": ["server"]},
        }
        command = [sys.executable, "-W", "ignore::DeprecationWarning", __file__, json.dumps(config)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def tell(self, *orders: str) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        for order in orders:
            print(order, file=self.process.stdin, flush=True)
            assert self.process.stdout.readline() == "done\n", self.process.communicate()[1]

    def end(self) -> str:
        """Let it come to its end; returns what it wrote to stderr."""
        _, stderr = self.process.communicate(timeout=WAIT_S)
        assert self.process.returncode == 0
        return stderr

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.communicate()


LATE_THREADS_FAIL = sys.version_info >= (3, 12)
"""Once the interpreter ends, no thread starts any more."""
Start = Callable[..., Application]


@pytest.fixture(params=sorted(PROTOCOLS))
def scheme(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def server(tmp_path: Path, scheme: str) -> Iterator[ServerProcess]:
    """A server that is not started yet."""
    found = ServerProcess(tmp_path / "data", (PROTOCOLS[scheme],))
    yield found
    if found.process is not None:
        found.kill()


@pytest.fixture
def start(tmp_path: Path, scheme: str, server: ServerProcess) -> Start:
    def start(**options: Any) -> Application:
        [port] = server.ports.values()
        return Application(f"{scheme}://localhost:{port}", tmp_path / "spool", **options)

    return start


def messages(server: ServerProcess) -> list[str]:
    """The messages that are stored, each where it came first: a lost acknowledgement brings one twice."""
    entries = [json.loads(line)["entry"] for line in server.journal_lines()]
    assert all(entry["service_name"] == "shop" for entry in entries)
    return list(dict.fromkeys(entry["message"] for entry in entries))


def before_the_end(scheme: str) -> list[str]:
    """What makes an application deliver that ends at once: grpcio needs a thread, see the test for it."""
    return ["flush"] if scheme == "grpc" and LATE_THREADS_FAIL else []


def numbered(*numbers: int) -> list[str]:
    return [f"message {number}" for number in numbers]


def spool_files(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "spool").glob("*"))


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_a_server_that_is_killed_and_started_under_it(
    server: ServerProcess, start: Start, tmp_path: Path
) -> None:
    server.start()
    with start() as app:
        app.tell("log 0 500", "flush")
        server.kill()
        app.tell("log 500 1000", "flush")
        server.start()
        app.tell("log 1000 3000")  # most of them are on their way when the plug is pulled
        server.kill()
        server.start()
        app.tell("log 3000 3500")
        server.kill()
        app.tell("log 3500 4000")
        server.start()
        assert app.end() == ""
    with start() as app:  # takes what the first one was given no time for
        app.tell("log 4000 4001", "flush")
        assert app.end() == ""
    server.stop()
    assert messages(server) == numbered(*range(4001))
    assert not spool_files(tmp_path)


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_what_was_logged_while_the_server_was_away_comes_with_the_next_run(
    server: ServerProcess, start: Start, tmp_path: Path
) -> None:
    with start() as app:
        app.tell("log 0 100")
        assert app.end() == ""
    assert len(spool_files(tmp_path)) == 1
    server.start()
    with start() as app:
        app.tell("log 100 110", "flush")
        assert app.end() == ""
    server.stop()
    assert messages(server) == numbered(*range(110))
    assert not spool_files(tmp_path)


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_what_a_killed_application_has_left_comes_with_the_next_run(
    server: ServerProcess, start: Start, tmp_path: Path, scheme: str
) -> None:
    with start() as app:
        app.tell("log 0 100", "flush")
        app.process.kill()
    server.start()
    with start() as app:
        app.tell("log 100 110", *before_the_end(scheme))
        assert app.end() == ""
    server.stop()
    assert messages(server) == numbered(*range(110))
    assert not spool_files(tmp_path)


def test_an_application_that_ends_at_once_has_delivered(
    server: ServerProcess, start: Start, tmp_path: Path, scheme: str
) -> None:
    server.start()
    with start() as app:
        app.tell("log 0 3", *before_the_end(scheme))
        assert app.end() == ""
    server.stop()
    assert messages(server) == numbered(0, 1, 2)
    assert not spool_files(tmp_path)


@pytest.mark.skipif(not LATE_THREADS_FAIL, reason="grpcio can start until the end")
@pytest.mark.parametrize("scheme", ["grpc"])
def test_what_grpc_can_no_more_deliver_comes_with_the_next_run(
    server: ServerProcess, start: Start, tmp_path: Path
) -> None:
    server.start()
    with start() as app:
        app.tell("log 0 3")
        assert app.end() == ""
    with start() as app:
        app.tell("log 3 4", "flush")
        assert app.end() == ""
    server.stop()
    assert messages(server) == numbered(0, 1, 2, 3)
    assert not spool_files(tmp_path)


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_parent_and_child_both_log_after_a_fork(server: ServerProcess, start: Start, tmp_path: Path) -> None:
    server.start()
    with start() as app:
        app.tell("log 0 50", "flush", "fork 100 200", "fork 300 400", "log 500 600", "flush")
        assert app.end() == ""
    server.stop()
    entries = [json.loads(line)["entry"] for line in server.journal_lines()]
    by_process: dict[str, list[str]] = {}
    for entry in entries:
        by_process.setdefault(entry["process_id"], []).append(entry["message"])
    parent = by_process.pop(str(app.process.pid))
    assert parent == numbered(*range(50), *range(100, 200), *range(300, 400), *range(500, 600))
    assert sorted(by_process.values()) == [numbered(*range(100, 210)), numbered(*range(300, 410))]
    assert not spool_files(tmp_path)


def test_a_collectors_rate_limit_is_kept_to(tmp_path: Path) -> None:
    prefix = "LOGBOOM_LISTENERS__COLLECTOR__RATE_LIMIT_"
    limits = {f"{prefix}ENABLED": "yes", f"{prefix}REQUESTS_MAX": "20", f"{prefix}WINDOW_S": "0.3"}
    with ServerProcess(tmp_path / "data", ("collector",), environment=limits) as server:
        url = f"tcp://127.0.0.1:{server.ports['collector']}"
        with Application(url, tmp_path / "spool", flush_timeout_s=WAIT_S) as app:
            app.tell("log 0 70", "flush")
            assert app.end().count(f"⚠️ {url}: rate limit exceeded; the server takes more lines in") == 1
        server.stop()
        assert messages(server) == numbered(*range(70))


def test_nobody_there_and_nowhere_to_write_breaks_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with Application(f"tcp://127.0.0.1:{free_port()}", tmp_path / "file", flush_timeout_s=0.2) as app:
        app.tell("log 0 100", "flush")
        assert "can't write the spool, log entries wait in memory" in app.end()


if __name__ == "__main__":
    application()
