"""Clocks that tests set."""

import time


class Clock:
    """Clock that is advanced by the test. Like real clocks, it does not start at 0."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Seconds."""
        return self.now


class ShiftedClock:
    """Real time plus the time of all calls of `wait`, for a server whose time is to pass quickly."""

    def __init__(self) -> None:
        self._ahead_s = 0.0

    def __call__(self) -> float:
        """Seconds, monotonic."""
        return time.monotonic() + self._ahead_s

    def wait(self, seconds: float) -> None:
        """Advance by a number of seconds."""
        self._ahead_s += seconds
