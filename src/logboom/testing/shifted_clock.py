"""A clock that tests can set forward: what it shows is monotonic time, and so many seconds more."""

import time


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
