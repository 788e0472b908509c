"""Demanding clients: a thousand connections per second, slow senders, and a line without an end."""

import time
from collections.abc import Callable
from functools import partial
from typing import Final

from bench.generator import Generator
from bench.line import ACK, line
from bench.load import connect
from bench.plan import Plan
from bench.subjects.base import Server, ServerError, Subject
from bench.trial import Trial, delivered, run_trial, trial_directory

NAME: Final = "churn"
VISITORS: Final = "{:,} connections a second: open, one line, its ack, close"
QUIET: Final = "one honest client, alone"
DRIBBLED: Final = "the same beside {:,} connections that send a byte a second"
ENDLESS: Final = "a line of {:,} MiB, then a good one"

_PIECE: Final = b"x" * (1 << 20)
_ANSWER_S_MAX: Final = 60.0


def run(plan: Plan, subjects: list[Subject]) -> list[Trial]:
    """All trials, alternating; only subjects that acknowledge can be asked."""
    return [
        run_trial(subject, measure, what=what, round=number)
        for number in range(plan.trials)
        for subject in subjects
        if subject.acknowledges
        for what, measure in _cases(plan, subject)
    ]


def _cases(plan: Plan, subject: Subject) -> list[tuple[str, Callable[[], Trial]]]:
    return [
        (VISITORS.format(plan.churn_per_s), partial(_visitors, plan, subject)),
        (QUIET, partial(_honest, plan, subject, 0)),
        (DRIBBLED.format(plan.dribblers), partial(_honest, plan, subject, plan.dribblers)),
        (ENDLESS.format(plan.long_line_bytes >> 20), partial(_endless, plan, subject)),
    ]


def _visitors(plan: Plan, subject: Subject) -> Trial:
    with trial_directory(plan.directory) as directory:
        with (
            Server(subject, directory) as server,
            Generator(
                "churn", port=server.port, per_s=plan.churn_per_s, duration_s=plan.churn_s
            ) as generator,
        ):
            cpu_before = server.cpu_s()
            generator.go()
            done = generator.expect("done")
            record = _figures(server, cpu_before, done, done["seconds"])
        record |= {"per_s": done["lines"] / done["seconds"], "send_late_ms_max": done["late_ms_max"]}
        return record | delivered(subject.verify(directory, [(0, done["lines"])]))


def _honest(plan: Plan, subject: Subject, dribblers: int) -> Trial:
    with trial_directory(plan.directory) as directory:
        with (
            Server(subject, directory) as server,
            Generator("honest", port=server.port, duration_s=plan.attack_s) as honest,
            Generator(
                "dribble", port=server.port, connections=max(1, dribblers), duration_s=plan.attack_s + 1
            ) as others,
        ):
            if dribblers:
                others.go()
            cpu_before = server.cpu_s()
            honest.go()
            done = honest.expect("done")
            record = _figures(server, cpu_before, done, plan.attack_s)
        return record | delivered(subject.verify(directory, [(0, done["lines"])]))


def _figures(server: Server, cpu_before: float, done: Trial, seconds: float) -> Trial:
    return {
        "seconds": seconds,
        "acks": done["lines"],
        "cpu_share": (server.cpu_s() - cpu_before) / seconds,
        "peak_rss_mib": server.peak_rss_mib(),
        **{key: done[key] for key in done if key.startswith("p") and key.endswith("_ms")},
    }


def _endless(plan: Plan, subject: Subject) -> Trial:
    with trial_directory(plan.directory) as directory:
        with Server(subject, directory) as server:
            record = endless_line(server, plan.long_line_bytes)
        return record | delivered(subject.verify(directory, [(0, 2)]))


def endless_line(server: Server, size: int) -> Trial:
    """A good line, a far too long one, a good one, on one connection: two acks, and memory that stays flat.

    Raises:
        ServerError: other answers came.
    """
    with connect(server.port) as connection:
        connection.settimeout(_ANSWER_S_MAX)
        connection.sendall(line(0))
        _expect_ack(connection.recv(1024))
        rss_mib, started = server.rss_mib(), time.monotonic()
        for _ in range(size // len(_PIECE)):
            connection.sendall(_PIECE)
        connection.sendall(b"\n" + line(1))
        _expect_ack(connection.recv(1024))
        seconds = time.monotonic() - started
    return {
        "seconds": seconds,
        "mib_per_s": (size >> 20) / seconds,
        "acks": 2,
        "peak_rss_mib": server.peak_rss_mib(),
        "grown_mib": server.peak_rss_mib() - rss_mib,
    }


def _expect_ack(reply: bytes) -> None:
    if reply != ACK:
        raise ServerError(f"expected one ack, found {reply!r}")
