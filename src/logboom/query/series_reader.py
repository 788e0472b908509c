"""Numbers over time: mean, lowest, highest and last of a field a bucket; where a device booted; where all was silent.

Newest first: what is given up leaves the newest buckets right. Nothing is held but one block and the buckets.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, Final, NamedTuple

from logboom.formats.buckets import Buckets, microseconds
from logboom.formats.records import sender
from logboom.journal.log import Log, Step
from logboom.query.field_values import Measures
from logboom.query.matching import Filter, Matcher
from logboom.query.step_cache import StepCache

BLOCK_BYTES: Final = 128 << 10
"""Decoding and adding up a block holds the interpreter for about a millisecond."""

VALUES_MAX: Final = 50_000
"""Points, intervals and boots that are kept: 14 MB at most."""

BOOTS_MAX: Final = 500
"""Largest number of boots in an answer; a chart of more is a comb."""

SENDERS_MAX: Final = 10_000
"""Largest number of senders whose boots are distinguished; others are left out."""

BOOT_BITS_MAX: Final = 64
"""Longest `boot_seq` that is kept, bits: a number in JSON may have thousands of digits."""
GAPS_MAX: Final = 1000
"""Silences that are remembered, the longest and newest: two buckets are the least, so a picture has no more."""

SILENCE_FACTOR: Final = 3
"""A silence is a gap when it is this many times longer than usual."""

SILENCE_BUCKETS: Final = 2
"""And when it can be seen in the picture."""

_EXACT_LINES: Final = 200
"""Blocks of fewer matches have each interval looked at. In larger ones that span no more than two buckets the
mean will do: it is a hundredth of what could make a gap."""


class Point(NamedTuple):
    """A field in one bucket."""

    count: int  # type: ignore[assignment]  # hides tuple.count, which no point needs
    total: float
    low: float
    high: float
    last: float
    last_at: int
    """Time of the last value, microseconds since the epoch."""

    @classmethod
    def of(cls, numbers: list[float], last_at: int) -> "Point":
        """Return the point of some values, oldest first."""
        return cls(len(numbers), sum(numbers), min(numbers), max(numbers), numbers[-1], last_at)

    def after(self, older: "Point") -> "Point":
        """Return the point with what arrived before; the later of the last values stays."""
        last, last_at = (self if self.last_at >= older.last_at else older)[4:]
        return Point(
            self.count + older.count,
            self.total + older.total,
            min(self.low, older.low),
            max(self.high, older.high),
            last,
            last_at,
        )


class Boot(NamedTuple):
    """A device started."""

    time: int
    """Time of its first entry, microseconds since the epoch."""
    boot_seq: int


class Series(NamedTuple):
    """Result of a reading. All times are microseconds since the epoch."""

    values: dict[str, dict[int, Point]]
    """By field and bucket; the bucket counts from the first."""
    boots: list[Boot]
    gaps: list[tuple[int, int]]
    progress: float
    """Share of the entries that were looked at. Below 1 it was given up: older buckets have too few values, or none."""

    @property
    def complete(self) -> bool:
        """Return whether all entries were read."""
        return self.progress >= 1


class SeriesReader:
    """Reads a journal's series. Any number of threads may ask.

    Args:
        log: the journal.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._kept: StepCache[_Part] = StepCache(log, VALUES_MAX)

    def read(
        self,
        wanted: Filter,
        fields: Sequence[str],
        buckets: Buckets,
        give_up: Callable[[], bool] = lambda: False,
    ) -> Series:
        """Read some fields of the entries that match.

        Args:
            wanted: which entries; buckets are of their times, or of those of their arrival.
            fields: names as `records.numeric_fields` has them.
            buckets: of the picture.
            give_up: asked after each step of about a megabyte; True ends the reading.
        """
        names, width = tuple(dict.fromkeys(fields)), buckets.width
        read = partial(self._read, Measures(names, by_arrival=wanted.by_arrival), names, width)
        whole, progress = _Part(width), 1.0
        for taken in self._kept.back(wanted, (names, width), read, give_up):
            whole.add_older(taken.part)
            progress = taken.progress
        first, size = buckets.first, buckets.size
        values = {
            name: {
                cell - first: point
                for cell, point in whole.values.get(name, {}).items()
                if 0 <= cell - first < size
            }
            for name in names
        }
        return Series(values, sorted(whole.boots), whole.gaps(), progress)

    def _read(
        self, measures: Measures, fields: Sequence[str], width: int, step: Step, matcher: Matcher
    ) -> "_Part":
        """Read what matches in a step."""
        parts = [
            _part_of(measures, fields, width, lines)
            for block in self._log.blocks_of(step, BLOCK_BYTES)
            if (lines := measures.decode(matcher.matching(block)))
        ]
        if not parts:
            return _NOTHING
        return _NOTHING.with_older(parts[::-1])


class _Part:
    """The series of some entries in a row. All times are microseconds since the epoch."""

    __slots__ = (
        "_silence_least",
        "boots",
        "cells",
        "earliest",
        "ends",
        "intervals",
        "latest",
        "silences",
        "since",
        "until",
        "values",
        "width",
    )

    def __init__(self, width: int) -> None:
        self.width = width
        self._silence_least = SILENCE_BUCKETS * width
        self.since, self.until = 1 << 62, 0
        self.values: dict[str, dict[int, Point]] = {}
        """By field and bucket; the bucket counts from the epoch."""
        self.boots: list[Boot] = []
        self.earliest: dict[str, Boot] = {}
        """First boot of each sender."""
        self.latest: dict[str, Boot] = {}
        self.ends: tuple[int, int] | None = None
        """Times of the first and the last entry."""
        self.cells: set[int] = set()
        """Buckets with an entry, counted from the epoch."""
        self.intervals: Counter[int] = Counter()
        self.silences: list[tuple[int, int]] = []

    def __len__(self) -> int:
        points = sum(map(len, self.values.values()))
        boots = len(self.boots) + len(self.earliest) + len(self.latest)
        return points + boots + len(self.intervals) + len(self.silences) + len(self.cells)

    def with_older(self, older: "list[_Part]") -> "_Part":
        """The series of all of them, the newest of the older ones first."""
        whole = _Part(next((part.width for part in (self, *older) if part.width), 0))
        for part in (self, *older):
            whole.add_older(part)
        return whole

    def add_older(self, older: "_Part") -> None:
        """Add what came before all of it."""
        if older.ends is None:
            return
        self.since, self.until = min(self.since, older.since), max(self.until, older.until)
        for name, points in older.values.items():
            mine = self.values.setdefault(name, {})
            for cell, point in points.items():
                newer = mine.get(cell)
                mine[cell] = point if newer is None else newer.after(point)
        if self.ends is not None:
            self._add_interval(older.ends[1], self.ends[0])
        self.ends = (older.ends[0], older.ends[1] if self.ends is None else self.ends[1])
        self.cells |= older.cells
        self.intervals.update(older.intervals)
        self.silences += older.silences[: GAPS_MAX - len(self.silences)]
        self._add_boots(older)

    # --- silences

    def add_times(self, times: list[int]) -> None:
        """Take the times of a block. The order of arrival is not that of the entries' own times."""
        times = sorted(times)
        first, last, count = times[0], times[-1], len(times)
        self.cells.update(moment // self.width for moment in times)
        self.since, self.until, self.ends = min(times), max(times) + 1, (first, last)
        if count > _EXACT_LINES and last - first <= self._silence_least:
            self.intervals[(last - first) // (count - 1)] += count - 1
        else:
            for earlier, later in pairwise(times):
                self._add_interval(earlier, later)

    def _add_interval(self, earlier: int, later: int) -> None:
        interval = abs(later - earlier)
        self.intervals[_rounded(interval)] += 1
        if interval > self._silence_least and len(self.silences) < GAPS_MAX:
            self.silences.append((min(earlier, later), max(earlier, later)))

    def gaps(self) -> list[tuple[int, int]]:
        """Return the silences that are longer than usual, oldest first.

        Entries that arrived at another time may lie in a silence: they cut it, to the width of their buckets.
        """
        least = max(SILENCE_FACTOR * _median(self.intervals), self._silence_least)
        occupied = sorted(self.cells)
        found = {part for silence in self.silences for part in self._cut(silence, occupied)}
        return sorted((start, end) for start, end in found if end - start > least)

    def _cut(self, silence: tuple[int, int], occupied: list[int]) -> Iterator[tuple[int, int]]:
        """Yield the parts of a silence between the buckets within it that have entries."""
        start, end = silence
        inner = occupied[
            bisect_right(occupied, start // self.width) : bisect_left(occupied, end // self.width)
        ]
        for cell in inner:
            yield start, cell * self.width
            start = (cell + 1) * self.width
        yield start, end

    # --- boots

    def add_counted(self, name: str, boot: Boot) -> None:
        """A sender counts its boots: where that changes, it booted. Oldest entry first."""
        before = self.latest.get(name)
        if before is None:
            self.earliest[name] = self.latest[name] = boot
        elif before.boot_seq != boot.boot_seq:
            self._tell(boot)
            self.latest[name] = boot

    def _add_boots(self, older: "_Part") -> None:
        for name, boot in older.latest.items():
            newer = self.earliest.get(name)
            if newer is not None and newer.boot_seq != boot.boot_seq:
                self._tell(newer)
            if newer is not None or len(self.earliest) < SENDERS_MAX:
                self.earliest[name] = older.earliest[name]
                self.latest.setdefault(name, boot)
        self.boots += older.boots[: BOOTS_MAX - len(self.boots)]

    def _tell(self, boot: Boot) -> None:
        if len(self.boots) < BOOTS_MAX:
            self.boots.append(boot)


_NOTHING: Final = _Part(0)
"""Series of a step without a match, shared: of a rare match most steps hold none."""


def _part_of(measures: Measures, fields: Sequence[str], width: int, lines: list[Any]) -> _Part:
    """Return the series of the lines of a block."""
    part = _Part(width)
    times = _times(measures.times(lines))
    part.add_times(times)
    for moment, line in _boot_lines(measures, times, lines):
        boot_seq = measures.boot_seq(line)
        if type(boot_seq) is int and boot_seq.bit_length() <= BOOT_BITS_MAX:
            part.add_counted(sender(line.entry, line.source), Boot(moment, boot_seq))
    order = sorted(range(len(times)), key=times.__getitem__)
    times, lines = [times[number] for number in order], [lines[number] for number in order]
    for name in fields:
        numbers = measures.numbers(lines, name)
        if any(number is not None for number in numbers):
            part.values[name] = _points(times, width, numbers)
    return part


def _points(times: list[int], width: int, numbers: list[float | None]) -> dict[int, Point]:
    """Return a field's points by bucket.

    Args:
        times: microseconds, oldest first.
        width: of a bucket.
        numbers: one per time.
    """
    by_cell: dict[int, list[float]] = {}
    last_at: dict[int, int] = {}
    for moment, number in zip(times, numbers, strict=True):
        if number is not None:
            by_cell.setdefault(moment // width, []).append(number)
            last_at[moment // width] = moment
    return {cell: Point.of(some, last_at[cell]) for cell, some in by_cell.items()}


def _boot_lines(measures: Measures, times: list[int], lines: list[Any]) -> Iterable[tuple[int, Any]]:
    """The lines to be looked at one by one: where all are of one sender and one boot, the first will do."""
    try:
        kinds = set(map(measures.kind, lines))
    except TypeError:  # a name that is a list or an object
        kinds = set()
    if len(kinds) == 1:
        return [(times[0], lines[0])]
    return zip(times, lines, strict=True)


def _times(moments: list[str]) -> list[int]:
    """Receive times as numbers; those of one group are equal, and read once."""
    known: dict[str, int] = {}
    for moment in set(moments):
        try:
            known[moment] = microseconds(moment)
        except ValueError:  # damaged; not worth more than not to fail
            known[moment] = 0
    return [known[moment] for moment in moments]


def _median(numbers: Counter[int]) -> int:
    """The one in the middle; 0 when there are none."""
    left = sum(numbers.values()) // 2
    for number, count in sorted(numbers.items()):
        left -= count
        if left < 0:
            return number
    return 0


def _rounded(interval: int) -> int:
    """Return an interval with three binary digits: few numbers, precise enough for the usual interval."""
    surplus = max(0, interval.bit_length() - 4)
    return interval >> surplus << surplus
