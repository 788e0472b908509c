"""The engine of `logboom prove`: honest clients, strangers and disasters, on a server of its own; then the judgement.

A run is cut into chapters: each has a fresh journal, which is judged and deleted before the next one starts. So
disk and memory stay bounded however long a run is.
"""

import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from logboom.prove.chapter import Chapter
from logboom.prove.follow import PROTOCOLS, FollowTally, follow_once
from logboom.prove.plan import Plan, Progress, Proof
from logboom.prove.server import can_fill_disk

SWITCH_S: Final = 0.0005
"""Many clients are threads here: one that got its answer must not wait for ten others' turns of 5 ms."""


def _nobody(_progress: Progress) -> None:
    pass


def _follow(
    plan: Plan, folder: Path, chance: random.Random, proof: Proof, watch: Callable[[Progress], None]
) -> None:
    """Let files be followed over each protocol in turn, until there were enough, or one line is lost."""
    protocols = list(PROTOCOLS)
    for number in range(plan.follows):
        protocol = protocols[number % len(protocols)]
        watch(
            Progress(
                f"following, {protocol}", proof.load_s, proof.judgement.acked, proof.hurt, proof.strangers
            )
        )
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            tally, _ = follow_once(folder, protocol, chance.randrange(1 << 30))
        except AssertionError as error:
            proof.problems.append(str(error))
            return
        proof.follows[protocol] = proof.follows.get(protocol, FollowTally()) + tally
        if not proof.kept:
            return


def prove(plan: Plan, folder: Path, watch: Callable[[Progress], None] = _nobody) -> Proof:
    """Run all chapters, then the followed files; the first one that shows a broken promise is the last.

    Interrupted, it leaves no process.

    Args:
        plan: what is to be done.
        folder: an empty directory; in the end it holds the last chapter's data, named `chapter`, and the last
            followed file's, named `follow`.
        watch: is told about the progress, many times a second.
    """
    proof = Proof(plan, without=[] if can_fill_disk() else ["full disk"])
    chance = random.Random(plan.seed)  # noqa: S311 - not for secrets
    chapter = folder / "chapter"
    switch_s = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)
    try:
        while not proof.chapters or (proof.kept and proof.load_s < plan.seconds):
            if proof.chapters:
                shutil.rmtree(chapter)
            chapter.mkdir()
            proof.chapters += 1
            Chapter(plan, chapter, chance, proof, watch).run()
        if proof.kept:
            _follow(plan, folder / "follow", chance, proof, watch)
    finally:
        sys.setswitchinterval(switch_s)
    return proof
