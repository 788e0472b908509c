"""Pauses of the loop: none where they cost something, longer ones the more lines there are to gather."""

import pytest

from logboom.pipeline.pauses import (
    LINES_ENOUGH,
    LINES_PER_S_FULL,
    LINES_PER_S_MIN,
    PAUSE_S_MAX,
    WINDOW_S,
    Pauses,
)


class Loop:
    """Time that passes only in pauses and between turns."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []
        self.pauses = Pauses(lambda: self.now, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)

    def run(self, per_s: float, seconds: float = 1.0, *, impatient: float = 0.0) -> list[float]:
        """Turns at a steady rate of lines, a share of them impatient; returns the pauses of the last window."""
        ends, carry, last = self.now + seconds, 0.0, self.now
        while self.now < ends:
            self.now += 0.0005
            carry += (self.now - last) * per_s
            last = self.now
            lines, carry = int(carry), carry % 1
            if self.now < ends - WINDOW_S:
                self.slept.clear()
            self.pauses.after(lines, round(lines * (1 - impatient)))
        return self.slept


def test_few_lines_are_not_waited_for() -> None:
    assert Loop().run(LINES_PER_S_MIN * 0.8) == []


def test_the_pause_grows_with_the_rate_up_to_its_bound() -> None:
    lengths = [max(Loop().run(share * LINES_PER_S_FULL)) for share in (0.3, 0.6, 0.9, 1.5, 10)]
    assert lengths == sorted(lengths)
    assert lengths[0] < PAUSE_S_MAX / 2
    assert lengths[-1] == PAUSE_S_MAX


def test_there_is_no_pause_while_senders_wait_for_each_answer() -> None:
    assert Loop().run(50_000, impatient=1.0) == []
    assert Loop().run(20_000, impatient=0.4) == []


def test_there_is_no_pause_for_bulk() -> None:
    loop = Loop()
    assert loop.run(10_000)
    loop.pauses.bulk()
    loop.slept.clear()
    loop.pauses.after(20, 20)
    assert loop.slept == []
    assert loop.run(10_000)  # it is over


def test_a_turn_that_has_brought_enough_is_not_followed_by_a_pause() -> None:
    loop = Loop()
    assert loop.run(10_000)
    loop.slept.clear()
    loop.now += PAUSE_S_MAX
    loop.pauses.after(LINES_ENOUGH, LINES_ENOUGH)
    assert loop.slept == []


def test_two_listeners_pause_once_in_a_turn() -> None:
    loop = Loop()
    assert loop.run(10_000)
    loop.slept.clear()
    loop.now += PAUSE_S_MAX
    loop.pauses.after(20, 20)
    loop.pauses.after(20, 20)
    assert loop.slept == [PAUSE_S_MAX]


def test_an_idle_server_does_not_pause() -> None:
    loop = Loop()
    assert loop.run(10_000)
    loop.now += 60.0
    loop.slept.clear()
    loop.pauses.after(1, 1)
    assert loop.slept == []


# --- what a user may rely on, in figures of their own: a changed constant is to be noticed here ---


def test_a_line_waits_two_milliseconds_at_most_and_then_has_company() -> None:
    lengths = Loop().run(10_000)
    assert max(lengths) <= 0.002
    assert min(lengths) * 10_000 >= 16


@pytest.mark.parametrize(("per_s", "pauses"), [(300, False), (450, False), (700, True), (2_500, True)])
def test_five_hundred_lines_per_second_are_worth_a_pause(per_s: int, pauses: bool) -> None:
    assert bool(Loop().run(per_s)) is pauses


@pytest.mark.parametrize(("per_s", "full"), [(3_600, False), (4_400, True)])
def test_four_thousand_lines_per_second_are_worth_the_longest_pause(per_s: int, full: bool) -> None:
    assert (max(Loop().run(per_s, 3.0)) > 0.00195) is full


@pytest.mark.parametrize(("impatient", "pauses"), [(0.12, True), (0.3, False)])
def test_a_fifth_of_the_senders_may_wait_for_answers(impatient: float, pauses: bool) -> None:
    assert bool(Loop().run(60_000, 3.0, impatient=impatient)) is pauses


def test_pauses_begin_and_end_a_quarter_of_a_second_after_the_senders_do() -> None:
    loop = Loop()
    assert loop.run(10_000, 0.25)
    assert loop.run(10_000, 0.25, impatient=1.0) == []


@pytest.mark.parametrize(("lines", "pauses"), [(200, True), (300, False)])
def test_some_hundred_lines_share_the_price_of_a_turn(lines: int, pauses: bool) -> None:
    loop = Loop()
    assert loop.run(10_000)
    loop.slept.clear()
    loop.now += 0.002
    loop.pauses.after(lines, lines)
    assert bool(loop.slept) is pauses
