"""Acks a second when each of 64 connections sends one line, awaits its ack, and sends the next."""

from functools import partial
from typing import Final

from bench.generator import Generator
from bench.plan import Plan
from bench.subjects.base import Server, Subject
from bench.trial import Trial, delivered, run_trial, trial_directory

NAME: Final = "stop-and-wait"


def run(plan: Plan, subjects: list[Subject]) -> list[Trial]:
    """All trials; only subjects that acknowledge can be asked."""
    return [
        run_trial(subject, partial(_measure, plan, subject), round=round_number)
        for round_number in range(plan.trials)
        for subject in subjects
        if subject.acknowledges
    ]


def _measure(plan: Plan, subject: Subject) -> Trial:
    with trial_directory(plan.directory) as directory:
        with (
            Server(subject, directory) as server,
            Generator(
                "stop-and-wait", port=server.port, connections=plan.wait_connections, duration_s=plan.wait_s
            ) as generator,
        ):
            cpu_before = server.cpu_s()
            generator.go()
            done = generator.expect("done")
            cpu_s = server.cpu_s() - cpu_before
            peak = server.peak_rss_mib()
        return _record(plan, done, cpu_s, peak) | delivered(subject.verify(directory, [(0, done["lines"])]))


def _record(plan: Plan, done: Trial, cpu_s: float, peak_rss_mib: float) -> Trial:
    seconds = done["finished"] - done["started"]
    return {
        "connections": plan.wait_connections,
        "seconds": seconds,
        "acks": done["acks"],
        "acks_per_s": done["acks"] / seconds,
        "cpu_s_per_million": cpu_s / done["acks"] * 1e6,
        "peak_rss_mib": peak_rss_mib,
        "generator_cpu_share": done["cpu_s"] / seconds,
        **{key: done[key] for key in done if key.endswith("_ms")},
    }
