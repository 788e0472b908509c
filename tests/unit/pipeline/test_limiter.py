"""A fixed-window limit a key, in a bounded table."""

import pytest

from logboom.pipeline import limiter as module
from logboom.pipeline.limiter import FixedWindowLimiter
from tests.kit.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limiter(clock: Clock) -> FixedWindowLimiter:
    return FixedWindowLimiter(100, 60.0, clock)


def test_the_first_lines_of_a_window_pass(limiter: FixedWindowLimiter) -> None:
    assert [limiter.take("a", 1).allowed for _ in range(101)] == [1] * 100 + [0]


def test_a_batch_is_cut_at_the_limit(limiter: FixedWindowLimiter) -> None:
    assert limiter.take("a", 70).allowed == 70
    assert limiter.take("a", 70).allowed == 30
    assert limiter.take("a", 70).allowed == 0


def test_keys_do_not_share(limiter: FixedWindowLimiter) -> None:
    limiter.take("a", 100)
    assert limiter.take("b", 100).allowed == 100


def test_a_window_starts_with_its_first_line(limiter: FixedWindowLimiter, clock: Clock) -> None:
    clock.now += 37
    limiter.take("a", 100)
    clock.now += 59.9
    assert limiter.take("a", 1).allowed == 0
    clock.now += 0.1
    assert limiter.take("a", 1).allowed == 1


def test_the_next_window_starts_with_the_line_that_opens_it(
    limiter: FixedWindowLimiter, clock: Clock
) -> None:
    limiter.take("a", 1)
    clock.now += 100
    limiter.take("a", 100)
    clock.now += 59
    assert limiter.take("a", 1).allowed == 0


def test_tells_when_the_window_ends(limiter: FixedWindowLimiter, clock: Clock) -> None:
    limiter.take("a", 100)
    clock.now += 45
    assert limiter.take("a", 1).retry_after_s == pytest.approx(15)


def test_rejected_lines_count_but_do_not_lengthen_the_window(
    limiter: FixedWindowLimiter, clock: Clock
) -> None:
    limiter.take("a", 100)
    for _ in range(50):
        clock.now += 1
        assert limiter.take("a", 10).allowed == 0
    clock.now += 10
    assert limiter.take("a", 1).allowed == 1


def test_says_once_a_window_that_the_limit_is_reached(limiter: FixedWindowLimiter, clock: Clock) -> None:
    assert not limiter.take("a", 100).newly_limited
    assert limiter.take("a", 1).newly_limited
    assert not limiter.take("a", 1).newly_limited
    clock.now += 60
    assert limiter.take("a", 101).newly_limited


def test_the_table_is_bounded_and_expired_windows_go_first(
    monkeypatch: pytest.MonkeyPatch, limiter: FixedWindowLimiter, clock: Clock
) -> None:
    monkeypatch.setattr(module, "KEYS_MAX", 10)
    for number in range(5):
        limiter.take(f"old {number}", 100)
    clock.now += 50
    for number in range(5):
        limiter.take(f"young {number}", 100)
    clock.now += 20  # the old ones have expired, the young ones have not
    limiter.take("new", 1)
    assert len(limiter) == 6
    assert all(limiter.take(f"young {number}", 1).allowed == 0 for number in range(5))


def test_a_flood_of_addresses_pushes_out_the_oldest(
    monkeypatch: pytest.MonkeyPatch, limiter: FixedWindowLimiter
) -> None:
    monkeypatch.setattr(module, "KEYS_MAX", 10)
    for number in range(1000):
        limiter.take(str(number), 100)
        assert len(limiter) <= 10
    assert limiter.take("999", 1).allowed == 0
    assert limiter.take("0", 1).allowed == 1


def test_a_renewed_window_is_not_the_oldest(
    monkeypatch: pytest.MonkeyPatch, limiter: FixedWindowLimiter, clock: Clock
) -> None:
    monkeypatch.setattr(module, "KEYS_MAX", 2)
    limiter.take("a", 1)
    clock.now += 30
    limiter.take("b", 100)
    clock.now += 30
    limiter.take("a", 100)  # a new window
    limiter.take("c", 1)  # pushes out b, which started before it
    assert limiter.take("a", 1).allowed == 0
