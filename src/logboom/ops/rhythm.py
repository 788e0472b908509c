"""How often a source speaks, learned from its own pauses; and whether it is silent for longer than is usual.

The rule: a *pause* is a second or more without an entry; what comes closer together is one burst. The typical
interval is the median of the last pauses. A source is late when it pauses for more than three typical intervals,
and for longer than in any of its last pauses. It is silent when it pauses for longer than `factor` times the
longest pause of the fortnight before, and for `silent_s_min` at least. A *steady* source, whose longest pause is
at most three typical intervals, or that never pauses, is judged so once it has been heard for ten times as long as
the silence would be: what has run for a minute may just have finished. Any other one pauses as it likes: it is
judged after an hour and twenty pauses, by twice the factor. A pause that was called silence counts as usual only
when a second one like it comes within the fortnight: one is an outage, after which the next must be noticed as
soon; two are a habit, such as a weekend.

Everything here is told in seconds that have passed: no clock, so nothing to be wrong about after a restart.
"""

from statistics import median
from typing import Final

import msgspec

PAUSE_S_MIN: Final = 1.0
"""Entries that come closer together are one burst: a batch, a stack trace, a stream."""

RECENT_MAX: Final = 15
"""Pauses that the median is taken of: odd, soon full, and a single late one does not move it."""

DAY_S: Final = 86400.0
DAYS_MAX: Final = 14
"""The longest pause is remembered for so long: two week-ends, since one alone would be forgotten as the next comes."""

STEADY_FACTOR: Final = 3.0
"""Within this many typical intervals, a source is on time: one entry may be lost, or two."""

LATE_S_MIN: Final = 10.0
"""Nobody is called late before: a hiccup of the network takes as long."""

STEADY_ENTRIES_MIN: Final = 10
STEADY_HEARD_FACTOR: Final = 10.0
UNEVEN_PAUSES_MIN: Final = 20
UNEVEN_S_MIN: Final = 3600.0
"""What must have been seen before silence is judged; see the module's text."""

UNEVEN_FACTOR: Final = 2.0
"""How much more patience an uneven source gets: of n pauses that vary freely, the next is the longest with a
chance of 1 in n, so that half again as long is no news."""

EXCEPTIONS_MAX: Final = 8
"""Silences that are remembered as such; more than two of a kind are a habit already."""

NEVER: Final = float("inf")


class Exceptional(msgspec.Struct, gc=False):
    """A pause that was called silence."""

    pause_s: float
    at_s: float
    """When it ended, on the source's own time line (`Rhythm.observed_s`)."""


class Rhythm(msgspec.Struct):
    """What is known of one source; all of it can be kept in a file."""

    entries: int = 0
    observed_s: float = 0.0
    """For how long the source was listened to, between its entries."""
    pauses: int = 0
    paused_s: float = 0.0
    """All usual pauses together."""
    silent_s: float = 0.0
    """All pauses together that were called silence."""
    recent_s: list[float] = []
    """The last pauses, the newest last."""
    longest_s: list[float] = []
    """The longest usual pause of each day, today last."""
    day: int = 0
    """Which day of `observed_s` today is."""
    exceptional: list[Exceptional] = []

    def heard(self, pause_s: float, entries: int, *, silent: bool = False) -> None:
        """The source spoke.

        Args:
            pause_s: since it did last, seconds.
            entries: how many came at once.
            silent: it had been called silent.
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
        """The source spoke, but nobody knows when it did before: nothing is learned of the time between."""
        self.entries += entries

    def _turn_days(self) -> None:
        today = int(self.observed_s / DAY_S)
        fresh = min(today - self.day, DAYS_MAX) if self.longest_s else 1
        if fresh:
            self.longest_s = [*self.longest_s, *[0.0] * fresh][-DAYS_MAX:]
        self.day = today

    @property
    def _awake_s(self) -> float:
        """For how long it went about its usual business, seconds."""
        return self.observed_s - self.silent_s

    @property
    def _streams(self) -> bool:
        """Whether it speaks without a pause for most of the time."""
        return not self.recent_s or self.paused_s < self._awake_s / 2

    @property
    def typical_s(self) -> float | None:
        """The typical interval, seconds; None: not known yet. For a stream, the mean time between entries."""
        if not self._streams:
            return median(self.recent_s)
        if self.entries < STEADY_ENTRIES_MIN or self._awake_s <= 0:
            return None
        return self._awake_s / self.entries

    @property
    def longest_usual_s(self) -> float:
        """The longest pause of the last fortnight that is no exception, seconds."""
        since = self.observed_s - DAYS_MAX * DAY_S
        exceptions = sorted(one.pause_s for one in self.exceptional if one.at_s >= since)
        return max([0.0, *self.longest_s, *exceptions[-2:-1]])

    def late_after_s(self) -> float:
        """After what pause the source is late, seconds; `NEVER`: it can't be told."""
        typical = self.typical_s
        if typical is None:
            return NEVER
        return max(LATE_S_MIN, STEADY_FACTOR * typical, *self.recent_s)

    def silent_after_s(self, factor: float, silent_s_min: float) -> float:
        """After what pause the source is silent, seconds; `NEVER`: too little is known of it.

        Args:
            factor: how much longer than ever a pause must be.
            silent_s_min: how long it must be at least, seconds.
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
