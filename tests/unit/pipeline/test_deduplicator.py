"""Pairs of key and content: claimed, stored, forgotten."""

import pytest

from logboom.pipeline.deduplicator import GENERATIONS, PAIR_BYTES, Deduplicator, RequestKey, digest

WINDOW_S = 240.0


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def store(deduplicator: Deduplicator, *names: bytes) -> None:
    digests = [digest(b'"k"', name) for name in names]
    assert all(deduplicator.claim(digests))
    deduplicator.settle(digests, stored=True)


def is_new(deduplicator: Deduplicator, name: bytes) -> bool:
    one = [digest(b'"k"', name)]
    [new] = deduplicator.claim(one)
    if new:
        deduplicator.settle(one, stored=False)
    return new


def test_the_same_key_with_other_content_is_another_entry() -> None:
    assert len({digest(b'"k"', b"a"), digest(b'"k"', b"b"), digest(b'"l"', b"a")}) == 3


def test_a_stored_pair_is_no_longer_new(clock: Clock) -> None:
    deduplicator = Deduplicator(WINDOW_S, 1 << 20, clock)
    store(deduplicator, b"a")
    assert not is_new(deduplicator, b"a")
    assert is_new(deduplicator, b"b")


def test_a_pair_on_its_way_is_not_taken_twice_and_is_free_again_when_it_failed(clock: Clock) -> None:
    deduplicator = Deduplicator(WINDOW_S, 1 << 20, clock)
    one = [digest(b'"k"', b"a")]
    assert deduplicator.claim(one) == [True]
    assert deduplicator.claim(one) == [False]
    deduplicator.settle(one, stored=False)
    assert not deduplicator.holds(one[0])
    assert deduplicator.claim(one) == [True]


def test_a_pair_is_remembered_for_the_window_and_then_forgotten(clock: Clock) -> None:
    deduplicator = Deduplicator(WINDOW_S, 1 << 20, clock)
    store(deduplicator, b"old")
    clock.now += WINDOW_S
    store(deduplicator, b"middle")
    assert not is_new(deduplicator, b"old")
    clock.now += WINDOW_S / GENERATIONS + 1
    store(deduplicator, b"new")
    assert is_new(deduplicator, b"old")
    assert not is_new(deduplicator, b"middle")


def test_memory_is_bounded_and_the_oldest_go_first(clock: Clock) -> None:
    pairs_max = 2400
    deduplicator = Deduplicator(WINDOW_S, pairs_max * PAIR_BYTES, clock)
    for number in range(3 * pairs_max):
        store(deduplicator, b"%d" % number)
        assert len(deduplicator) <= pairs_max
    assert is_new(deduplicator, b"0")
    assert not is_new(deduplicator, b"%d" % (3 * pairs_max - 1))
    assert len(deduplicator) >= pairs_max * 0.9


def test_the_reach_is_the_age_of_the_oldest(clock: Clock) -> None:
    deduplicator = Deduplicator(WINDOW_S, 1 << 20, clock)
    assert deduplicator.reach_s == 0
    store(deduplicator, b"a")
    clock.now += 60
    store(deduplicator, b"b")
    assert deduplicator.reach_s == 60


def test_equal_lines_of_one_request_differ_and_its_repeat_gives_the_same_digests() -> None:
    first, again = RequestKey(b'"k"'), RequestKey(b'"k"')
    whole = first.digests(b"a\nb\na\na")
    assert len(set(whole)) == 4
    assert again.digests(b"a\nb") + again.digests(b"a\na") == whole  # however it was cut into batches
    assert first.entries == 4


def test_lines_of_the_journal_are_told_apart_as_those_of_a_request(clock: Clock) -> None:
    deduplicator = Deduplicator(WINDOW_S, 1 << 20, clock)
    for entry in (b"a", b"b", b"a"):
        deduplicator.restore_line(b'"k"', entry)
    assert deduplicator.claim(RequestKey(b'"k"').digests(b"a\na\nb\na")) == [False, False, False, True]
