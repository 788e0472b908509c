"""Cap'n Proto and gRPC: stored messages per second, compared with the bare libraries."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from bench import rpc_load
from bench.plan import Plan
from bench.subjects.base import HOST, Server, Subject
from bench.subjects.empty_grpc import EmptyGrpc
from bench.subjects.listener import LogboomListener
from bench.trial import Trial, run_trial, trial_directory
from logboom.clients.wire.capnp_dialect import CapnpDialect
from logboom.formats.capnp_entry import TEXTS
from logboom.formats.capnp_schemas import schemas

NAME: Final = "protocols"
CAPNP: Final = "Cap'n Proto, stored, one connection, server on one core"
BY_ATTRIBUTE: Final = "Cap'n Proto, bare decode, by attribute"
BY_HANDLE: Final = "Cap'n Proto, bare decode, by field handle"
UNARY: Final = "gRPC unary, 64 in flight"
STREAM: Final = "gRPC LogStream, a response an entry"
BATCHES: Final = "gRPC LogBatches, 100 entries a batch"

_BLOCK: Final = 10_000  # different messages, sent repeatedly
_RPC_S: Final = 2.0


def run(plan: Plan, subjects: list[Subject]) -> list[Trial]:
    """All trials, alternating; the bare libraries are subjects of their own."""
    if not any(subject.name == "logboom" for subject in subjects):
        return []
    trials: list[Trial] = []
    for number in range(plan.trials):
        for subject, what, measure in _cases(plan):
            trials.append(run_trial(subject, measure, what=what, round=number))
    return trials


def _cases(plan: Plan) -> list[tuple[Subject, str, Callable[[], Trial]]]:
    capnp, grpc, empty = (
        LogboomListener("capnp", plan.logboom),
        LogboomListener("grpc", plan.logboom),
        EmptyGrpc(),
    )
    bare = _BarePycapnp()
    messages = plan.lines // 4
    return [
        (capnp, CAPNP, partial(_capnp, plan, capnp, messages)),
        (bare, BY_ATTRIBUTE, partial(_bare, messages // 5, by_handle=False)),
        (bare, BY_HANDLE, partial(_bare, messages // 5, by_handle=True)),
        (empty, UNARY, partial(_rpc, plan, empty, rpc_load.unary)),
        (grpc, UNARY, partial(_rpc, plan, grpc, rpc_load.unary)),
        (empty, STREAM, partial(_rpc, plan, empty, rpc_load.stream)),
        (grpc, STREAM, partial(_rpc, plan, grpc, rpc_load.stream)),
        (grpc, BATCHES, partial(_rpc, plan, grpc, rpc_load.batches)),
    ]


class _BarePycapnp(EmptyGrpc):
    """A name for what runs in this process."""

    name = "pycapnp"
    title = "bare pycapnp"


def _frames() -> list[bytes]:
    """Frames with all fifteen texts set."""
    fixed = {name: f"{name} of the app" for name in TEXTS}
    return [
        CapnpDialect.encode_fields({**fixed, "level": 3, "message": f"Processing {n}"}) for n in range(_BLOCK)
    ]


def _capnp(plan: Plan, subject: LogboomListener, messages: int) -> Trial:
    rounds = max(1, messages // _BLOCK)
    block = b"".join(_frames())
    with trial_directory(plan.directory) as directory:
        with on_core(0), Server(subject, directory) as server, on_core(1):
            cpu_before, started = server.cpu_s(), time.monotonic()
            _send(server.port, block, rounds)
            seconds, cpu_s = time.monotonic() - started, server.cpu_s() - cpu_before
            peak = server.peak_rss_mib()
        return stored_figures(subject, directory, rounds * _BLOCK, seconds, cpu_s, peak)


def _send(port: int, block: bytes, rounds: int) -> None:
    """Send, say that no more comes, and wait for the close: it comes after the last commit."""
    with socket.create_connection((HOST, port), timeout=60) as connection:
        for _ in range(rounds):
            connection.sendall(block)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass


def _bare(messages: int, *, by_handle: bool) -> Trial:
    packed = [frame[4:] for frame in _frames()]
    reader = schemas().logger.LoggerMsg
    fields = list(reader.schema.fields.values())
    names = list(reader.schema.fields)
    started = time.process_time()
    for number in range(messages):
        message = reader.from_bytes_packed(packed[number % _BLOCK])
        if by_handle:
            get = message._get_by_field  # noqa: SLF001 - pycapnp's own fast way
            [get(field) for field in fields]
        else:
            [getattr(message, name) for name in names]
    seconds = time.process_time() - started
    return {"per_s": messages / seconds, "cpu_s_per_million": seconds / messages * 1e6}


def _rpc(plan: Plan, subject: Subject, scenario: Any) -> Trial:
    with trial_directory(plan.directory) as directory:
        with Server(subject, directory) as server:
            cpu_before = server.cpu_s()
            answered, seconds = rpc_load.run(scenario, server.port, _RPC_S)
            cpu_s, peak = server.cpu_s() - cpu_before, server.peak_rss_mib()
        if isinstance(subject, LogboomListener):
            return stored_figures(subject, directory, answered, seconds, cpu_s, peak)
        return figures(answered, seconds, cpu_s, peak)


def stored_figures(
    subject: LogboomListener, directory: Any, expected: int, seconds: float, cpu_s: float, peak: float
) -> Trial:
    """The figures; the journal must hold at least what was answered (warm-ups come on top)."""
    stored = subject.stored_lines(directory)
    record = figures(expected, seconds, cpu_s * expected / max(1, stored), peak) | {"stored": stored}
    return record | ({} if stored >= expected else {"error": f"{expected:,} answered, {stored:,} stored"})


def figures(count: int, seconds: float, cpu_s: float, peak: float) -> Trial:
    """Common part of the trials with messages."""
    return {"per_s": count / seconds, "cpu_s_per_million": cpu_s / count * 1e6, "peak_rss_mib": peak}


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Children started inside stay on that core, and so does this process as long as it lasts."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core} & before or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
