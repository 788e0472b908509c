"""Writes the starts of boots that were learned into the files of the journal's segments (`journal.device_clock`)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from logboom.journal.device_clock import BootStart, change_clock, read_clock
from logboom.journal.segments import Segment, find_segment, list_segments
from logboom.ops.devices.boot_clock import BootClock, BootPart

MOVED_US: Final = 250_000
"""Change of a start, microseconds, from which on it is written again: what was made of the lines is made again then."""

COPY_SEGMENTS_MAX: Final = 64
"""Segments that are looked through for the start of a boot, the newest: each takes a millisecond."""

Rows = dict[tuple[str, str, int, int], BootStart]


class BootKey(NamedTuple):
    """A boot of a device."""

    listener: str
    name: str
    boot: int


class ClockWriter:
    """Writes starts of boots to the segments that have lines of them. Used on one thread.

    Args:
        folder: the journal's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, boots: Iterable[tuple[BootKey, BootClock]], *, again: bool = False) -> None:
        """Write what changed since it was last written.

        Args:
            boots: those that may have changed.
            again: also what did not: files may be missing.

        Raises:
            OSError: a file can't be written; it is written next time.
        """
        segments = list_segments(self._folder)
        plan = defaultdict[int, list[tuple[BootKey, BootClock]]](list)
        for key, clock in boots if segments else ():
            for number in _segments_of(segments, clock, again=again):
                plan[number].append((key, clock))
        for number, some in plan.items():
            end = segments[number + 1].first if number + 1 < len(segments) else 1 << 62
            try:
                change_clock(segments[number], partial(_change, some, segments[number], end))
            except OSError:
                for _, clock in some:
                    clock.is_written = None
                raise

    def copy(self, lines: Mapping[BootKey, int]) -> None:
        """Copy the starts of boots that are not learned from any more to the segments of lines that came late.

        Args:
            lines: by boot, the sequence of the first of these lines.

        Raises:
            OSError: a file can't be written.
        """
        segments = list_segments(self._folder)
        wanted = defaultdict[int, dict[BootKey, int]](dict)
        for key, sequence in lines.items() if segments else ():
            wanted[find_segment(segments, sequence)][key] = sequence
        for number, some in wanted.items():
            found = self._found(segments[max(0, number - COPY_SEGMENTS_MAX) : number + 1], some)
            if found:
                change_clock(segments[number], lambda rows, found=found: rows.update(found))  # type: ignore[misc]

    def _found(self, segments: Sequence[Segment], wanted: Mapping[BootKey, int]) -> Rows:
        """Return the newest starts of boots, as they apply to the last of some segments; none where it has them."""
        found, left = Rows(), set(wanted)
        for segment in reversed(segments):
            clock = read_clock(segment) if left else None
            of_boot = defaultdict[BootKey, list[BootStart]](list)
            for row in clock.rows if clock is not None else ():
                of_boot[BootKey(row.listener, row.name, row.boot)].append(row)
            for key in left & of_boot.keys():
                left.discard(key)
                if segment is not segments[-1]:
                    fresh = [msgspec.structs.replace(row, low=wanted[key]) for row in of_boot[key]]
                    found.update({row.key: row for row in fresh})
        return found


def _segments_of(segments: list[Segment], clock: BootClock, *, again: bool) -> set[int]:
    """Return the segments whose starts of a boot are to be written, and note that they are."""
    parts, found = clock.parts, set[int]()
    if clock.low < 0:
        return found
    everything = again or clock.is_written is not (clock.is_by_arrival if parts else None)
    if everything and (parts or clock.is_written is not None):
        found.update(range(find_segment(segments, clock.low), find_segment(segments, clock.high) + 1))
    clock.is_written = clock.is_by_arrival if parts else None
    for part in parts:
        if part.low < 0:
            continue
        first = part.written_to
        if part.written_us is None or abs(part.start_us - part.written_us) > MOVED_US:
            part.written_us, first = part.start_us, part.low
        last = find_segment(segments, part.high)
        if first == part.low or find_segment(segments, first) < last:
            found.update(range(find_segment(segments, first), last + 1))
        part.written_to = part.high
    return found


def _change(boots: Sequence[tuple[BootKey, BootClock]], segment: Segment, end: int, rows: Rows) -> None:
    """Put the starts of some boots into those of a segment."""
    of_boot = defaultdict[BootKey, list[BootStart]](list)
    for row in rows.values():
        of_boot[BootKey(row.listener, row.name, row.boot)].append(row)
    for key, clock in boots:
        parts, is_by_arrival = clock.parts, clock.is_by_arrival
        oldest_ms = parts[0].from_ms if parts else 0
        for row in of_boot.get(key, ()):
            if row.by_arrival != is_by_arrival or row.from_ms >= oldest_ms:
                del rows[row.key]
        for part in parts:
            if part.low >= 0 and part.low < end and part.high >= segment.first:
                fresh = _row(key, part, max(part.low, segment.first), is_by_arrival=is_by_arrival)
                rows[fresh.key] = fresh


def _row(key: BootKey, part: BootPart, low: int, *, is_by_arrival: bool) -> BootStart:
    start_us = part.start_us if part.written_us is None else part.written_us
    return BootStart(*key, part.from_ms, start_us, is_by_arrival, low)
