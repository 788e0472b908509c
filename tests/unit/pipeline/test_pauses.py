"""Pauses of the loop: none where they cost something, longer ones the more lines there are to gather."""

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
