"""The engine of `logboom prove`: recording clients, faulty clients and disasters on a separate server; verification.

A run consists of chapters: each has a new journal, which is verified and deleted before the next one starts. So the
use of disk and memory is limited for runs of any length.
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
"""Thread switch interval: the clients are threads, and one with an answer must not wait for the turns of others."""


def _ignore(_progress: Progress) -> None:
    pass


def _follow(
    plan: Plan, folder: Path, chance: random.Random, proof: Proof, watch: Callable[[Progress], None]
) -> None:
    """Run the schedules of followed files over each protocol in turn, until a line is lost."""
    protocols = list(PROTOCOLS)
    for number in range(plan.follows):
        protocol = protocols[number % len(protocols)]
        watch(
            Progress(
                f"following, {protocol}", proof.load_s, proof.judgement.acked, proof.disasters, proof.faulty
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


def prove(plan: Plan, folder: Path, watch: Callable[[Progress], None] = _ignore) -> Proof:
    """Run all chapters, then the followed files, until the first violation. Leaves no process when interrupted.

    Args:
        plan: plan of the run.
        folder: an empty directory; at the end it contains the data of the last chapter in `chapter`, and of the last
            followed file in `follow`.
        watch: called with the progress, many times per second.
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
