"""How many entries of which level came when: exact counts over any time, newest first.

A step of the index never changes once the next one has begun, so its counts are kept: asking again costs a
look at each step, and reading only what is new.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Final, NamedTuple

from logboom.formats.buckets import MICROSECONDS, Buckets, microseconds
from logboom.formats.records import records_of
from logboom.journal.facts import LevelLine, count_levels, level_names, read_levels
from logboom.journal.matching import Filter, Matcher
from logboom.journal.reader import Block
from logboom.journal.steps import Places, Step, step_data

CELLS_MAX: Final = 100_000
"""Counts that are kept, of one time and level each: 13 MB at most, and a day of a busy server."""

LEVELS_MAX: Final = 24
"""Levels that are counted by name; more are no help in a picture, and senders may invent any number."""
OTHERS: Final = "(OTHERS)"
LEVEL_CHARS_MAX: Final = 32

_MINUTE_US: Final = 60 * MICROSECONDS
_HEAD: Final = len('{"received_at":"')
_TO_MINUTE: Final = slice(_HEAD, _HEAD + len("2025-01-01T00:00"))
_TO_SECOND: Final = slice(_HEAD, _HEAD + len("2025-01-01T00:00:00"))
_TO_MICROSECOND: Final = slice(_HEAD, _HEAD + len("2025-01-01T00:00:00.000000"))

Cells = Counter[tuple[int, str]]
"""Entries by time and level; the time counts cells of one resolution from the epoch."""


class Volume(NamedTuple):
    """What was counted."""

    levels: dict[str, list[int]]
    """By level, one number a bucket."""
    total: int
    complete: bool
    """False: it was given up; the newest buckets are right, older ones have too few."""


class VolumeCounter:
    """Counts a journal's entries. Any number of threads may ask.

    Args:
        places: of the journal.
    """

    def __init__(self, places: Places) -> None:
        self._places = places
        self._kept = _Kept()

    def count(self, wanted: Filter, buckets: Buckets, give_up: Callable[[], bool] = lambda: False) -> Volume:
        """Count what matches.

        Args:
            wanted: its times bound the count as well as the buckets do.
            buckets: for the picture.
            give_up: asked after each step of about a megabyte; True ends the count.
        """
        start, end = self._places.bounds(wanted.since, wanted.until)
        resolution = buckets.width if buckets.width % _MINUTE_US else _MINUTE_US
        times = (microseconds(wanted.since) if wanted.since else 0, _until(wanted))
        is_plain = wanted._replace(since="", until="") == Filter()
        matcher, cells, complete = Matcher(wanted), Cells(), True
        for step in self._places.steps_back(start, end):
            whole = self._cells_of_step(step, resolution) if is_plain and step.whole else None
            if whole is None or not _lies_within(whole, resolution, times):
                whole = _count_all(self._places.blocks(step.start, step.end), matcher, resolution)
            cells.update(whole)
            if step.start > start and give_up():
                complete = False
                break
        return _picture(cells, resolution, buckets, complete=complete)

    def _cells_of_step(self, step: Step, resolution: int) -> Cells | None:
        """The counts of a whole step; None when it can't be read as one."""
        cells = self._kept.get(step.start, resolution)
        if cells is None:
            cells = _count_step(step, resolution)
            if cells is not None:
                self._kept.put(step.start, resolution, cells)
        return cells


class _Kept:
    """The counts of steps, the newest of them: those are asked for again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cells: dict[tuple[int, int], Cells] = {}
        self._size = 0
        self._floor = -1

    def get(self, sequence: int, resolution: int) -> Cells | None:
        """What is kept of the step that starts with `sequence`."""
        return self._cells.get((sequence, resolution))

    def put(self, sequence: int, resolution: int, cells: Cells) -> None:
        """Keep a step's counts, and forget the oldest ones when there are too many."""
        with self._lock:
            if sequence <= self._floor or (sequence, resolution) in self._cells:
                return
            self._cells[sequence, resolution] = cells
            self._size += len(cells) + 1
            while self._size > CELLS_MAX:
                oldest = min(self._cells)
                self._size -= len(self._cells.pop(oldest)) + 1
                self._floor = oldest[0]


def _until(wanted: Filter) -> int:
    return microseconds(wanted.until) if wanted.until else 1 << 62


def _lies_within(cells: Cells, resolution: int, times: tuple[int, int]) -> bool:
    """Whether none of the cells is cut by the ends of a time."""
    moments = {cell * resolution for cell, _ in cells}
    return not moments or (times[0] <= min(moments) and max(moments) + resolution <= times[1])


def _count_step(step: Step, resolution: int) -> Cells | None:
    """Count a whole step; None when it holds anything but its lines, for the thorough reader to look at."""
    cells, count = Cells(), 0
    for data in step_data(step):
        found = read_levels(data)
        if found is None:
            return None
        cells.update(_count(data, found, resolution))
        count += len(found)
    return cells if count == step.end - step.start else None


def _count_all(blocks: Iterable[Block], matcher: Matcher, resolution: int) -> Cells:
    """Count what matches."""
    cells = Cells()
    for block in blocks:
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
    return cells


def _count(data: bytes, found: Sequence[LevelLine], resolution: int) -> Cells:
    """Count some lines. Those of one minute, as most are, need not be looked at one by one."""
    if not resolution % _MINUTE_US and data.count(b"\n" + data[: _TO_MINUTE.stop]) == len(found) - 1:
        cell = _cell(data[_TO_MINUTE], resolution)
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
        cell = _cell(key, resolution)
        if cell is not None:
            cells.update(_cells_of(cell, Counter(levels[position:end])))
        position = end
    return cells


@lru_cache(maxsize=4096)  # the times of an hour of seconds: blocks come in order
def _cell(moment: bytes, resolution: int) -> int | None:
    """The cell of a receive time; None when it is damaged."""
    try:
        return microseconds(f"{moment.decode('ascii')}+00:00") // resolution
    except ValueError:
        return None


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
