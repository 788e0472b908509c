"""Common part of all trials: a separate directory, a record, and recorded errors."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.generator import GeneratorError
from bench.subjects.base import ServerError, Subject, UnavailableError
from bench.verify import Delivery

Trial = dict[str, Any]
"""Raw figures of one trial, as results.json keeps them. `error` is there when the trial is rejected."""


def delivered(delivery: Delivery) -> Trial:
    """Result of the verification; a missing, extra or repeated line rejects the trial."""
    record: Trial = {
        "lines": delivery.expected,
        "delivered": delivery.delivered,
        "reordered": delivery.reordered,
    }
    problem = delivery.problem()
    return record | ({} if problem is None else {"error": problem})


@contextmanager
def trial_directory(parent: Path) -> Iterator[Path]:
    """Temporary directory, deleted afterwards with all files that a server wrote into it or next to it."""
    outer = Path(tempfile.mkdtemp(prefix="logboom-bench-", dir=parent))
    inner = outer / "trial"
    inner.mkdir()
    try:
        yield inner
    finally:
        shutil.rmtree(outer, ignore_errors=True)


def run_trial(subject: Subject, measure: Callable[[], Trial], **labels: Any) -> Trial:
    """Record of one trial with its labels; a failure is stored in it and printed at once."""
    record: Trial = {"subject": subject.name, **labels}
    try:
        record.update(measure())
    except (ServerError, GeneratorError) as error:
        record["error"] = f"{type(error).__name__}: {error}"
    except OSError as error:  # without the path it may name: results are published
        record["error"] = f"{type(error).__name__}: {error.strerror or error}"
    shown = ", ".join(f"{key} {_short(value)}" for key, value in record.items() if key != "subject")
    print(f"  {subject.name}: {shown}", flush=True)
    return record


def usable(subjects: list[Subject]) -> tuple[list[Subject], dict[str, str]]:
    """The subjects that can be measured here, and why the others can't."""
    ready: list[Subject] = []
    skipped: dict[str, str] = {}
    for subject in subjects:
        try:
            subject.prepare()
        except UnavailableError as reason:
            skipped[subject.name] = str(reason)
            print(f"  {subject.name} is skipped: {reason}", flush=True)
        else:
            ready.append(subject)
    return ready, skipped


def _short(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
