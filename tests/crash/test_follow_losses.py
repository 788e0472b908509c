"""Random schedules of rotations, outages and kills: no line of a followed file is lost."""

from pathlib import Path

import pytest

from logboom.prove.follow import STORE_ONCE, follow_once


@pytest.mark.timeout(400)  # more than a schedule may take on a very busy machine
@pytest.mark.parametrize(("protocol", "seed"), [("ws", 5), ("http", 7), ("collector", 1002)])
def test_no_line_is_lost(tmp_path: Path, protocol: str, seed: int) -> None:
    tally, said = follow_once(tmp_path, protocol, seed)
    assert tally.written > 0
    assert tally.lost == 0, said
    assert protocol not in STORE_ONCE or tally.doubled == 0, said
