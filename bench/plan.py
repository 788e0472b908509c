"""Plan of a run: the benchmarks and their sizes."""

from dataclasses import dataclass, field
from pathlib import Path

from bench.subjects.base import Subject
from bench.subjects.logboom import Logboom
from bench.subjects.rsyslog import Rsyslog, RsyslogJson
from bench.subjects.syslogng import SyslogNg, SyslogNgJson


@dataclass(frozen=True, slots=True)
class Plan:
    """The sizes of a run; the defaults are what `bench/RESULTS.md` shows."""

    directory: Path
    """Trials get directories of their own in here; on a real disk, for fdatasync to mean something."""
    logboom: Path | None = None
    """The `logboom` program; None: the one of this Python."""
    subjects: tuple[str, ...] = ()
    """Names of the subjects to measure; empty is all."""
    trials: int = 5
    lines: int = 2_000_000
    connection_counts: tuple[int, ...] = (1, 4)
    wait_connections: int = 64
    wait_s: float = 5.0
    many_connections: int = 10_000
    many_warm_up_s: float = 5.0
    many_s: float = 15.0
    journal_bytes: int = 1 << 30
    churn_per_s: int = 1000
    churn_s: float = 15.0
    dribblers: int = 2000
    long_line_bytes: int = 1 << 30
    attack_s: float = 8.0
    soak_s: float = 180.0
    live_s: float = 60.0
    quick: bool = field(default=False)

    def all_subjects(self) -> list[Subject]:
        """Every subject that was asked for, Logboom first."""
        known = [Logboom(self.logboom), Rsyslog(), RsyslogJson(), SyslogNg(), SyslogNgJson()]
        return [subject for subject in known if not self.subjects or subject.name in self.subjects]


SUBJECT_NAMES = tuple(kind.name for kind in (Logboom, Rsyslog, RsyslogJson, SyslogNg, SyslogNgJson))


def quick(plan: Plan) -> Plan:
    """A smoke test of the benchmark itself: seconds instead of minutes, and figures that say little."""
    return Plan(
        directory=plan.directory,
        logboom=plan.logboom,
        subjects=plan.subjects,
        trials=min(plan.trials, 2),
        lines=min(plan.lines, 200_000),
        connection_counts=plan.connection_counts,
        wait_s=1.0,
        many_connections=500,
        many_warm_up_s=1.0,
        many_s=2.0,
        journal_bytes=64 << 20,
        churn_per_s=200,
        churn_s=2.0,
        dribblers=200,
        long_line_bytes=64 << 20,
        attack_s=1.5,
        soak_s=15.0,
        live_s=5.0,
        quick=True,
    )
