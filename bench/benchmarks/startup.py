"""Time from exec to the first accepted connection and the first ack: with no data, and after a crash."""

import math
import os
import shutil
import socket
import time
from functools import partial
from pathlib import Path
from typing import Final

from bench.generator import Generator
from bench.line import ACK, LINE_BYTES, line
from bench.plan import Plan
from bench.subjects.base import HOST, Server, ServerError, Subject
from bench.subjects.logboom import Logboom, data_directory
from bench.trial import Trial, delivered, run_trial, trial_directory

STARTUP: Final = "startup"
RECOVERY: Final = "recovery"

ENVELOPE_BYTES: Final = 100  # received_at, source and listener around an entry
ACK_S_MAX: Final = 10.0

AS_KILLED: Final = "killed, last line torn"
NO_INDEX: Final = "the same, index files deleted"
COLD: Final = "the same as the first, not in the page cache"


def run_startup(plan: Plan, subjects: list[Subject]) -> list[Trial]:
    """Start on an empty data directory."""
    return [
        run_trial(subject, partial(_start_empty, plan, subject), round=round_number)
        for round_number in range(plan.trials)
        for subject in subjects
        if isinstance(subject, Logboom)
    ]


def run_recovery(plan: Plan, subjects: list[Subject]) -> list[Trial]:
    """Start on copies of a journal that a killed server left, in several states."""
    trials: list[Trial] = []
    for subject in subjects:
        if isinstance(subject, Logboom):
            with trial_directory(plan.directory) as original:
                trials += _recoveries(plan, subject, original)
    return trials


def _start_empty(plan: Plan, subject: Subject) -> Trial:
    with trial_directory(plan.directory) as directory:
        with Server(subject, directory) as server:
            record = _first_ack(server, 0)
        return record | delivered(subject.verify(directory, [(0, 1)]))


def _recoveries(plan: Plan, subject: Logboom, original: Path) -> list[Trial]:
    lines = math.ceil(plan.journal_bytes / (LINE_BYTES + ENVELOPE_BYTES))
    filled = run_trial(subject, partial(_fill, subject, original, lines), state="filled, then killed")
    if "error" in filled:
        return [filled]
    return [
        run_trial(
            subject, partial(_recover, plan, subject, original, lines, state), state=state, round=round_number
        )
        for round_number in range(plan.trials)
        for state in (AS_KILLED, NO_INDEX, COLD)
    ]


def _fill(subject: Logboom, original: Path, lines: int) -> Trial:
    """Let the server itself write the journal, then kill it: no clean stop, nothing sealed in good order."""
    with Server(subject, original) as server:
        with Generator("stream", port=server.port, connections=1, lines=lines, acks=True) as generator:
            generator.go()
            generator.expect("done")
        server.kill()
    newest = subject.stored(original)[-1]
    with newest.open("rb") as file:
        torn = file.readline()[: LINE_BYTES // 2]
    with newest.open("ab") as file:
        file.write(torn)
    return {"lines": lines, "journal_mib": subject.stored_bytes(original) / 2**20}


def _recover(plan: Plan, subject: Logboom, original: Path, lines: int, state: str) -> Trial:
    with trial_directory(plan.directory) as directory:
        shutil.copytree(data_directory(original), data_directory(directory))
        size = subject.stored_bytes(directory)
        journal = data_directory(directory) / "journal"
        if state == NO_INDEX:
            _remove_others(journal, set(subject.stored(directory)))
        _settle(journal, evict=state == COLD)
        with Server(subject, directory) as server:
            record = _first_ack(server, lines)
        record["journal_mib"] = size / 2**20
        return record | delivered(subject.verify(directory, [(0, lines + 1)]))


def _remove_others(folder: Path, kept: set[Path]) -> None:
    for path in folder.iterdir():
        if path.is_file() and path not in kept:
            path.unlink()


def _settle(folder: Path, *, evict: bool) -> None:
    """Have the copy on disk, as the killed server had its journal: else the server waits for our pages.

    Args:
        folder: what holds the files.
        evict: have them read from disk next time; the kernel drops clean pages on request, without root.
    """
    for path in folder.iterdir():
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                if evict:
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _first_ack(server: Server, index: int) -> Trial:
    """Send one line and await its ack: a listener that can't store yet is not ready."""
    with socket.create_connection((HOST, server.port), timeout=ACK_S_MAX) as connection:
        connection.sendall(line(index))
        reply = connection.recv(64)
    if reply != ACK:
        raise ServerError(f"expected one ack, found {reply!r}")
    return {
        "listening_s": server.listening_s,
        "first_ack_s": time.monotonic() - server.started,
        "cpu_s": server.cpu_s(),
        "peak_rss_mib": server.peak_rss_mib(),
    }
