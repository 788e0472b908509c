"""The cost of a record for an application that logs through `LogboomHandler`, with and without a server."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Final

from bench.plan import Plan
from bench.subjects.base import HOST, Server, ServerError, Subject
from bench.subjects.logboom_scraped import LogboomScraped
from bench.trial import Trial, run_trial, trial_directory
from logboom.testing.ports import free_port

NAME: Final = "handler"
THERE: Final = "the server is there"
AWAY: Final = "the server is away"
_RECORDS_MAX: Final = 100_000
"""A spool of 64 MiB takes them all while the server is away."""
_LOAD_S_MAX: Final = 120.0


def run(plan: Plan, subjects: list[Subject]) -> list[Trial]:
    """All trials, alternating."""
    if not any(subject.name == "logboom" for subject in subjects):
        return []
    subject = LogboomScraped(plan.logboom)
    measured = {THERE: partial(_there, plan, subject), AWAY: partial(_away, plan)}
    return [
        run_trial(subject, measure, what=what, round=number)
        for number in range(plan.trials)
        for what, measure in measured.items()
    ]


def _there(plan: Plan, subject: LogboomScraped) -> Trial:
    with trial_directory(plan.directory) as directory, Server(subject, directory):
        return _load(plan, subject.http_port, directory)


def _away(plan: Plan) -> Trial:
    with trial_directory(plan.directory) as directory:
        return _load(plan, free_port(), directory)


def _load(plan: Plan, port: int, directory: Path) -> Trial:
    records = min(plan.lines, _RECORDS_MAX)
    command = [sys.executable, "-m", "bench.handler_load", f"http://{HOST}:{port}", str(directory / "spool")]
    done = subprocess.run(
        [*command, str(records)], capture_output=True, text=True, timeout=_LOAD_S_MAX, check=False
    )
    if done.returncode:
        raise ServerError(f"the application failed: {done.stderr[-200:]}")
    figures: Trial = json.loads(done.stdout)
    return figures
