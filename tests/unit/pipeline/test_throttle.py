"""Who sends too fast is read more slowly."""

import pytest

from logboom.pipeline import throttle
from logboom.pipeline.throttle import BURST_S, DELAY_S_MAX, Throttle
from tests.kit.clock import Clock


def test_a_burst_is_free_and_what_comes_on_top_waits_its_time() -> None:
    clock = Clock()
    limit = Throttle(1000, 0, clock)
    assert limit.take("a", int(1000 * BURST_S), 1) == 0.0
    assert limit.take("a", 500, 1) == pytest.approx(0.5)
    assert limit.take("b", 500, 1) == 0.0
    clock.now += 0.5
    assert limit.take("a", 100, 1) == pytest.approx(0.1)


def test_lines_count_for_themselves() -> None:
    limit = Throttle(0, 10, Clock())
    assert limit.take("a", 1 << 30, 10) == 0.0
    assert limit.take("a", 1, 5) == pytest.approx(0.5)


def test_over_time_the_rate_is_kept() -> None:
    clock = Clock()
    limit = Throttle(0, 100, clock)
    started = clock.now
    for _ in range(100):
        clock.now += limit.take("a", 0, 10)
    assert clock.now - started == pytest.approx(1000 / 100 - BURST_S)


def test_a_pause_is_bounded_but_its_debt_is_not_forgiven() -> None:
    clock = Clock()
    limit = Throttle(1000, 0, clock)
    assert limit.take("a", 100_000, 1) == DELAY_S_MAX
    clock.now += DELAY_S_MAX
    assert limit.take("a", 1, 1) == DELAY_S_MAX


def test_the_table_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "ADDRESSES_MAX", 10)
    limit = Throttle(1000, 0, Clock())
    for number in range(100):
        limit.take(str(number), 1, 1)
    assert len(limit) == 10


def test_a_debt_counts_for_its_address_and_ends_with_time() -> None:
    clock = Clock()
    limit = Throttle(1000, 0, clock)
    assert limit.debt_s("a") == 0.0
    limit.take("a", int(1000 * BURST_S) + 500, 1)
    assert limit.debt_s("a") == pytest.approx(0.5)
    assert limit.debt_s("b") == 0.0
    clock.now += 0.2
    assert limit.debt_s("a") == pytest.approx(0.3)
    clock.now += 0.3
    assert limit.debt_s("a") == pytest.approx(0.0)
