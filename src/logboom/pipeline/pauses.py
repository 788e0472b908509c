"""Short pauses of the event loop while many connections bring a line now and then: interrupt coalescing.

A turn of the loop has a fixed price, as a commit has: some 0.3 ms of processor time. Ten thousand devices that send a
line per second would pay it for two or three lines each. After a pause of 2 ms, a turn finds twenty of them.

There is no pause where it would cost something: not for few lines, not while most senders wait for each answer before
they send again (they would be idle during the pause), and not while a sender sends in bulk.
"""

import time
from collections.abc import Callable
from typing import Final

PAUSE_S_MAX: Final = 0.002
"""The longest pause, seconds: what a line may wait longer, and everything else on the loop."""

PATIENT_S: Final = 0.04
"""A connection that was silent for this long before its line loses nothing by a pause, seconds."""

WINDOW_S: Final = 0.1
"""The rate of lines is measured over this long, seconds."""

LINES_PER_S_MIN: Final = 500
"""Patient lines per second below which there is no pause: the longest would gather one line."""

LINES_PER_S_FULL: Final = 4000
"""Patient lines per second from which on the pause has its full length."""

IMPATIENT_SHARE_MAX: Final = 0.2
"""With a larger share of lines from connections that send again at once, there is no pause."""

LINES_ENOUGH: Final = 256
"""A turn that has brought this many lines shares its price among them already."""


class Pauses:
    """Decides how long the loop pauses after a turn. One per event loop, for all its listeners.

    Args:
        clock: seconds, monotonic.
        sleep: blocks for some seconds.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.length_s = 0.0
        """The pause that is in force, seconds."""
        self._clock = clock
        self._sleep = sleep
        self._window_ends = 0.0
        self._lines = 0
        self._patient = 0
        self._bulk = False
        self._ended = 0.0

    def bulk(self) -> None:
        """Note that a sender has sent much at once."""
        self._bulk = True
        self.length_s = 0.0

    def after(self, lines: int, patient: int) -> None:
        """Pause at the end of a turn, if that pays off.

        Args:
            lines: that the turn has brought.
            patient: lines of connections that had been silent for `PATIENT_S`.
        """
        now = self._clock()
        self._lines += lines
        self._patient += patient
        if now >= self._window_ends:
            self._measure(now)
        if self.length_s and lines < LINES_ENOUGH and now - self._ended >= self.length_s / 2:
            self._sleep(self.length_s)
            self._ended = self._clock()

    def _measure(self, now: float) -> None:
        """Set the length by what the window that ends has brought."""
        seconds = WINDOW_S + now - self._window_ends
        per_s = self._patient / seconds
        impatient = self._lines - self._patient
        if self._bulk or per_s < LINES_PER_S_MIN or impatient > IMPATIENT_SHARE_MAX * self._lines:
            self.length_s = 0.0
        else:
            self.length_s = PAUSE_S_MAX * min(1.0, per_s / LINES_PER_S_FULL)
        self._window_ends = now + WINDOW_S
        self._lines = self._patient = 0
        self._bulk = False
