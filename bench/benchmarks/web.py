"""HTTP and WebSocket: stored and answered messages per second; throughput of the database outputs."""

import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from bench import web_load
from bench.benchmarks.protocols import figures, on_core, stored_figures
from bench.plan import Plan
from bench.subjects.base import HOST, Server, Subject
from bench.subjects.echo import EchoWebSocket
from bench.subjects.listener import LogboomListener
from bench.trial import Trial, run_trial, trial_directory
from logboom.journal.reader import JournalReader
from logboom.journal.segments import Segment, prefix, suffix
from logboom.outputs.registry import make_outputs
from logboom.testing.ports import free_port

NAME: Final = "web"
WEBSOCKET: Final = "WebSocket, window of 100, server on one core"
READERS: Final = "the same with 500 idle readers"
NDJSON: Final = "POST /api/entries, NDJSON, 2000 lines a body"
REDIS: Final = "output redis catches up"
SQLITE: Final = "output sqlite catches up"

_READERS: Final = 500
_SECONDS: Final = 2.0
_RECEIVED: Final = b'"received"'
_ECHOED: Final = b'"log"'


def run(plan: Plan, subjects: list[Subject]) -> list[Trial]:
    """All trials, alternating."""
    if not any(subject.name == "logboom" for subject in subjects):
        return []
    return [
        run_trial(subject, measure, what=what, round=number)
        for number in range(plan.trials)
        for subject, what, measure in _cases(plan)
    ]


def _cases(plan: Plan) -> list[tuple[Subject, str, Callable[[], Trial]]]:
    http, echo = LogboomListener("http", plan.logboom), EchoWebSocket()
    cases: list[tuple[Subject, str, Callable[[], Trial]]] = [
        (echo, WEBSOCKET, partial(_websocket, plan, echo, _ECHOED, 0)),
        (http, WEBSOCKET, partial(_websocket, plan, http, _RECEIVED, 0)),
        (http, READERS, partial(_websocket, plan, http, _RECEIVED, _READERS)),
        (http, NDJSON, partial(_ndjson, plan, http)),
        (http, SQLITE, partial(_catch_up, plan, {"type": "sqlite", "path": "entries.db"})),
    ]
    if shutil.which("redis-server"):
        cases.append((http, REDIS, partial(_redis, plan)))
    return cases


def _websocket(plan: Plan, subject: Subject, marker: bytes, readers: int) -> Trial:
    def load(port: int) -> tuple[int, float]:
        idle = [web_load.open_websocket(port) for _ in range(readers)]
        try:
            return web_load.websocket(port, _SECONDS, marker)
        finally:
            for reader in idle:
                reader.close()

    return _serve(plan, subject, load)


def _ndjson(plan: Plan, subject: Subject) -> Trial:
    return _serve(plan, subject, lambda port: web_load.ndjson(port, _SECONDS))


def _serve(plan: Plan, subject: Subject, load: Callable[[int], tuple[int, float]]) -> Trial:
    with trial_directory(plan.directory) as directory:
        with on_core(0), Server(subject, directory) as server, on_core(1):
            cpu_before = server.cpu_s()
            answered, seconds = load(server.port)
            cpu_s, peak = server.cpu_s() - cpu_before, server.peak_rss_mib()
        if isinstance(subject, LogboomListener):
            return stored_figures(subject, directory, answered, seconds, cpu_s, peak)
        return figures(answered, seconds, cpu_s, peak)


def _redis(plan: Plan) -> Trial:
    with _redis_server() as url:
        return _catch_up(plan, {"type": "redis", "url": url})


def _catch_up(plan: Plan, table: dict[str, Any]) -> Trial:
    """One output over a journal that is there already, in this process, as its thread in the server does it."""
    count = plan.lines // 10
    with trial_directory(plan.directory) as directory:
        _write_journal(directory / "journal", count)
        folder = {"folder": str(directory)} if table["type"] == "sqlite" else {}
        [output] = make_outputs({"o": {**table, **folder}}, directory / "data").values()
        reader = JournalReader(directory / "journal")
        memory, cpu, started = _peak_mib(), time.process_time(), time.monotonic()
        output.open()
        while (block := reader.read(112 << 10)) is not None:
            output.write(block)
            output.flush()
        seconds, cpu_s = time.monotonic() - started, time.process_time() - cpu
        record = figures(output.position(), seconds, cpu_s, _peak_mib() - memory)
        output.close()
        reader.close()
        return record | ({} if output.position() == count else {"error": f"ended at {output.position():,}"})


def _write_journal(folder: Path, count: int) -> None:
    """Entries of this moment: what is older than its expiry would cost Redis nothing."""
    folder.mkdir()
    head, tail = prefix(time.time_ns()), suffix("10.0.0.1", "collector")
    entry = b'{"level":"INFO","message":"Request %d served in 12 ms","service":"shop"}'
    lines = (head + entry % number + tail for number in range(count))
    with Segment.at(folder, 0).path.open("wb") as file:
        file.writelines(lines)  # never whole in memory: the outputs' own peak is to be seen


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def _redis_server() -> Iterator[str]:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = ["redis-server", "--bind", HOST, "--port", str(port), "--dir", folder, "--save", ""]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    if b"Ready to accept" in line:
                        break
                yield f"redis://{HOST}:{port}/0"
            finally:
                process.kill()
