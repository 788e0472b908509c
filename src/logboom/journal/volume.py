"""How many entries of which level came when: exact counts over any time, newest first."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from itertools import groupby
from typing import Any, Final, NamedTuple

from logboom.formats.buckets import MICROSECONDS, Buckets, microseconds
from logboom.formats.envelope import RECEIVED_AT
from logboom.formats.records import records_of
from logboom.journal.facts import count_levels, level_names, read_levels
from logboom.journal.kept import KeptSteps
from logboom.journal.matching import Filter, Matcher
from logboom.journal.reader import Block
from logboom.journal.steps import Places, Step, step_data

CELLS_MAX: Final = 100_000
"""Kept counts, of one bar and level each: 17 MB at most. One picture has 2,000 bars of 25 levels at most."""

LEVELS_MAX: Final = 24
"""Levels that are counted by name; more are no help in a picture, and senders may invent any number."""
OTHERS: Final = "(OTHERS)"
LEVEL_CHARS_MAX: Final = 32

_MINUTE_US: Final = 60 * MICROSECONDS

_UNITS: Final = (
    (24 * 60 * _MINUTE_US, "2025-01-01", "T00:00+00:00"),
    (60 * _MINUTE_US, "2025-01-01T00", ":00+00:00"),
    (_MINUTE_US, "2025-01-01T00:00", "+00:00"),
    (MICROSECONDS, "2025-01-01T00:00:00", "+00:00"),
    (1, "2025-01-01T00:00:00.000000", "+00:00"),
)
"""Units of time in microseconds, the part of a receive time that identifies each, and what completes that to a time."""

Cells = Counter[tuple[int, str]]
"""Entries by bar and level; bars are numbered from the epoch."""


class Volume(NamedTuple):
    """What was counted."""

    levels: dict[str, list[int]]
    """By level, one number a bucket."""
    total: int
    progress: float
    """Share of the entries that were looked at. Below 1 it was given up: older buckets have too few, or none."""

    @property
    def complete(self) -> bool:
        """Whether all entries were looked at."""
        return self.progress >= 1


class _Counted:
    """The counts of some entries in a row."""

    __slots__ = ("cells", "since", "until", "width")

    def __init__(self, cells: Cells, width: int) -> None:
        self.cells = _with_levels_max(cells)
        self.width = width
        self.since = min((cell for cell, _ in cells), default=1 << 62) * width
        self.until = (max((cell for cell, _ in cells), default=-1) + 1) * width

    def __len__(self) -> int:
        return len(self.cells)

    def with_older(self, older: "list[_Counted]") -> "_Counted":
        """The counts of both."""
        cells = Cells(self.cells)
        for one in older:
            cells.update(one.cells)
        return _Counted(cells, self.width)


def _with_levels_max(cells: Cells) -> Cells:
    """The cells with at most `LEVELS_MAX` levels by name."""
    levels = {level for _, level in cells}
    if len(levels) <= LEVELS_MAX:
        return cells
    named = _most_common(cells)
    bounded = Cells()
    for (cell, level), number in cells.items():
        bounded[cell, level if level in named else OTHERS] += number
    return bounded


def _most_common(cells: Cells) -> set[str]:
    """The levels of the most entries, `LEVELS_MAX` at most and `OTHERS` not among them."""
    totals: Counter[str] = Counter()
    for (_, level), number in cells.items():
        totals[level] += number
    totals.pop(OTHERS, None)
    return {level for level, _ in totals.most_common(LEVELS_MAX)}


_NOTHING: Final = _Counted(Cells(), 1)


class VolumeCounter:
    """Counts a journal's entries. Any number of threads may ask.

    Args:
        places: of the journal.
    """

    def __init__(self, places: Places) -> None:
        self._places = places
        self._kept: KeptSteps[_Counted] = KeptSteps(places, CELLS_MAX)

    def count(self, wanted: Filter, buckets: Buckets, give_up: Callable[[], bool] = lambda: False) -> Volume:
        """Count what matches.

        Args:
            wanted: its times bound the count as well as the buckets do.
            buckets: for the picture.
            give_up: asked after each step of about a megabyte; True ends the count.
        """
        cells, progress = Cells(), 1.0
        for part, progress in self._kept.back(wanted, buckets.width, partial(self._read, buckets.width)):
            cells.update(part.cells)
            if progress < 1 and give_up():
                break
        return _picture(cells, buckets, progress)

    def _read(self, resolution: int, step: Step, matcher: Matcher) -> _Counted:
        """Count what matches in a step."""
        counted = _count_whole(step, resolution) if step.whole and matcher.takes_everything else None
        if counted is not None:
            return counted
        cells = Cells()
        for block in self._places.blocks_of(step):
            found = matcher.matching(block)
            if isinstance(found, Block):
                data, count = found.data, found.count
            else:
                data, count = b"".join([line + b"\n" for _, line in found]), len(found)
            if count:
                levels = read_levels(data, count)
                cells.update(
                    _count_damaged(data, count, resolution)
                    if levels is None
                    else _count(data, levels, resolution)
                )
        return _Counted(cells, resolution) if cells else _NOTHING  # of a rare match most steps hold nothing


def _count_whole(step: Step, resolution: int) -> _Counted | None:
    """Count all of a step; None when it holds anything but its lines, for the thorough reader to look at."""
    cells, count = Cells(), 0
    for data in step_data(step):
        found = read_levels(data)
        if found is None:
            return None
        cells.update(_count(data, found, resolution))
        count += len(found)
    return _Counted(cells, resolution) if count == step.end - step.start else None


def _count(data: bytes, found: Sequence[Any], resolution: int) -> Cells:
    """Count some lines. Where all are of one unit of time, as most are, they need not be looked at one by one."""
    unit = _unit_of(resolution)
    if data.count(b"\n" + data[: unit.place.stop]) == len(found) - 1:
        cell = _cell(data[unit.place], unit.rest, resolution)
        if cell is not None:
            return _cells_of(cell, count_levels(found))
    return _count_each(data, level_names(found), resolution)


class _Unit(NamedTuple):
    """A unit of time, as receive times show it."""

    place: slice
    """Where it stands in a journal line."""
    rest: str
    """What makes a time of it."""


@lru_cache(maxsize=64)  # one per width that buckets may have
def _unit_of(resolution: int) -> _Unit:
    """The longest unit that is a divisor of a resolution."""
    shown, rest = next((shown, rest) for size, shown, rest in _UNITS if not resolution % size)
    return _Unit(slice(RECEIVED_AT.start, RECEIVED_AT.start + len(shown)), rest)


def _cells_of(cell: int, counts: Counter[str]) -> Cells:
    """One time's counts. Names are cut before anything is kept: they may have a megabyte."""
    cells = Cells()
    for level, number in counts.items():
        cells[cell, level[:LEVEL_CHARS_MAX]] += number
    return cells


def _count_damaged(data: bytes, count: int, resolution: int) -> Cells:
    """Count lines of which some are damaged; those that nobody can read are no entries."""
    records = records_of(range(count), data, with_times=False)
    lines = data.split(b"\n")
    good = b"".join([lines[record.sequence] + b"\n" for record in records])
    return _count_each(good, [record.level for record in records], resolution)


def _count_each(data: bytes, levels: Sequence[str], resolution: int) -> Cells:
    place, rest = _unit_of(resolution)
    cells, position = Cells(), 0
    for key, same in groupby([line[place] for line in data.split(b"\n")[: len(levels)]]):
        end = position + sum(1 for _ in same)
        cell = _cell(key, rest, resolution)
        if cell is not None:
            cells.update(_cells_of(cell, Counter(levels[position:end])))
        position = end
    return cells


@lru_cache(maxsize=4096)  # the times of an hour of seconds: blocks come in order
def _cell(shown: bytes, rest: str, resolution: int) -> int | None:
    """The cell of a receive time; None when it is damaged."""
    try:
        return microseconds(shown.decode("ascii") + rest) // resolution
    except ValueError:
        return None


def _picture(cells: Cells, buckets: Buckets, progress: float) -> Volume:
    """The counts by level and bucket. What lies outside all buckets (a clock was set back) is left out."""
    named = _most_common(cells)
    levels: dict[str, list[int]] = {}
    total, size, first = 0, buckets.size, buckets.first
    for (cell, level), number in cells.items():
        place = cell - first
        if 0 <= place < size:
            row = levels.setdefault(level if level in named else OTHERS, [0] * size)
            row[place] += number
            total += number
    return Volume(levels, total, progress)
