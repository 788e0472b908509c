"""Numbers over time: mean, lowest, highest and last of a field a bucket; where a device booted; where all was silent.

Newest first: what is given up leaves the newest buckets right. Nothing is held but one block and the buckets.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

from logboom.formats.buckets import Buckets, microseconds
from logboom.formats.records import sender
from logboom.journal.matching import Filter, Matcher
from logboom.journal.measures import Measures
from logboom.journal.steps import Places

BLOCK_BYTES: Final = 128 << 10
"""Decoding and adding up a block holds the interpreter for about a millisecond."""

READ_BYTES_MAX: Final = 1 << 30
"""Journal bytes that are looked at for one picture; the time that a caller allows ends it sooner, as a rule."""

BOOTS_MAX: Final = 500
"""Boots that are told; a picture of more is a comb."""

SENDERS_MAX: Final = 10_000
"""Senders whose boots are told apart; others are left out."""

GAPS_MAX: Final = 1000
"""Silences that are remembered, the longest and newest: two buckets are the least, so a picture has no more."""

SILENCE_FACTOR: Final = 3
"""A silence is a gap when it is this many times longer than usual."""

SILENCE_BUCKETS: Final = 2
"""And when it can be seen in the picture."""

_EXACT_LINES: Final = 200
"""Blocks of fewer matches have each interval looked at. In larger ones that span no more than two buckets the
mean will do: it is a hundredth of what could make a gap."""


class Point:
    """A field in one bucket."""

    __slots__ = ("count", "high", "last", "low", "total")

    def __init__(self, numbers: list[float]) -> None:
        self.count = len(numbers)
        self.total = sum(numbers)
        self.low = min(numbers)
        self.high = max(numbers)
        self.last = numbers[-1]

    def add_older(self, numbers: list[float]) -> None:
        """Add what came before; the last value stays."""
        self.count += len(numbers)
        self.total += sum(numbers)
        self.low = min(self.low, *numbers)
        self.high = max(self.high, *numbers)


class Boot(NamedTuple):
    """A device began to count anew."""

    time: int
    """When its first entry came; microseconds since the epoch."""
    boot_seq: int


class Series(NamedTuple):
    """What was read. All times are microseconds since the epoch."""

    values: dict[str, dict[int, Point]]
    """By field and bucket; the bucket counts from the first."""
    boots: list[Boot]
    gaps: list[tuple[int, int]]
    complete: bool
    """False: it was given up; older buckets have too few values, or none."""


def read_series(
    places: Places,
    wanted: Filter,
    fields: Sequence[str],
    buckets: Buckets,
    give_up: Callable[[], bool] = lambda: False,
) -> Series:
    """Read some fields of the entries that match.

    Args:
        places: of the journal.
        wanted: which entries; by their receive time.
        fields: names as `records.numeric_fields` has them.
        buckets: of the picture.
        give_up: asked after each block; True ends the reading.
    """
    matcher = Matcher(wanted)
    start, end = places.bounds(wanted.since, wanted.until)
    reader, complete, bytes_left = _Reader(fields, buckets), True, READ_BYTES_MAX
    for step in places.steps_back(start, end):
        blocks = []
        for block in places.blocks(step.start, step.end, BLOCK_BYTES):
            blocks.append(reader.decode(matcher.matching(block)))
            bytes_left -= len(block.data)
        for lines in reversed(blocks):
            reader.add(lines)
        if step.start > start and (bytes_left <= 0 or give_up()):
            complete = False
            break
    return Series(reader.values, reader.boots(), reader.gaps(), complete)


class _Reader:
    """Adds up blocks, the newest first."""

    def __init__(self, fields: Sequence[str], buckets: Buckets) -> None:
        self._fields = list(dict.fromkeys(fields))
        self._measures = Measures(self._fields)
        self._buckets = buckets
        self._intervals: Counter[int] = Counter()
        self._silences: list[tuple[int, int]] = []
        self._oldest: int | None = None
        self._booted: dict[str, Boot] = {}
        self._boots: list[Boot] = []
        self.values: dict[str, dict[int, Point]] = {name: {} for name in self._fields}
        self.decode = self._measures.decode

    def add(self, lines: list[Any]) -> None:
        """Add a block that is older than all before."""
        if not lines:
            return
        times = _times([line.received_at for line in lines])
        self._add_intervals(times)
        self._add_boots(times, lines)
        width, first, size = self._buckets.width, self._buckets.first, self._buckets.size
        places = [moment // width - first for moment in times]
        for name in self._fields:
            numbers = self._measures.numbers(lines, name)
            if any(number is not None for number in numbers):
                self._add_numbers(self.values[name], places, numbers, size)

    @staticmethod
    def _add_numbers(
        points: dict[int, Point], places: list[int], numbers: list[float | None], size: int
    ) -> None:
        by_place: dict[int, list[float]] = {}
        if places[0] == places[-1] and places.count(places[0]) == len(places):
            by_place[places[0]] = [number for number in numbers if number is not None]
        else:
            for place, number in zip(places, numbers, strict=True):
                if number is not None:
                    by_place.setdefault(place, []).append(number)
        for place, some in by_place.items():
            if 0 <= place < size:
                point = points.get(place)
                if point is None:
                    points[place] = Point(some)
                else:
                    point.add_older(some)

    # --- silences

    def _add_intervals(self, times: list[int]) -> None:
        least = SILENCE_BUCKETS * self._buckets.width
        first, last, count = times[0], times[-1], len(times)
        if count > _EXACT_LINES and last - first <= least:
            self._intervals[(last - first) // (count - 1)] += count - 1
        else:
            for earlier, later in pairwise(times):
                self._add_interval(earlier, later, least)
        if self._oldest is not None:
            self._add_interval(last, self._oldest, least)
        self._oldest = first

    def _add_interval(self, earlier: int, later: int, least: int) -> None:
        interval = max(0, later - earlier)
        self._intervals[_rounded(interval)] += 1
        if interval > least and len(self._silences) < GAPS_MAX:
            self._silences.append((earlier, later))

    def gaps(self) -> list[tuple[int, int]]:
        """The silences that are longer than usual, oldest first."""
        usual = _median(self._intervals)
        least = max(SILENCE_FACTOR * usual, SILENCE_BUCKETS * self._buckets.width)
        return [(start, end) for start, end in reversed(self._silences) if end - start > least]

    # --- boots

    def _add_boots(self, times: list[int], lines: list[Any]) -> None:
        """Find where a sender's `boot_seq` changes: in a block, and between it and what is newer."""
        earliest: dict[str, Boot] = {}
        latest: dict[str, Boot] = {}
        for moment, line in self._boot_lines(times, lines):
            boot_seq = self._measures.boot_seq(line)
            if type(boot_seq) is not int:
                continue
            name, boot = sender(line.entry, line.source), Boot(moment, boot_seq)
            before = latest.setdefault(name, boot)
            if before is boot:
                earliest[name] = boot
            elif before.boot_seq != boot_seq:
                self._tell(boot)
                latest[name] = boot
        for name, boot in earliest.items():
            newer = self._booted.get(name)
            if newer is not None and newer.boot_seq != latest[name].boot_seq:
                self._tell(newer)
            if newer is not None or len(self._booted) < SENDERS_MAX:
                self._booted[name] = boot

    def _boot_lines(self, times: list[int], lines: list[Any]) -> Iterable[tuple[int, Any]]:
        """The lines to be looked at one by one: where all are of one sender and one boot, the first will do."""
        try:
            kinds = set(map(self._measures.kind, lines))
        except TypeError:  # a name that is a list or an object
            kinds = set()
        if len(kinds) == 1:
            return [(times[0], lines[0])]
        return zip(times, lines, strict=True)

    def _tell(self, boot: Boot) -> None:
        if len(self._boots) < BOOTS_MAX:
            self._boots.append(boot)

    def boots(self) -> list[Boot]:
        """Where devices booted, oldest first."""
        return sorted(self._boots)


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
    """To three binary digits: the usual interval is told well enough, by few numbers."""
    surplus = max(0, interval.bit_length() - 4)
    return interval >> surplus << surplus
