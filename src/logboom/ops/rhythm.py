"""The rhythm of a source: its usual interval, learned from its pauses, and the detection of unusual silence.

A *pause* is a second or more without an entry; entries closer together are one burst. The typical interval is the
median of the last pauses. A source is late when it pauses for more than three typical intervals, and for longer than
in any of its last pauses. It is silent when it pauses for longer than `factor` times the longest pause of the
preceding 14 days, and for at least `silent_s_min`. For a *steady* source, whose longest pause is at most three
typical intervals or that never pauses, this applies once it has been observed for ten times the length of the
silence: a source that ran for a minute may just have finished. An irregular source is judged after an hour and twenty
pauses, with twice the factor. A pause that counted as silence becomes usual only when a second one like it occurs
within 14 days: one is an outage, after which the next must be detected as early; two are a habit, such as weekends.

All times are durations, without a clock, so that a restart can't make them wrong.
"""

from statistics import median
from typing import Final

import msgspec

PAUSE_S_MIN: Final = 1.0
"""Shortest pause. Entries closer together are one burst: a batch, a stack trace, a stream."""

RECENT_MAX: Final = 15
"""Number of pauses for the median: odd, soon reached, and robust against a single long pause."""

DAY_S: Final = 86400.0
DAYS_MAX: Final = 14
"""Days for which the longest pause is remembered: two weekends, as one would be forgotten when the next begins."""

STEADY_FACTOR: Final = 3.0
"""Number of typical intervals within which a source is on time, so that one or two entries may be lost."""

LATE_S_MIN: Final = 10.0
"""Shortest pause of a late source: a short network problem may take as long."""

STEADY_ENTRIES_MIN: Final = 10
STEADY_HEARD_FACTOR: Final = 10.0
UNEVEN_PAUSES_MIN: Final = 20
UNEVEN_S_MIN: Final = 3600.0
"""Observations that are required before silence is detected; see the module's docstring."""

UNEVEN_FACTOR: Final = 2.0
"""Additional factor for an irregular source: of n random pauses, the next is the longest with probability 1/n, so that
one and a half times as long is not unusual."""

EXCEPTIONS_MAX: Final = 8
"""Most silences that are remembered; more than two alike are a habit already."""

NEVER: Final = float("inf")


class Exceptional(msgspec.Struct, gc=False):
    """A pause that counted as silence."""

    pause_s: float
    at_s: float
    """Its end in observed time of the source (`Rhythm.observed_s`)."""


class Rhythm(msgspec.Struct):
    """Statistics of one source, which can be stored in a file."""

    entries: int = 0
    observed_s: float = 0.0
    """Total observed time between its entries."""
    pauses: int = 0
    paused_s: float = 0.0
    """Sum of all usual pauses."""
    silent_s: float = 0.0
    """Sum of all pauses that counted as silence."""
    recent_s: list[float] = []
    """The last pauses, oldest first."""
    longest_s: list[float] = []
    """Longest usual pause of each day, oldest first."""
    day: int = 0
    """Number of the current day of `observed_s`."""
    exceptional: list[Exceptional] = []

    def heard(self, pause_s: float, entries: int, *, silent: bool = False) -> None:
        """Record entries of the source.

        Args:
            pause_s: seconds since its last entry.
            entries: number of entries.
            silent: whether the source counted as silent.
        """
        self.entries += entries
        self.observed_s += pause_s
        if pause_s < PAUSE_S_MIN:
            return
        if silent:
            self.silent_s += pause_s
            self.exceptional = [*self.exceptional, Exceptional(pause_s, self.observed_s)][-EXCEPTIONS_MAX:]
            return
        self.pauses += 1
        self.paused_s += pause_s
        self.recent_s = [*self.recent_s[1 - RECENT_MAX :], pause_s]
        self._turn_days()
        self.longest_s[-1] = max(self.longest_s[-1], pause_s)

    def again(self, entries: int) -> None:
        """Record entries after a pause of unknown length, from which nothing is learned."""
        self.entries += entries

    def _turn_days(self) -> None:
        today = int(self.observed_s / DAY_S)
        fresh = min(today - self.day, DAYS_MAX) if self.longest_s else 1
        if fresh:
            self.longest_s = [*self.longest_s, *[0.0] * fresh][-DAYS_MAX:]
        self.day = today

    @property
    def _awake_s(self) -> float:
        """Observed time without silences, seconds."""
        return self.observed_s - self.silent_s

    @property
    def _streams(self) -> bool:
        """True if it sends without a pause for most of the time."""
        return not self.recent_s or self.paused_s < self._awake_s / 2

    @property
    def typical_s(self) -> float | None:
        """Typical interval in seconds, None if unknown. For a stream, the mean time between entries."""
        if not self._streams:
            return median(self.recent_s)
        if self.entries < STEADY_ENTRIES_MIN or self._awake_s <= 0:
            return None
        return self._awake_s / self.entries

    @property
    def longest_usual_s(self) -> float:
        """Longest pause of the last 14 days that was not exceptional, seconds."""
        since = self.observed_s - DAYS_MAX * DAY_S
        exceptions = sorted(one.pause_s for one in self.exceptional if one.at_s >= since)
        return max([0.0, *self.longest_s, *exceptions[-2:-1]])

    def late_after_s(self) -> float:
        """Length of a pause from which on the source is late, seconds; `NEVER` if unknown, as after a short burst."""
        typical = self.typical_s
        if typical is None:
            return NEVER
        after = max(LATE_S_MIN, STEADY_FACTOR * typical, *self.recent_s)
        return after if self._awake_s >= after else NEVER

    def silent_after_s(self, factor: float, silent_s_min: float) -> float:
        """Length of a pause from which on the source is silent, seconds; `NEVER` with too few observations.

        Args:
            factor: length relative to the longest usual pause.
            silent_s_min: shortest length, seconds.
        """
        typical, longest = self.typical_s, self.longest_usual_s
        if typical is None or self.entries < STEADY_ENTRIES_MIN:
            return NEVER
        if longest <= max(STEADY_FACTOR * typical, LATE_S_MIN if self._streams else 0.0):
            after = max(silent_s_min, STEADY_FACTOR * typical, factor * longest)
            return after if self._awake_s >= STEADY_HEARD_FACTOR * after else NEVER
        if self.pauses < UNEVEN_PAUSES_MIN or self._awake_s < UNEVEN_S_MIN:
            return NEVER
        return max(silent_s_min, STEADY_FACTOR * typical, factor * UNEVEN_FACTOR * longest)
