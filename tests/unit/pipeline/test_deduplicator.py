"""Pairs of key and content: claimed, stored, forgotten."""

import pytest

from logboom.pipeline.deduplicator import GENERATIONS, OPEN_MAX, PAIR_BYTES, Deduplicator, RequestKey, digest

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


def request(deduplicator: Deduplicator, entries: bytes, position: int = 0, window: str = "w") -> RequestKey:
    """A request with a window, whose entries are stored."""
    key = RequestKey(b'"k"', window)
    deduplicator.open(key, position)
    digests = key.digests(entries)
    new = deduplicator.claim(digests)
    taken = [one for one, is_new in zip(digests, new, strict=True) if is_new]
    deduplicator.settle(taken, stored=True)
    return key


def test_a_window_is_remembered_instead_of_its_entries(clock: Clock) -> None:
    deduplicator = Deduplicator(WINDOW_S, 1 << 20, clock)
    deduplicator.settle([digest(b'"other"', b"x")], stored=True)
    deduplicator.close(request(deduplicator, b"a\nb\na"), whole=True)
    assert len(deduplicator) == 1
    position, pairs, windows = deduplicator.take_fresh(9)
    assert (position, pairs, len(windows)) == (9, [digest(b'"other"', b"x")], 1)
    clock.now += 100 * WINDOW_S
    again = RequestKey(b'"k"', "w")
    deduplicator.open(again, 9)
    assert (
        deduplicator.claim(again.digests(b"a\nb") + again.digests(b"") + again.digests(b"a")) == [False] * 3
    )
    other = RequestKey(b'"k"', "v")
    deduplicator.open(other, 9)
    assert deduplicator.claim(other.digests(b"a\nb\na")) == [True] * 3


@pytest.mark.parametrize("trouble", ["broke off", "not stored", "too many"])
def test_without_all_of_them_each_entry_is_remembered(clock: Clock, trouble: str) -> None:
    deduplicator = Deduplicator(WINDOW_S, 1 << 20, clock)
    if trouble == "too many":
        for number in range(OPEN_MAX):
            deduplicator.open(RequestKey(b'"o"', str(number)), 100)
    key = request(deduplicator, b"a\nb", 5)
    if trouble == "not stored":
        key.digests(b"c")
    deduplicator.close(key, whole=trouble != "broke off")
    _, pairs, windows = deduplicator.take_fresh(200)
    assert (len(pairs), windows) == (2, [])
    again = RequestKey(b'"k"', "w")
    deduplicator.open(again, 9)
    assert deduplicator.claim(again.digests(b"a\nb\nc")) == [False, False, True]


def test_a_checkpoint_waits_for_requests_with_a_window(clock: Clock) -> None:
    deduplicator = Deduplicator(WINDOW_S, 1 << 20, clock)
    first, second = request(deduplicator, b"a", 5), request(deduplicator, b"b", 7, "v")
    deduplicator.settle([b"x"], stored=True)
    assert deduplicator.take_fresh(20) == (5, [b"x"], [])
    deduplicator.close(first, whole=True)
    assert deduplicator.take_fresh(21) == (7, [], [first.window])
    deduplicator.close(second, whole=False)
    assert deduplicator.take_fresh(22) == (22, [digest(b'"k"', b"b")], [])


def test_windows_make_the_memory_for_other_keys_no_smaller(clock: Clock) -> None:
    pairs_max = 10 * GENERATIONS
    deduplicator = Deduplicator(WINDOW_S, pairs_max * PAIR_BYTES, clock)
    for number in range(1000):
        deduplicator.close(request(deduplicator, b"%d\n-%d" % (number, number), 0, str(number)), whole=True)
        deduplicator.settle([digest(b'"o"', b"%d" % number)], stored=True)
        assert len(deduplicator) <= pairs_max
    assert deduplicator.holds(digest(b'"o"', b"999"))
    assert deduplicator.holds(digest(b'"o"', b"%d" % (1000 - pairs_max // 2)))
    assert len(deduplicator.windows) == 1000


def test_a_request_that_is_sent_again_before_its_answer_stores_nothing_twice(clock: Clock) -> None:
    deduplicator = Deduplicator(WINDOW_S, 1 << 20, clock)
    first, second = request(deduplicator, b"a\nb"), RequestKey(b'"k"', "w")
    deduplicator.open(second, 0)
    assert deduplicator.claim(second.digests(b"a")) == [False]
    deduplicator.close(first, whole=True)
    assert deduplicator.claim(second.digests(b"b")) == [False]
    deduplicator.close(second, whole=True)
    assert len(deduplicator.take_fresh(1).windows) == 1
