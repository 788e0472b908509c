"""What `logboom prove` is to do, how far it is, and what it has shown."""

from dataclasses import dataclass, field
from typing import NamedTuple

from logboom.prove.dialects import DIALECTS
from logboom.prove.follow import STORE_ONCE, FollowTally
from logboom.prove.oracle import Judgement, Tally
from logboom.prove.server import Hurt


@dataclass(frozen=True)
class Plan:
    """What is to be done."""

    seconds: float
    """Time of load; judging comes on top."""
    seed: int
    """Of all choices. The moments also depend on the machine, so that a run is not repeated exactly."""
    pause_s: tuple[float, float] = (0.1, 1.5)
    """Between two disasters, at least and at most."""
    kills_min: int = 1
    """Each chapter goes on until there were so many."""
    kinds: tuple[str, ...] = tuple(DIALECTS)
    """What the honest clients speak."""
    follows: int = 1
    """Schedules of a followed file, after the chapters; their time comes on top."""


class Progress(NamedTuple):
    """How far a run is."""

    stage: str
    elapsed_s: float
    acked: int
    hurt: Hurt
    strangers: int


@dataclass
class Proof:
    """What a run has shown."""

    plan: Plan
    judgement: Judgement = field(default_factory=Judgement)
    hurt: Hurt = field(default_factory=Hurt)
    strangers: int = 0
    """Visits of broken clients."""
    problems: list[str] = field(default_factory=list)
    """What went wrong apart from entries."""
    load_s: float = 0.0
    chapters: int = 0
    follows: dict[str, FollowTally] = field(default_factory=dict)
    """Lines of followed files, per protocol."""
    without: list[str] = field(default_factory=list)
    """Disasters that this system does not allow."""

    @property
    def kept(self) -> bool:
        """No promise was broken so far."""
        followed = all(
            not tally.lost and not (tally.doubled and protocol in STORE_ONCE)
            for protocol, tally in self.follows.items()
        )
        return self.judgement.good and not self.problems and followed

    @property
    def silent(self) -> list[str]:
        """Protocols that showed nothing: those that answer never did, or nothing of them was stored."""
        tallies = {kind: self.judgement.kinds.get(kind, Tally()) for kind in self.plan.kinds}
        return [
            kind
            for kind, tally in tallies.items()
            if not (tally.acked if DIALECTS[kind].answers else tally.stored)
        ]

    @property
    def good(self) -> bool:
        """Every promise was kept, and there was something to keep: each protocol that answers has answered."""
        return self.kept and not self.silent

    @property
    def entries_per_s(self) -> float:
        """Stored entries a second of load, disasters and recoveries included."""
        return self.judgement.total.stored / self.load_s if self.load_s else 0.0
