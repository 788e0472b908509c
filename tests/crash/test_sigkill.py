"""The plug is pulled at random moments, many times; nothing that was acknowledged may be missing."""

from pathlib import Path

import pytest

from logboom.prove.engine import prove
from logboom.prove.plan import Plan

KILLS = 4


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_acknowledged_is_lost_over_many_kills(tmp_path: Path, seed: int) -> None:
    """The engine of `logboom prove`, with short pauses: kills, full disks, reloads, and faulty beside them."""
    plan = Plan(seconds=1, seed=seed, pause_s=(0.0, 0.1), kills_min=KILLS, kinds=("device", "collector"))
    proof = prove(plan, tmp_path)
    assert proof.good, proof
    assert proof.judgement.total.lost == proof.judgement.torn == 0
    assert proof.disasters.kills >= KILLS
    assert proof.judgement.acked > KILLS
