"""How long the writer waits for a fuller group: only as long as that has paid."""

from itertools import pairwise

import pytest

from logboom.journal.pacer import LINGER_S, PROBE_FIRST, PROBE_LAST, Pacer
from tests.kit.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pacer(clock: Clock) -> Pacer:
    return Pacer(clock)


def groups(pacer: Pacer, count: int, size: int) -> list[int]:
    """The targets of groups that come one right after the other, each of `size` batches."""
    targets = []
    for _ in range(count):
        targets.append(pacer.target())
        pacer.committed(size)
    return targets


def test_the_first_group_never_waits(pacer: Pacer) -> None:
    assert pacer.target() == 1


def test_a_single_client_hardly_ever_waits(pacer: Pacer) -> None:
    waits = [target > 1 for target in groups(pacer, 5000, 1)]
    assert sum(waits) < 5000 // 100
    gaps = [number for number, wait in enumerate(waits) if wait]
    assert gaps[0] == PROBE_FIRST
    assert max(later - sooner for sooner, later in pairwise(gaps)) <= PROBE_LAST + 1


def test_company_that_came_once_is_waited_for(pacer: Pacer) -> None:
    groups(pacer, PROBE_FIRST, 1)
    assert groups(pacer, 1, 200)[0] > 200  # the try
    assert groups(pacer, 5, 200) == [200] * 5


def test_company_that_stays_away_is_forgotten(pacer: Pacer) -> None:
    groups(pacer, PROBE_FIRST + 1, 200)
    groups(pacer, 1, 3)
    assert pacer.target() == 3


def test_a_group_after_a_pause_never_waits(pacer: Pacer, clock: Clock) -> None:
    groups(pacer, PROBE_FIRST + 2, 200)
    clock.now += LINGER_S * 2
    assert pacer.target() == 1


@pytest.mark.parametrize(("later_s", "target"), [(LINGER_S, 200), (LINGER_S * 1.001, 1)])
def test_a_pause_is_longer_than_the_longest_wait(later_s: float, target: int) -> None:
    clock = Clock(0.0)
    pacer = Pacer(clock)
    groups(pacer, PROBE_FIRST + 2, 200)
    clock.now += later_s
    assert pacer.target() == target


@pytest.mark.parametrize(("came", "target"), [(15, 10), (16, 16)])
def test_a_try_has_paid_when_it_brought_half_as_much_again(pacer: Pacer, came: int, target: int) -> None:
    groups(pacer, PROBE_FIRST, 1)
    assert groups(pacer, 1, 10)[0] > 10  # the try
    groups(pacer, PROBE_FIRST - 1, 10)
    assert groups(pacer, 1, came)[0] > came  # the next one
    assert pacer.target() == target


# --- what a user may rely on, in figures of their own: a changed constant is to be noticed here ---


@pytest.mark.parametrize(("later_s", "waits"), [(0.0025, True), (0.0035, False)])
def test_the_longest_wait_is_three_milliseconds(later_s: float, waits: bool) -> None:
    clock = Clock(0.0)
    pacer = Pacer(clock)
    groups(pacer, 40, 200)
    clock.now += later_s
    assert (pacer.target() > 1) is waits


def test_a_fleet_that_begins_to_send_is_noticed_within_its_first_forty_groups(pacer: Pacer) -> None:
    assert groups(pacer, 40, 200)[-1] == 200


def test_a_single_client_waits_for_one_group_in_a_thousand_and_a_later_fleet_is_noticed(pacer: Pacer) -> None:
    groups(pacer, 5_000, 1)
    waits = [target > 1 for target in groups(pacer, 100_000, 1)]
    assert 90 <= sum(waits) <= 110
    assert groups(pacer, 1_100, 200)[-1] == 200
