"""How many entries of which level came when: exact counts over any time, newest first."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
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
from logboom.remembered import Remembered

CELLS_MAX: Final = 100_000
"""Counts that are kept, of one time and level each: 17 MB at most, and a day of a busy server."""

LEVELS_MAX: Final = 24
"""Levels that are counted by name; more are no help in a picture, and senders may invent any number."""
OTHERS: Final = "(OTHERS)"
TIMES_BYTES_MAX: Final = 1 << 20
"""Receive times and their cells: those of an hour of seconds, since blocks come in order."""
LEVEL_CHARS_MAX: Final = 32

_MINUTE_US: Final = 60 * MICROSECONDS
_TO_MINUTE, _TO_SECOND, _TO_MICROSECOND = (
    slice(RECEIVED_AT.start, RECEIVED_AT.start + len(time))
    for time in ("2025-01-01T00:00", "2025-01-01T00:00:00", "2025-01-01T00:00:00.000000")
)

Cells = Counter[tuple[int, str]]
"""Entries by time and level; the time counts cells of one resolution from the epoch."""


class Volume(NamedTuple):
    """What was counted."""

    levels: dict[str, list[int]]
    """By level, one number a bucket."""
    total: int
    complete: bool
    """False: it was given up; the newest buckets are right, older ones have too few."""


class _Counted:
    """The counts of some entries."""

    __slots__ = ("cells", "since", "until")

    def __init__(self, cells: Cells, resolution: int) -> None:
        self.cells = cells
        self.since = min((cell for cell, _ in cells), default=1 << 62) * resolution
        self.until = (max((cell for cell, _ in cells), default=-1) + 1) * resolution

    def __len__(self) -> int:
        return len(self.cells)


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
        resolution = buckets.width if buckets.width % _MINUTE_US else _MINUTE_US
        cells, complete = Cells(), True
        for part, goes_on in self._kept.back(wanted, resolution, partial(self._read, resolution)):
            cells.update(part.cells)
            if goes_on and give_up():
                complete = False
                break
        return _picture(cells, resolution, buckets, complete=complete)

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
    """Count some lines. Those of one minute, as most are, need not be looked at one by one."""
    if not resolution % _MINUTE_US and data.count(b"\n" + data[: _TO_MINUTE.stop]) == len(found) - 1:
        cell = _cell[data[_TO_MINUTE], resolution]
        if cell is not None:
            return _cells_of(cell, count_levels(found))
    return _count_each(data, level_names(found), resolution)


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
    part = _TO_SECOND if not resolution % MICROSECONDS else _TO_MICROSECOND
    part = _TO_MINUTE if not resolution % _MINUTE_US else part
    cells, position = Cells(), 0
    for key, same in groupby([line[part] for line in data.split(b"\n")[: len(levels)]]):
        end = position + sum(1 for _ in same)
        cell = _cell[key, resolution]
        if cell is not None:
            cells.update(_cells_of(cell, Counter(levels[position:end])))
        position = end
    return cells


def _make_cell(moment_and_resolution: tuple[bytes, int]) -> int | None:
    """The cell of a receive time; None when it is damaged."""
    moment, resolution = moment_and_resolution
    try:
        return microseconds(f"{moment.decode('ascii')}+00:00") // resolution
    except ValueError:
        return None


_cell: Final = Remembered(_make_cell, TIMES_BYTES_MAX)


def _picture(cells: Cells, resolution: int, buckets: Buckets, *, complete: bool) -> Volume:
    """The counts by level and bucket. What lies outside all buckets (a clock was set back) is left out."""
    totals: Counter[str] = Counter()
    for (_, level), number in cells.items():
        totals[level] += number
    named = {level for level, _ in totals.most_common(LEVELS_MAX)}
    levels: dict[str, list[int]] = {}
    total, size, first = 0, buckets.size, buckets.first
    for (cell, level), number in cells.items():
        place = cell * resolution // buckets.width - first
        if 0 <= place < size:
            row = levels.setdefault(level if level in named else OTHERS, [0] * size)
            row[place] += number
            total += number
    return Volume(levels, total, complete)
