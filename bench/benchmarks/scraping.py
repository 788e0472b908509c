"""Cost of scrapes for senders, and latency of health requests under full ingest."""

import threading
import time
from functools import partial
from http.client import HTTPConnection
from types import TracebackType
from typing import Final, Self

from bench.generator import Generator
from bench.line import shares
from bench.plan import Plan
from bench.spread import percentile
from bench.subjects.base import HOST, Server, ServerError, Subject
from bench.subjects.logboom_scraped import LogboomScraped
from bench.trial import Trial, delivered, run_trial, trial_directory

NAME: Final = "scraping"
ALONE: Final = "ingest, nobody asks"
SCRAPED: Final = "ingest, /metrics once a second"
SCRAPED_OFTEN: Final = "ingest, /metrics ten times a second"
HEALTH: Final = "ingest, /api/health 50 times a second"
IDLE: Final = "/metrics of an idle server"

METRICS_PATH: Final = "/metrics"
HEALTH_PATH: Final = "/api/health"
_INGEST: Final = {
    ALONE: None,
    SCRAPED: (METRICS_PATH, 1.0),
    SCRAPED_OFTEN: (METRICS_PATH, 0.1),
    HEALTH: (HEALTH_PATH, 0.02),
}
_CONNECTIONS: Final = 4
_LONGER: Final = 2  # times the throughput benchmark's lines: a few scrapes must fit in
_IDLE_SCRAPES: Final = 500
_IDLE_S_BETWEEN: Final = 0.002


class Asker:
    """Thread that requests one address at a constant rate; a context manager.

    Args:
        port: of the `http` listener.
        path: what to ask for.
        interval_s: from one question to the next.
    """

    def __init__(self, port: int, path: str, interval_s: float) -> None:
        self.taken: list[float] = []
        """Seconds from request to complete answer."""
        self._port = port
        self._path = path
        self._interval_s = interval_s
        self._ending = threading.Event()
        self._trouble: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join()
        if self._trouble is not None and error is None:
            raise ServerError(f"{self._path}: {type(self._trouble).__name__}: {self._trouble}")

    def figures(self) -> Trial:
        """Latencies of the answers, milliseconds."""
        ordered = sorted(self.taken)
        marks = {"p50_ms": 50.0, "p99_ms": 99.0, "max_ms": 100.0}
        return {"asked": len(ordered)} | {
            name: percentile(ordered, mark) * 1000 for name, mark in marks.items()
        }

    def _run(self) -> None:
        connection = HTTPConnection(HOST, self._port, timeout=10)
        try:
            while not self._ending.is_set():
                started = time.monotonic()
                ask(connection, self._path)
                self.taken.append(time.monotonic() - started)
                self._ending.wait(self._interval_s - self.taken[-1])
        except (OSError, ServerError) as error:
            self._trouble = error
        finally:
            connection.close()


def ask(connection: HTTPConnection, path: str) -> None:
    """One question and its answer. Raises ServerError when it is no 200."""
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    if answer.status != 200:
        raise ServerError(f"{path} answered {answer.status}")


def run(plan: Plan, subjects: list[Subject]) -> list[Trial]:
    """All trials, alternating; each round starts with another case."""
    if not any(subject.name == "logboom" for subject in subjects):
        return []
    subject = LogboomScraped(plan.logboom)
    cases = list(_INGEST)
    trials: list[Trial] = []
    for number in range(plan.trials):
        turn = number % len(cases)
        trials += [
            run_trial(subject, partial(_ingest, plan, subject, what), what=what, round=number)
            for what in cases[turn:] + cases[:turn]
        ]
        trials.append(run_trial(subject, partial(_idle, plan, subject), what=IDLE, round=number))
    return trials


def _ingest(plan: Plan, subject: LogboomScraped, what: str) -> Trial:
    lines = plan.lines * _LONGER
    with trial_directory(plan.directory) as directory:
        with Server(subject, directory) as server:
            record = _load(server, subject, what, lines)
        return record | delivered(subject.verify(directory, shares(lines, _CONNECTIONS)))


def _load(server: Server, subject: LogboomScraped, what: str, lines: int) -> Trial:
    question = _INGEST[what]
    _await_http(subject.http_port)
    with Generator("stream", port=server.port, connections=_CONNECTIONS, lines=lines, acks=True) as generator:
        cpu_before = server.cpu_s()
        generator.go()
        if question is None:
            done, asked = generator.expect("done"), {}
        else:
            with Asker(subject.http_port, *question) as asker:
                done = generator.expect("done")
            asked = asker.figures()
        cpu_s = server.cpu_s() - cpu_before
    seconds = done["finished"] - done["started"]
    return {
        "per_s": lines / seconds,
        "seconds": seconds,
        "cpu_s_per_million": cpu_s / lines * 1e6,
        "peak_rss_mib": server.peak_rss_mib(),
        **asked,
    }


def _idle(plan: Plan, subject: LogboomScraped) -> Trial:
    """Run many scrapes of an idle server, since processor time is measured in hundredths of a second."""
    with trial_directory(plan.directory) as directory, Server(subject, directory) as server:
        _await_http(subject.http_port)
        connection, taken = HTTPConnection(HOST, subject.http_port, timeout=10), []
        cpu_before = server.cpu_s()
        for _ in range(_IDLE_SCRAPES):
            started = time.monotonic()
            ask(connection, METRICS_PATH)
            taken.append(time.monotonic() - started)
            time.sleep(_IDLE_S_BETWEEN)
        cpu_ms = (server.cpu_s() - cpu_before) / _IDLE_SCRAPES * 1000
        connection.close()
        ordered = sorted(taken)
        marks = {"p50_ms": percentile(ordered, 50) * 1000, "p99_ms": percentile(ordered, 99) * 1000}
        return {
            "asked": _IDLE_SCRAPES,
            "cpu_ms": cpu_ms,
            "peak_rss_mib": server.peak_rss_mib(),
            **marks,
        }


def _await_http(port: int) -> None:
    """The `http` listener is the last to start, and the first scrape loads the library."""
    deadline = time.monotonic() + 30
    while True:
        connection = HTTPConnection(HOST, port, timeout=10)
        try:
            ask(connection, METRICS_PATH)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
        finally:
            connection.close()
