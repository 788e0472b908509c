"""Ten thousand connections, one line a second each: the server's CPU and memory, and the acks' latency."""

from functools import partial
from typing import Final

from bench.generator import Generator
from bench.plan import Plan
from bench.subjects.base import Server, ServerError, Subject
from bench.trial import Trial, delivered, run_trial, trial_directory

NAME: Final = "many-connections"


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
        with Server(subject, directory) as server:
            record = _load(plan, server)
        record |= delivered(subject.verify(directory, [(0, record["lines"])]))
    if record["acks"] != record["lines"]:
        raise ServerError(f"{record['acks']:,} acks for {record['lines']:,} lines")
    return record


def _load(plan: Plan, server: Server) -> Trial:
    with Generator(
        "many",
        port=server.port,
        connections=plan.many_connections,
        warm_up_s=plan.many_warm_up_s,
        duration_s=plan.many_s,
    ) as generator:
        generator.go()
        start = generator.expect("window_start")
        cpu_before = server.cpu_s()
        end = generator.expect("window_end")
        cpu_s = server.cpu_s() - cpu_before
        rss_mib = server.rss_mib()
        done = generator.expect("done")
    seconds = end["at"] - start["at"]
    return {
        "connections": plan.many_connections,
        "seconds": seconds,
        "lines": done["lines"],
        "acks": done["acks"],
        "cpu_share": cpu_s / seconds,
        "rss_mib": rss_mib,
        "peak_rss_mib": server.peak_rss_mib(),
        "connect_s": done["connect_s"],
        "send_late_ms_max": done["late_ms_max"],
        "generator_cpu_share": done["cpu_s"] / seconds,
        **{key: done[key] for key in done if key.startswith("p") or key == "max_ms"},
    }
