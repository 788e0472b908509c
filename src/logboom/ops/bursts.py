"""Burst detection: compares the number of events in a sliding window with the usual number."""

from collections import deque
from typing import Final

SLOTS: Final = 6
"""Number of steps per window: fine enough for fast detection, with seven numbers per source."""

USUAL_WEIGHT: Final = 0.05
"""Weight of a new window in the usual count: with windows of a minute, half after a quarter of an hour."""


class Burst:
    """Counter over a sliding window, with the mean count of earlier windows.

    Args:
        window_s: length of the window, seconds.
        now: current time, seconds.
        usual: the mean count, if it was learned before.
    """

    __slots__ = ("_slot_s", "_slots", "_started", "_sum", "_weight")

    def __init__(self, window_s: float, now: float, usual: float = 0.0) -> None:
        self._slot_s = window_s / SLOTS
        self._slots: deque[list[int]] = deque()  # [number of the slot, count], the newest last
        self._started = self._number(now)
        self._sum = usual  # weighted sum of the counts of past windows
        self._weight = 1.0 if usual else 0.0

    @property
    def usual(self) -> float:
        """Mean count of past windows, with more weight on newer ones; 0 in the first window."""
        return self._sum / self._weight if self._weight else 0.0

    def _number(self, now: float) -> int:
        return int(now // self._slot_s)

    def add(self, now: float, count: int) -> None:
        """Add a number of events."""
        self._turn(now)
        number = self._number(now)
        if self._slots and self._slots[-1][0] >= number:
            self._slots[-1][1] += count
        else:
            self._slots.append([number, count])

    def recent(self, now: float) -> int:
        """Number of events in the window."""
        self._turn(now)
        return sum(count for _, count in self._slots)

    def _turn(self, now: float) -> None:
        """Move counts that are older than the window into the usual count."""
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
