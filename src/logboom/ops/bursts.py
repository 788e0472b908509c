"""How many entries of a kind come, now and usually: tells a burst of errors from a source that always sends many."""

from collections import deque
from typing import Final

SLOTS: Final = 6
"""The window moves on by a sixth of itself: fine enough to notice soon, and seven numbers a source."""

USUAL_WEIGHT: Final = 0.05
"""How much a window counts for what is usual: after a quarter of an hour of minutes, half."""


class Burst:
    """Counts in a sliding window, and the mean count of such windows before.

    Args:
        window_s: length of the window, seconds.
        now: the moment of the first look.
        usual: the mean count, where it was learned before.
    """

    __slots__ = ("_slot_s", "_slots", "_started", "_sum", "_weight")

    def __init__(self, window_s: float, now: float, usual: float = 0.0) -> None:
        self._slot_s = window_s / SLOTS
        self._slots: deque[list[int]] = deque()  # [number of the slot, count], the newest last
        self._started = self._number(now)
        self._sum = usual  # of the windows that have passed, the newer the weightier
        self._weight = 1.0 if usual else 0.0

    @property
    def usual(self) -> float:
        """The mean count of the windows that have passed, the newer the weightier; nought for the first."""
        return self._sum / self._weight if self._weight else 0.0

    def _number(self, now: float) -> int:
        return int(now // self._slot_s)

    def add(self, now: float, count: int) -> None:
        """So many came."""
        self._turn(now)
        number = self._number(now)
        if self._slots and self._slots[-1][0] >= number:
            self._slots[-1][1] += count
        else:
            self._slots.append([number, count])

    def recent(self, now: float) -> int:
        """How many came within the window."""
        self._turn(now)
        return sum(count for _, count in self._slots)

    def _turn(self, now: float) -> None:
        """Let go of what is older than the window, into what is usual."""
        oldest = self._number(now) - SLOTS + 1
        passed = max(0, oldest - self._started)
        if not passed:
            return
        self._started = oldest
        gone = 0
        while self._slots and self._slots[0][0] < oldest:
            gone += self._slots.popleft()[1]
        keep = (1 - USUAL_WEIGHT / SLOTS) ** passed
        self._sum = self._sum * keep + (1 - keep) * gone * SLOTS / passed
        self._weight = self._weight * keep + 1 - keep
