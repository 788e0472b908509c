"""Time ranges of queries: the steps of a log that can hold matching entries."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from logboom.formats.buckets import microseconds
from logboom.formats.entry_time import AHEAD_US_MAX
from logboom.formats.times import iso_from_ns
from logboom.journal.log import Log, Step, Usable
from logboom.journal.step_times import ALWAYS, TimeSpan
from logboom.query.filter.needed_words import word_test
from logboom.query.matching import Filter, Matcher

RANGES_MAX: Final = 20_000
"""Ranges of one query, some 3 MB: beyond, what lies between them is read as well."""


class Range(NamedTuple):
    """Sequences in a row that are searched with one matcher."""

    start: int
    end: int
    """The sequence after the last one."""
    matcher: Matcher


def span_of(wanted: Filter) -> TimeSpan | None:
    """Return the span of time of a filter; None when it has no limits."""
    if not wanted.since and not wanted.until:
        return None
    since = microseconds(wanted.since) if wanted.since else 0
    until = microseconds(wanted.until) if wanted.until else ALWAYS
    return TimeSpan(since, until, wanted.by_arrival)


def bounds_of(log: Log, wanted: Filter, start: int = 0, end: int | None = None) -> tuple[int, int]:
    """Return the range of sequences that can match, from `start` to before `end`.

    An entry of any time may arrive later, but its time is at most `AHEAD_US_MAX` after its arrival.
    """
    if wanted.by_arrival:
        return log.bounds(wanted.since, wanted.until, start, end)
    earliest = max(0, microseconds(wanted.since) - AHEAD_US_MAX) if wanted.since else 0
    return log.bounds(iso_from_ns(earliest * 1000) if earliest else "", "", start, end)


class Steps:
    """The steps that can match, each with the matcher to look through it.

    Args:
        log: the journal.
        wanted: which entries.
    """

    def __init__(self, log: Log, wanted: Filter) -> None:
        self._log = log
        self._span = span_of(wanted)
        self._words = word_test(wanted.condition())
        self._limited = Matcher(wanted)
        self._timeless = Matcher(wanted.timeless()) if self._span is not None else self._limited

    def back(self, start: int, end: int, usable: Usable | None = None) -> Iterator[tuple[Step, Matcher]]:
        """Yield the steps from the one before `end` back to the one that holds `start`.

        Args:
            start: the first sequence.
            end: the sequence after the last one.
            usable: returns whether a roll-up will do; a segment is then one step, if all of it is within the limits
                of time.
        """
        span = self._span
        for step in self._log.steps_back(start, end, span, usable, self._words):
            if step.counts is not None and span is not None and not (step.times and step.times.within(span)):
                yield from self.back(step.start, step.end)
                continue
            times = step.times
            if span is None or times is None:
                yield step, self._limited
            elif times.meets(span):
                yield step, self._timeless if times.within(span) else self._limited

    def ranges(self, start: int, end: int) -> list[Range]:
        """Return the same sequences as ranges, oldest first: neighbours with the same matcher are one."""
        if self._span is None and self._words is None:
            return [Range(start, end, self._limited)] if start < end else []
        found: list[Range] = []
        for step, matcher in self.back(start, end):
            if step.start == step.end:
                continue
            if found and found[-1].start == step.end and found[-1].matcher is matcher:
                found[-1] = found[-1]._replace(start=step.start)
            else:
                found.append(Range(step.start, step.end, matcher))
                if len(found) > RANGES_MAX:
                    found = self._joined(found)
        return found[::-1]

    def _joined(self, ranges: list[Range]) -> list[Range]:
        """Return half as many ranges, newest first: each two with the lines between them, which can't match."""
        pairs = zip(ranges[::2], ranges[1::2], strict=False)
        joined = [Range(older.start, newer.end, self._limited) for newer, older in pairs]
        return joined + ranges[len(ranges) // 2 * 2 :]
