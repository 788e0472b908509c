"""Fixed-window rate limiter: one window per key, bounded number of keys."""

import time
from collections.abc import Callable
from typing import Final, NamedTuple

KEYS_MAX: Final = 65536
"""Windows kept at once, about 10 MB. A flood from more addresses than that pushes out the oldest windows:
the limit then errs on the side of taking a line rather than losing one."""


class Grant(NamedTuple):
    """The limiter's answer."""

    allowed: int
    """Number of accepted lines, the first ones of those requested."""
    retry_after_s: float
    """Seconds until the window ends."""
    newly_limited: bool
    """This call is the first of its window that was cut short."""


class _Window:
    __slots__ = ("count", "limited", "started_at")

    def __init__(self, started_at: float) -> None:
        self.started_at = started_at
        self.count = 0
        self.limited = False


class FixedWindowLimiter:
    """Limiter to `requests_max` lines per key and window; a key's window starts with its first line.

    Args:
        requests_max: lines a window.
        window_s: length of the window, seconds.
        clock: seconds, monotonic.
    """

    def __init__(
        self, requests_max: int, window_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._requests_max = requests_max
        self._window_s = window_s
        self._clock = clock
        self._windows: dict[str, _Window] = {}

    def __len__(self) -> int:
        """Number of keys in the table."""
        return len(self._windows)

    def has_room(self, key: str, count: int) -> bool:
        """Return whether `count` more lines of a key would be granted."""
        window = self._windows.get(key)
        if window is None or self._clock() - window.started_at >= self._window_s:
            return count <= self._requests_max
        return window.count + count <= self._requests_max

    def take(self, key: str, count: int) -> Grant:
        """Ask for `count` lines; all of them count, granted or not."""
        now = self._clock()
        window = self._windows.get(key)
        if window is None or now - window.started_at >= self._window_s:
            window = self._start_window(key, now)
        allowed = max(0, min(count, self._requests_max - window.count))
        window.count += count
        newly_limited = allowed < count and not window.limited
        window.limited = window.limited or newly_limited
        return Grant(allowed, window.started_at + self._window_s - now, newly_limited)

    def _start_window(self, key: str, now: float) -> _Window:
        self._windows.pop(key, None)  # so that the table stays ordered by start
        if len(self._windows) >= KEYS_MAX:
            self._evict(now)
        window = self._windows[key] = _Window(now)
        return window

    def _evict(self, now: float) -> None:
        """Drop every expired window, or the oldest one when none is."""
        expired = []
        for key, window in self._windows.items():
            if now - window.started_at < self._window_s:
                break
            expired.append(key)
        for key in expired or [next(iter(self._windows))]:
            del self._windows[key]
