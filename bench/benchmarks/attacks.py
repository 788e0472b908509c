"""Attacks, one after the other, each on a separate server, with one well-behaved client in parallel."""

import threading
from functools import partial
from typing import Final

from bench import attack_kinds
from bench.attack_kinds import Attack, AttackError
from bench.benchmarks.churn import endless_line
from bench.generator import Generator
from bench.plan import Plan
from bench.subjects.base import Server, ServerError, Subject
from bench.subjects.everything import Everything
from bench.trial import Trial, run_trial, trial_directory

NAME: Final = "attacks"
NOBODY: Final = "(nobody attacks)"
LORIS: Final = "slow-loris"
ENDLESS: Final = "endless line"

ATTACKS: Final[dict[str, Attack]] = {
    **{
        f"garbage flood on {listener}": partial(attack_kinds.garbage_flood, listener)
        for listener in ("device", "collector", "gateway", "capnp", "grpc", "http")
    },
    "gzip and zstd bombs": attack_kinds.gzip_bomb,
    "deep JSON": attack_kinds.deep_json,
    "header flood": attack_kinds.header_flood,
    "pickle on capnp": attack_kinds.pickle_on_capnp,
    "oversize frames": attack_kinds.oversize_frames,
    "cross-origin POST and WebSocket": attack_kinds.cross_origin,
    "path traversal on /static/": attack_kinds.path_traversal,
    "wrong tokens": attack_kinds.wrong_tokens,
    "a web page's POST to the TCP ports": attack_kinds.foreign_page,
    "logins without a body": attack_kinds.silent_logins,
    "half TLS handshakes": attack_kinds.half_handshakes,
    "gRPC calls that bring nothing": attack_kinds.silent_calls,
}

GROWN_MIB_MAX: Final = 128.0
"""Limit for the memory of the server under attack; the limits of its buffers add up to less."""

ROUNDS_S_MIN: Final = 1.0
"""Shortest run of the well-behaved client, also with an attack that ends at once."""


def run(plan: Plan, subjects: list[Subject]) -> list[Trial]:
    """Each attack once."""
    if not any(subject.name == "logboom" for subject in subjects):
        return []
    subject = Everything(plan.logboom)
    cases = {
        NOBODY: partial(_beside, plan, subject, lambda _subject, _seconds: "-"),
        **{name: partial(_beside, plan, subject, attack) for name, attack in ATTACKS.items()},
        LORIS: partial(_loris, plan, subject),
        ENDLESS: partial(_endless, plan, subject),
    }
    return [run_trial(subject, measure, what=what, round=0) for what, measure in cases.items()]


def _beside(plan: Plan, subject: Everything, attack: Attack) -> Trial:
    """Attack from a thread of this process; the honest client is a process of its own."""
    told: list[str | Exception] = []

    def strike() -> None:
        try:
            told.append(attack(subject, plan.attack_s))
        except (AttackError, OSError, ValueError) as error:
            told.append(error)

    with trial_directory(plan.directory) as directory:
        with Server(subject, directory) as server:
            subject.await_all(server)
            rss_mib = server.rss_mib()
            with Generator("honest", port=server.port, duration_s=max(ROUNDS_S_MIN, plan.attack_s)) as honest:
                thread = threading.Thread(target=strike, daemon=True)
                honest.go()
                thread.start()
                done = honest.expect("done")
                thread.join()
            server.check()
            record = _figures(server, rss_mib, done)
        stored = subject.stored_lines(directory)
    [result] = told
    if isinstance(result, Exception):
        return record | {"error": f"{type(result).__name__}: {result}"}
    if stored != done["lines"]:
        return record | {
            "error": f"{stored:,} entries stored, of which {done['lines']:,} are the honest client's"
        }
    if record["grown_mib"] > GROWN_MIB_MAX:
        return record | {"error": f"the server grew by {record['grown_mib']:.0f} MiB"}
    return record | {"result": result}


def _loris(plan: Plan, subject: Everything) -> Trial:
    """Connections that dribble on `device` and on `http`."""
    with trial_directory(plan.directory) as directory, Server(subject, directory) as server:
        subject.await_all(server)
        rss_mib, half = server.rss_mib(), max(1, plan.dribblers // 2)
        seconds = plan.attack_s + 1
        with (
            Generator("honest", port=server.port, duration_s=plan.attack_s) as honest,
            Generator("dribble", port=server.port, connections=half, duration_s=seconds) as lines,
            Generator("dribble", port=subject.ports["http"], connections=half, duration_s=seconds) as heads,
        ):
            for generator in (lines, heads, honest):
                generator.go()
            done = honest.expect("done")
            lines.expect("done")
            heads.expect("done")
        record = _figures(server, rss_mib, done)
    return record | {"result": f"{2 * half:,} connections dribble, everybody else is served"}


def _endless(plan: Plan, subject: Everything) -> Trial:
    with trial_directory(plan.directory) as directory, Server(subject, directory) as server:
        subject.await_all(server)
        rss_mib = server.rss_mib()
        with Generator("honest", port=server.port, duration_s=ROUNDS_S_MIN) as honest:
            honest.go()
            found = endless_line(server, plan.long_line_bytes)
            done = honest.expect("done")
        record = _figures(server, rss_mib, done)
    size = f"{plan.long_line_bytes >> 20:,} MiB at {found['mib_per_s']:,.0f} MiB/s"
    return record | {"result": f"{size} thrown away, the next good line is acknowledged"}


def _figures(server: Server, rss_mib: float, done: Trial) -> Trial:
    if not done["lines"]:
        raise ServerError("the honest client got no ack")
    return {
        "acks": done["lines"],
        "p50_ms": done["p50_ms"],
        "p99_ms": done["p99_ms"],
        "max_ms": done["max_ms"],
        "peak_rss_mib": server.peak_rss_mib(),
        "grown_mib": server.peak_rss_mib() - rss_mib,
    }
