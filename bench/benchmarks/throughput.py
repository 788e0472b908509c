"""Lines per second, durable and acked by Logboom, only copied by the others; on one connection or four."""

import time
from functools import partial
from typing import Final

from bench import procfs
from bench.generator import Generator
from bench.line import LINE_BYTES, shares
from bench.plan import Plan
from bench.subjects.base import Server, Subject
from bench.trial import Trial, delivered, run_trial, trial_directory

NAME: Final = "throughput"
POLL_S: Final = 0.002
STALL_S_MAX: Final = 10.0  # an output that grows no more for so long has lost lines
SETTLE_S: Final = 0.1  # what a server still does right after the last line belongs to its CPU time


def run(plan: Plan, subjects: list[Subject]) -> list[Trial]:
    """All trials. Subjects take turns, and each round starts with another one: slow drifts meet all alike."""
    trials: list[Trial] = []
    for connections in plan.connection_counts:
        for round_number in range(plan.trials):
            turn = round_number % len(subjects)
            for subject in subjects[turn:] + subjects[:turn]:
                record = _trial(plan, subject, connections, round_number)
                trials.append(record)
    return trials


def _trial(plan: Plan, subject: Subject, connections: int, round_number: int) -> Trial:
    measure = partial(_measure, plan, subject, connections)
    return run_trial(subject, measure, connections=connections, round=round_number)


def _measure(plan: Plan, subject: Subject, connections: int) -> Trial:
    lines = round(plan.lines * subject.lines_share)
    with trial_directory(plan.directory) as directory:
        with Server(subject, directory) as server:
            record = _load(server, connections, lines)
        record |= delivered(subject.verify(directory, shares(lines, connections)))
    if subject.keeps_order and record["reordered"]:
        record.setdefault("error", f"{record['reordered']:,} lines out of their connection's order")
    return record


def _load(server: Server, connections: int, lines: int) -> Trial:
    acks = server.subject.acknowledges
    with Generator("stream", port=server.port, connections=connections, lines=lines, acks=acks) as generator:
        cpu_before, busy_before = server.cpu_s(), procfs.busy_s()
        generator.go()
        done = generator.expect("done") if acks else {}
        if not acks:
            finished = _await_stored(server, lines * LINE_BYTES)
            done = {**generator.expect("done"), "finished": finished}
        time.sleep(SETTLE_S)
        server.check()
        cpu_s = server.cpu_s() - cpu_before
        others_s = procfs.busy_s() - busy_before - cpu_s - done["cpu_s"]
    seconds = done["finished"] - done["started"]
    return {
        "seconds": seconds,
        "lines_per_s": lines / seconds,
        "cpu_s_per_million": cpu_s / lines * 1e6,
        "peak_rss_mib": server.peak_rss_mib(),
        "generator_cpu_s": done["cpu_s"],
        "others_cpu_share": max(0.0, others_s) / (seconds + SETTLE_S),
        "acks": done["acks"],
    }


def _await_stored(server: Server, expected_bytes: int) -> float:
    """Time at which the last line was in the output. An output that stops growing ends the wait; see verification."""
    seen, changed = -1, time.monotonic()
    while True:
        size = server.subject.stored_bytes(server.directory)
        now = time.monotonic()
        if size >= expected_bytes:
            return now
        if size != seen:
            seen, changed = size, now
        elif now - changed > STALL_S_MAX:
            return changed
        server.check()
        time.sleep(POLL_S)
