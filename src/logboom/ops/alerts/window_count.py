"""Number of events in a sliding window, with bounded memory."""

from typing import Final

STEPS: Final = 60
"""Steps per window: the number is right to a sixtieth of the window."""

STEPS_KEPT: Final = 4 * STEPS
"""Steps at which old ones are dropped; more than a window, since a clock may be set."""


class WindowCount:
    """Counts of events by steps of time.

    Args:
        window_s: length of the window, seconds.
        steps: earlier counts by number of the step, see `steps`.
    """

    def __init__(self, window_s: float, steps: dict[int, int] | None = None) -> None:
        self._step_s = window_s / STEPS
        self.steps = steps or {}
        """Counts by number of the step since the epoch."""

    def add(self, at_s: float, count: int) -> None:
        """Add a number of events at a time, seconds since the epoch."""
        step = int(at_s // self._step_s)
        self.steps[step] = self.steps.get(step, 0) + count
        if len(self.steps) > STEPS_KEPT:
            newest = max(self.steps)
            self.steps = {one: n for one, n in self.steps.items() if one >= newest - STEPS}

    def within(self, now_s: float, *, more: bool = False) -> int:
        """Return the number of events in the window that ends at `now_s`.

        Args:
            now_s: seconds since the epoch.
            more: count the step at the start of the window completely, instead of not at all.
        """
        newest = int(now_s // self._step_s)
        oldest = newest - STEPS + (not more)
        return sum(count for step, count in self.steps.items() if oldest <= step <= newest)
