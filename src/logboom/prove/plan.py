"""Plan, progress and results of `logboom prove`."""

from dataclasses import dataclass, field
from typing import NamedTuple

from logboom.prove.follow import STORE_ONCE, FollowTally
from logboom.prove.oracle import Judgement, Tally
from logboom.prove.server import Disasters
from logboom.prove.traffic import TRAFFIC


@dataclass(frozen=True)
class Plan:
    """Plan of a run."""

    seconds: float
    """Duration of the load, without the verification."""
    seed: int
    """Seed of all choices. The timing also depends on the machine, so that a run is not repeated exactly."""
    pause_s: tuple[float, float] = (0.1, 1.5)
    """Shortest and longest pause between two disasters."""
    kills_min: int = 1
    """Smallest number of kills per chapter."""
    kinds: tuple[str, ...] = tuple(TRAFFIC)
    """Protocols of the recording clients."""
    follows: int = 1
    """Number of schedules of followed files after the chapters, in addition to `seconds`."""


class Progress(NamedTuple):
    """Progress of a run."""

    stage: str
    elapsed_s: float
    acked: int
    disasters: Disasters
    faulty: int


@dataclass
class Proof:
    """Results of a run."""

    plan: Plan
    judgement: Judgement = field(default_factory=Judgement)
    disasters: Disasters = field(default_factory=Disasters)
    faulty: int = 0
    """Number of connections of faulty clients."""
    problems: list[str] = field(default_factory=list)
    """Problems other than wrong entries."""
    load_s: float = 0.0
    chapters: int = 0
    follows: dict[str, FollowTally] = field(default_factory=dict)
    """Lines of followed files, per protocol."""
    without: list[str] = field(default_factory=list)
    """Disasters that this system does not support."""

    @property
    def kept(self) -> bool:
        """True if no rule was violated so far."""
        followed = all(
            not tally.lost and not (tally.doubled and protocol in STORE_ONCE)
            for protocol, tally in self.follows.items()
        )
        return self.judgement.good and not self.problems and followed

    @property
    def silent(self) -> list[str]:
        """Protocols without a result: no answer, or, for those without answers, no stored entry."""
        tallies = {kind: self.judgement.kinds.get(kind, Tally()) for kind in self.plan.kinds}
        return [
            kind
            for kind, tally in tallies.items()
            if not (tally.acked if TRAFFIC[kind].answers else tally.stored)
        ]

    @property
    def good(self) -> bool:
        """True if no rule was violated, and each protocol had a result."""
        return self.kept and not self.silent

    @property
    def entries_per_s(self) -> float:
        """Stored entries per second of load, including disasters and recoveries."""
        return self.judgement.total.stored / self.load_s if self.load_s else 0.0
