"""Counting errors in a window that slides, and what is usual."""

import pytest

from logboom.ops.bursts import SLOTS, Burst


def test_a_window_forgets_what_is_older() -> None:
    burst = Burst(60.0, 0.0)
    burst.add(1.0, 5)
    burst.add(30.0, 2)
    assert burst.recent(31.0) == 7
    assert burst.recent(65.0) == 2
    assert burst.recent(200.0) == 0


def test_what_always_comes_becomes_usual() -> None:
    burst = Burst(60.0, 0.0)
    for second in range(7200):
        burst.add(float(second), 2)
    assert burst.usual == pytest.approx(120, rel=0.05)
    assert burst.recent(7199.0) == pytest.approx(120, rel=0.2)


def test_a_burst_is_far_from_usual_and_raises_it_little() -> None:
    burst = Burst(60.0, 0.0)
    for second in range(0, 7200, 30):
        burst.add(float(second), 1)
    burst.add(7200.0, 100)
    assert burst.recent(7201.0) > 5 * burst.usual
    assert burst.recent(7300.0) == 0
    assert burst.usual < 10


def test_a_long_rest_costs_nothing_and_forgets() -> None:
    burst = Burst(60.0, 0.0)
    burst.add(0.0, 10**6)
    assert burst.recent(1e9) == 0
    assert burst.usual < 1


def test_moments_may_come_out_of_order() -> None:
    burst = Burst(60.0, 100.0)
    burst.add(130.0, 1)
    burst.add(110.0, 1)
    assert burst.recent(131.0) == 2
    assert len(burst._slots) <= SLOTS


def test_what_was_learned_before_is_usual_from_the_start_and_fades() -> None:
    burst = Burst(60.0, 0.0, usual=40.0)
    assert burst.usual == 40.0
    burst.recent(4 * 3600.0)
    assert burst.usual < 1
