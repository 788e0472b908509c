"""Volume: exact counts of entries by time and level, newest first."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple

from logboom.formats.buckets import Buckets
from logboom.formats.envelope import RECEIVED_AT
from logboom.formats.levels import severity
from logboom.formats.records import records_of
from logboom.formats.times import iso_from_ns
from logboom.journal.log import Block, Log, Step
from logboom.journal.step_times import ALWAYS, Times, TimeSpan
from logboom.query.entry_facts import count_levels, level_names, read_levels, read_timed_levels
from logboom.query.line_times import time_of_line
from logboom.query.matching import Filter, Matcher
from logboom.query.roll_up import RollUp, SourceCells
from logboom.query.spans import Steps, span_of
from logboom.query.step_cache import StepCache
from logboom.query.time_cells import ends_of, moment_of, runs_of

CELLS_MAX: Final = 100_000
"""Kept counts, of one bar and level each: 17 MB at most. One picture has 2,000 bars of 25 levels at most."""

LEVELS_MAX: Final = 24
"""Levels that are counted by name; more are no help in a picture, and senders may invent any number."""
OTHERS: Final = "(OTHERS)"
LEVEL_CHARS_MAX: Final = 32

Cells = Counter[tuple[int, str]]
"""Entries by bar and level; bars are numbered from the epoch."""


class Volume(NamedTuple):
    """Result of a count."""

    levels: dict[str, list[int]]
    """By level, one number a bucket."""
    total: int
    progress: float
    """Share of the entries that were looked at. Below 1 it was given up: older buckets have too few, or none."""

    @property
    def complete(self) -> bool:
        """Return whether all entries were counted."""
        return self.progress >= 1


class _Counted:
    """The counts of some entries in a row."""

    __slots__ = ("cells", "since", "until")

    def __init__(self, cells: Cells, since: int, until: int) -> None:
        self.cells = _with_levels_max(cells)
        self.since = since
        self.until = until

    def __len__(self) -> int:
        return len(self.cells)

    def with_older(self, older: "list[_Counted]") -> "_Counted":
        """The counts of all of them."""
        return _together((self, *older))


def _together(parts: "Sequence[_Counted]") -> _Counted:
    cells = Cells()
    for one in parts:
        cells.update(one.cells)
    return _Counted(
        cells,
        min((one.since for one in parts), default=ALWAYS),
        max((one.until for one in parts), default=0),
    )


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


_NOTHING: Final = _together(())


class VolumeCounter:
    """Counts a journal's entries. Any number of threads may ask.

    Args:
        log: the journal.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._kept: StepCache[_Counted] = StepCache(log, CELLS_MAX)

    def count(self, wanted: Filter, buckets: Buckets, give_up: Callable[[], bool] = lambda: False) -> Volume:
        """Count what matches.

        Args:
            wanted: its times bound the count as well as the buckets do.
            buckets: for the picture.
            give_up: asked after each step of about a megabyte; True ends the count.
        """
        cells, progress = Cells(), 1.0
        read = partial(self._read, buckets.width, wanted.by_arrival)
        usable = partial(_is_usable, wanted, buckets.width) if can_roll_up(wanted) else None
        for taken in self._kept.back(wanted, buckets.width, read, give_up, usable):
            cells.update(taken.part.cells)
            progress = taken.progress
        return _picture(cells, buckets, progress)

    def _read(self, resolution: int, by_arrival: bool, step: Step, matcher: Matcher) -> _Counted:
        """Count what matches in a step."""
        if step.counts is not None and step.times is not None:
            return self._rolled_up(resolution, step, matcher.wanted)
        parts = []
        for block in self._log.blocks_of(step):
            found = matcher.matching(block, as_stored=by_arrival)
            if isinstance(found, Block):
                data, count = found.data, found.count
            else:
                data, count = b"".join([line + b"\n" for _, line in found]), len(found)
            if count:
                parts.append(_count(data, count, resolution, by_arrival=by_arrival))
        return _together(parts) if parts else _NOTHING  # of a rare match most steps hold nothing

    def _rolled_up(self, resolution: int, step: Step, wanted: Filter) -> _Counted:
        """Count what matches in a segment, from its roll-up; the cells that a limit of time cuts are read."""
        times, span = step.times or Times(), span_of(wanted) or TimeSpan()
        width, counts = _cells_of_counts(step.counts or b"", wanted)
        low, high = -(-span.since // width), span.until // width
        cells, edges = Cells(), set[int]()
        for (cell, level), number in counts.items():
            if low <= cell < high:
                cells[cell * width // resolution, level[:LEVEL_CHARS_MAX]] += number
            elif cell in (low - 1, high):
                edges.add(cell)
        parts = [_Counted(cells, times.low, times.high + 1)] if cells else []
        for cell in sorted(edges):
            edge = _within(wanted, max(span.since, cell * width), min(span.until, (cell + 1) * width))
            for part, matcher in Steps(self._log, edge).back(step.start, step.end):
                parts.append(self._read(resolution, wanted.by_arrival, part, matcher))
        return _together(parts) if parts else _NOTHING


def can_roll_up(wanted: Filter) -> bool:
    """Return whether a filter asks for nothing but what roll-ups count by."""
    plain = Filter(wanted.level_min, wanted.source, wanted.listener, since=wanted.since, until=wanted.until)
    return wanted == plain


def _is_usable(wanted: Filter, resolution: int, counts: bytes) -> bool:
    """Return whether a roll-up has cells that fit into the bars."""
    width = RollUp(counts).sources_width if wanted.source else RollUp(counts).volume_width
    return width is not None and not resolution % width


def _cells_of_counts(counts: bytes, wanted: Filter) -> tuple[int, Counter[tuple[int, str]]]:
    """Return the width of a roll-up's cells, and the entries that match by cell and level, whatever their time."""
    found: Counter[tuple[int, str]] = Counter()
    section = RollUp(counts).sources() if wanted.source else RollUp(counts).volume()
    if section is None:
        return 1, found
    is_wanted = [
        wanted.level_min is None or (severity(level) or 0) >= wanted.level_min for level in section.levels
    ]
    if isinstance(section, SourceCells):
        places = [wanted.source in row[1:] and wanted.listener in ("", row[0]) for row in section.rows]
    else:
        places = [wanted.listener in ("", listener) for listener in section.listeners]
    levels = section.levels
    for cell, level, place, number in section.cells:
        if is_wanted[level] and places[place]:
            found[cell, levels[level]] += number
    return section.width, found


def _within(wanted: Filter, since: int, until: int) -> Filter:
    """Return a filter with other limits of time; microseconds since the epoch."""
    return wanted._replace(since=iso_from_ns(since * 1000), until=iso_from_ns(until * 1000))


def _count(data: bytes, count: int, resolution: int, *, by_arrival: bool) -> _Counted:
    """Count some lines. Where all are of one bar, as most are, they need not be looked at one by one."""
    found = read_levels(data, count) if by_arrival else read_timed_levels(data, count)
    if found is None:
        return _count_damaged(data, count, resolution, by_arrival=by_arrival)
    if by_arrival:
        moments = [line[RECEIVED_AT] for line in data.split(b"\n")[:count]]
    else:
        moments = [time_of_line(line).encode(errors="replace") for line in found]
    ends = ends_of(moments)
    if ends is None:
        return _count_each(moments, level_names(found), resolution)
    low, high = ends
    if low // resolution == high // resolution:
        return _Counted(_cells_of(low // resolution, count_levels(found)), low, high + 1)
    return _Counted(_cells_each(moments, level_names(found), resolution), low, high + 1)


def _cells_of(cell: int, counts: Counter[str]) -> Cells:
    """One time's counts. Names are cut before anything is kept: they may have a megabyte."""
    cells = Cells()
    for level, number in counts.items():
        cells[cell, level[:LEVEL_CHARS_MAX]] += number
    return cells


def _count_damaged(data: bytes, count: int, resolution: int, *, by_arrival: bool) -> _Counted:
    """Count lines of which some are damaged; those that can't be read are no entries."""
    records = records_of(range(count), data, with_times=not by_arrival)
    moments = [
        (record.received_at if by_arrival else record.time).encode(errors="replace") for record in records
    ]
    return _count_each(moments, [record.level for record in records], resolution)


def _count_each(moments: Sequence[bytes], levels: Sequence[str], resolution: int) -> _Counted:
    """Count lines of which some may have a damaged time: those are left out."""
    known = [moment for text in set(moments) if (moment := moment_of(text)) is not None]
    cells = _cells_each(moments, levels, resolution)
    return _Counted(cells, min(known, default=ALWAYS), max(known, default=-1) + 1)


def _cells_each(moments: Sequence[bytes], levels: Sequence[str], resolution: int) -> Cells:
    cells = Cells()
    for cell, start, end in runs_of(moments, resolution):
        cells.update(_cells_of(cell, Counter(levels[start:end])))
    return cells


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
