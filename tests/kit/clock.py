"""Clocks that tests set."""

import time


class Clock:
    """Stands still until told. It does not start at 0, as the real ones don't."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Seconds."""
        return self.now


class ShiftedClock:
    """Real time until somebody calls `wait`; a server that reads it believes that the seconds have passed."""

    def __init__(self) -> None:
        self._ahead_s = 0.0

    def __call__(self) -> float:
        """Seconds, monotonic."""
        return time.monotonic() + self._ahead_s

    def wait(self, seconds: float) -> None:
        """Let so many seconds pass at once."""
        self._ahead_s += seconds
