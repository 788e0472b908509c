"""`python -m bench`: measure, then write `bench/RESULTS.md` and `bench/results.json`."""

import argparse
import importlib.metadata
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from bench import procfs, report, results
from bench.benchmarks import (
    attacks,
    churn,
    cluster,
    doors,
    handling,
    live_page,
    many,
    page,
    postgres,
    protocols,
    query,
    reading,
    scraping,
    soak,
    startup,
    stop_and_wait,
    throughput,
    web,
)
from bench.plan import SUBJECT_NAMES, Plan, quick
from bench.results import Run
from bench.subjects.base import Subject
from bench.trial import Trial, usable

FOLDER: Final = Path(__file__).resolve().parent
BENCHMARKS: Final[dict[str, Callable[[Plan, list[Subject]], list[Trial]]]] = {
    throughput.NAME: throughput.run,
    stop_and_wait.NAME: stop_and_wait.run,
    many.NAME: many.run,
    startup.STARTUP: startup.run_startup,
    startup.RECOVERY: startup.run_recovery,
    protocols.NAME: protocols.run,
    doors.NAME: doors.run,
    web.NAME: web.run,
    postgres.NAME: postgres.run,
    handling.NAME: handling.run,
    scraping.NAME: scraping.run,
    reading.NAME: reading.run,
    query.NAME: query.run,
    page.NAME: page.run,
    live_page.NAME: live_page.run,
    churn.NAME: churn.run,
    attacks.NAME: attacks.run,
    cluster.NAME: cluster.run,
    soak.NAME: soak.run,
}
COMPARING: Final = frozenset({throughput.NAME})
"""Benchmarks that measure the other servers too."""


def _names(known: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    def parse(text: str) -> tuple[str, ...]:
        names = tuple(name.strip() for name in text.split(",") if name.strip())
        if unknown := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(f"unknown {', '.join(unknown)}; known are {', '.join(known)}")
        return names

    return parse


def _positive(text: str) -> int:
    if not text.replace("_", "").isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}, expected a whole number from 1 on")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    benchmarks = _names(tuple(BENCHMARKS))
    parser.add_argument("--trials", type=_positive, default=5, help="trials a subject (default 5)")
    parser.add_argument(
        "--lines", type=_positive, default=2_000_000, help="lines a throughput trial (default 2,000,000)"
    )
    parser.add_argument(
        "--only", type=benchmarks, default=(), metavar="NAME,…", help=f"of {', '.join(BENCHMARKS)}"
    )
    subjects = _names(SUBJECT_NAMES)
    parser.add_argument(
        "--subjects", type=subjects, default=(), metavar="NAME,…", help=f"of {', '.join(SUBJECT_NAMES)}"
    )
    parser.add_argument("--soak-minutes", type=float, default=3.0, help="how long the soak lasts (default 3)")
    parser.add_argument("--quick", action="store_true", help="a smoke test that writes nothing")
    parser.add_argument("--no-write", action="store_true", help="print the page instead of writing it")
    parser.add_argument("--logboom", type=Path, help="the logboom program (default: the one of this Python)")
    parser.add_argument(
        "--directory", type=Path, default=Path(tempfile.gettempdir()), help="where trials keep their data"
    )
    return parser


def _plan(options: argparse.Namespace) -> Plan:
    plan = Plan(
        directory=options.directory,
        logboom=options.logboom,
        subjects=options.subjects,
        trials=options.trials,
        lines=options.lines,
        soak_s=options.soak_minutes * 60,
    )
    return quick(plan) if options.quick else plan


def _command(options: argparse.Namespace) -> str:
    """The command as it can be repeated: without paths of this machine."""
    parts = ["python -m bench", f"--trials {options.trials}", f"--lines {options.lines}"]
    parts += [f"--only {','.join(options.only)}"] if options.only else []
    parts += [f"--subjects {','.join(options.subjects)}"] if options.subjects else []
    return " ".join(parts + (["--quick"] if options.quick else []))


def _measure(name: str, plan: Plan, subjects: list[Subject], skipped: dict[str, str], command: str) -> Run:
    measured = [subject for subject in subjects if name in COMPARING or subject.acknowledges]
    print(f"{name}:", flush=True)
    libraries = {library: importlib.metadata.version(library) for library in ("uvloop", "msgspec")}
    return Run(
        date=time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
        command=command,
        quick=plan.quick,
        machine=procfs.machine(plan.directory) | libraries,
        versions={subject.name: subject.version() for subject in measured},
        described={subject.name: subject.described() for subject in measured},
        skipped=skipped
        if name in COMPARING
        else {key: why for key, why in skipped.items() if key == report.OURS},
        trials=BENCHMARKS[name](plan, measured) if measured else [],
    )


def main() -> int:
    """Run what was asked for. Exit code 1 when a trial was rejected."""
    options = _parser().parse_args()
    if platform.system() != "Linux":
        print("the benchmark reads /proc and uses epoll: Linux only", file=sys.stderr)
        return 2
    plan = _plan(options)
    if procfs.file_system(plan.directory) == "tmpfs":
        print(
            "⚠️  the trials' directory is in memory: fdatasync costs nothing there; see --directory",
            flush=True,
        )
    subjects, skipped = usable(plan.all_subjects())
    command = _command(options)
    fresh: dict[str, Run] = {}
    for name in options.only or BENCHMARKS:
        fresh[name] = _measure(name, plan, subjects, skipped, command)
    runs = fresh if options.no_write or options.quick else results.load(FOLDER) | fresh
    runs = {name: runs[name] for name in BENCHMARKS if name in runs}
    page = report.render(runs, replace(plan, subjects=()))
    if options.no_write or options.quick:
        print(page)
    else:
        results.save(FOLDER, runs)
        (FOLDER / "RESULTS.md").write_text(page, encoding="utf-8")
        print("written: bench/RESULTS.md, bench/results.json")
    return 1 if any(run.rejected() for run in fresh.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
