"""Short soak test: minutes of mixed load on all protocols, in which memory and open files must not grow."""

import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from bench.plan import Plan
from bench.subjects.base import HOST, Server, Subject
from bench.subjects.everything import Everything
from bench.subjects.logboom import data_directory
from bench.trial import Trial, run_trial, trial_directory
from logboom.journal.reader import JournalReader
from logboom.prove.oracle import judge
from logboom.prove.recording_client import RecordingClient
from logboom.prove.traffic import TRAFFIC

NAME: Final = "soak"
WHAT: Final = "every protocol at once, outputs jsonl and sqlite"

POINTS: Final = 5
"""Number of measurements of memory and files; the first one follows the warm-up."""

WARM_UP_SHARE: Final = 0.2
GROWN_MIB_MAX: Final = 5.0
"""Time from the first to the last measurement. A leak of 20 bytes per entry is visible after three minutes."""

WINDOW_LINES: Final = 50
PAUSE_S: Final = 0.1
"""About 3,000 entries per second over all protocols: long-lived connections at a normal rate."""

VISIT_S: Final = 0.05
"""Pause between two short connections, which must leave nothing behind."""

_LOOKS: Final = 20
_LOOK_S: Final = 0.05
"""Samples per measurement, of which the median counts: a file that is open for a moment is no leak."""


def run(plan: Plan, subjects: list[Subject]) -> list[Trial]:
    """One long trial."""
    if not any(subject.name == "logboom" for subject in subjects):
        return []
    subject = Everything(plan.logboom)
    return [run_trial(subject, partial(_soak, plan, subject), what=WHAT, round=0)]


def _soak(plan: Plan, subject: Everything) -> Trial:
    with trial_directory(plan.directory) as directory:
        with Server(subject, directory) as server:
            subject.await_all(server)
            clients = [_client(subject, kind) for kind in TRAFFIC]
            with _visits(subject):
                for client in clients:
                    client.start()
                record = _watch(plan, server)
            for client in clients:
                client.stop()
        with closing(JournalReader(data_directory(directory) / "journal")) as reader:
            total = judge(clients, _lines(reader)).total
        written = _count_lines(directory / "all.jsonl")
    record |= {"entries": total.stored, "per_s": total.stored / plan.soak_s, "lost": total.lost}
    return record | _problem(plan, record, total.good and written == total.stored)


def _client(subject: Everything, kind: str) -> RecordingClient:
    def connect(listener: str) -> socket.socket:
        return socket.create_connection((HOST, subject.ports[listener]), timeout=30)

    window = 1 if kind == "device" else WINDOW_LINES
    return RecordingClient(TRAFFIC[kind], f"{kind}0", connect, window=window, pause_s=PAUSE_S)


@contextmanager
def _visits(subject: Everything) -> Iterator[None]:
    """Short connections to every listener, one after the other, as long as the block lasts."""
    ending = threading.Event()

    def visit() -> None:
        while not ending.is_set():
            for port in subject.ports.values():
                with socket.create_connection((HOST, port), timeout=30) as visitor:
                    visitor.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                ending.wait(VISIT_S)

    thread = threading.Thread(target=visit, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


def _watch(plan: Plan, server: Server) -> Trial:
    """Look at memory and files at `POINTS` moments."""
    warm_up_s = plan.soak_s * WARM_UP_SHARE
    started, cpu_before = time.monotonic(), server.cpu_s()
    rss_mib: list[float] = []
    files: list[int] = []
    for number in range(POINTS):
        at = warm_up_s + (plan.soak_s - warm_up_s) * number / (POINTS - 1)
        time.sleep(max(0.0, started + at - _LOOKS * _LOOK_S - time.monotonic()))
        looks = [_look(server) for _ in range(_LOOKS)]
        rss_mib.append(round(statistics.median(rss for rss, _ in looks), 2))
        files.append(min(count for _, count in looks))
        print(f"    {at:5.0f} s: RSS {rss_mib[-1]:.1f} MiB, {files[-1]} open files", flush=True)
    return {
        "seconds": plan.soak_s,
        "points_rss_mib": rss_mib,
        "points_open_files": files,
        "grown_mib": rss_mib[-1] - rss_mib[0],
        "grown_files": files[-1] - files[0],
        "peak_rss_mib": server.peak_rss_mib(),
        "cpu_share": (server.cpu_s() - cpu_before) / plan.soak_s,
    }


def _look(server: Server) -> tuple[float, int]:
    time.sleep(_LOOK_S)
    server.check()
    return server.rss_mib(), server.open_files()


def _problem(plan: Plan, record: Trial, promise_kept: bool) -> Trial:
    if not promise_kept:
        return {"error": "the oracle found a broken promise, or an output that is not complete"}
    if not plan.quick and (record["grown_mib"] > GROWN_MIB_MAX or record["grown_files"]):
        return {"error": f"grew by {record['grown_mib']:.1f} MiB and {record['grown_files']} files"}
    return {}


def _lines(reader: JournalReader) -> Iterator[bytes]:
    while (block := reader.read()) is not None:
        yield from block.data.splitlines()


def _count_lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)
