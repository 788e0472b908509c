"""Counting of a segment's lines for its roll-up, in bounded memory."""

from collections import Counter
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any, Final

from logboom.formats.buckets import microseconds
from logboom.formats.records import records_of, sender
from logboom.journal.counts import pack_counts
from logboom.journal.log import Block
from logboom.journal.step_times import Times
from logboom.query.entry_facts import read_timed_facts
from logboom.query.field_discovery import NAMES_MAX, Field, add_fields
from logboom.query.kinds import Kind, kinds_of
from logboom.query.line_times import time_of_line
from logboom.query.roll_up import (
    WIDTHS_US,
    FieldRows,
    KindCells,
    Sections,
    SourceCells,
    VolumeCells,
    packed_sections,
)
from logboom.remembered import Remembered

CELLS_MAX: Final = 4096
"""Cells by time of one section: a week of four levels at 5 minutes for each of two listeners is 16,000. Beyond, cells
get longer, so that a file stays at about 10 KB."""

ROWS_MAX: Final = 10_000
"""Senders of one segment, as many as `logboom stats` counts: each takes some 20 bytes of the file."""

KIND_CELLS_MAX: Final = 20_000
"""Combinations of sender, type and level."""

WORD_CHARS_MAX: Final = 64
"""Characters of a type or level that are kept: as many as statistics show."""

_KNOWN_MAX: Final = 20_000
"""Kinds of lines that are held, one line of each."""

_PLAIN_LINE_BYTES_MAX: Final = 2048
"""Mean length of lines that are counted by kind: longer ones may be kinds of a megabyte each."""

_MINUTES_BYTES_MAX: Final = 1 << 20
_minute_us: Final = Remembered[str, int](lambda text: microseconds(f"{text}:00+00:00"), _MINUTES_BYTES_MAX)

Place = tuple[str, str, str, str]
"""Listener, peer, own `source`, name of the sender."""


class _Cells:
    """Counts by time and something else, whose width grows until they are few enough."""

    def __init__(self) -> None:
        self._widths = list(WIDTHS_US)
        self.counts: Counter[tuple[int, Any, Any]] | None = Counter()
        """By cell and two other keys; None: they are too many at any width."""

    @property
    def width(self) -> int:
        return self._widths[0]

    def add(self, moment: int, one: Any, other: Any, number: int) -> None:
        if self.counts is None:
            return
        self.counts[moment // self.width, one, other] += number
        while self.counts is not None and len(self.counts) > CELLS_MAX:
            self._widen()

    def _widen(self) -> None:
        narrow = self._widths.pop(0)
        if not self._widths:
            self.counts = None
            return
        counts, self.counts = self.counts or Counter(), Counter()
        for (cell, one, other), number in counts.items():
            self.counts[cell * narrow // self.width, one, other] += number


class RollUpBuilder:
    """Counts the lines of one segment, block by block in their order."""

    def __init__(self) -> None:
        self._volume = _Cells()
        self._sources = _Cells()
        self._kinds: dict[tuple[str, str, str, str], list[int]] | None = {}
        """Entries and times by listener, sender, type and level; None: they are too many."""
        self._fields: dict[str, Field] = {}
        self._places: set[Place] = set()
        self._known: dict[Kind, Any] = {}
        self._times = Times()
        self.position = -1
        """The sequence after the last line that was counted."""

    def add(self, block: Block) -> bool:
        """Count a block; False: a line has a time that can't be read, and the segment no roll-up."""
        self.position = block.next_sequence
        try:
            if not self._add_kinds(block):
                self._add_records(block)
        except ValueError:  # a damaged receive time
            return False
        add_fields(block.data, block.count, self._fields)
        return True

    def packed(self, first: int, end: int, size: int) -> bytes:
        """Return the roll-up's file. See `counts.pack_counts`."""
        return pack_counts(first, end, size, self._times, packed_sections(Sections(*self._sections())))

    def _add_kinds(self, block: Block) -> bool:
        """Count lines by kind and minute. Returns False when they must be counted one by one."""
        if len(block.data) > block.count * _PLAIN_LINE_BYTES_MAX:
            return False
        if len(self._known) > _KNOWN_MAX:
            self._known.clear()
        lines = read_timed_facts(block.data, block.count)
        kinds = None if lines is None else kinds_of(lines, self._known)
        if lines is None or kinds is None:
            return False
        own = [time_of_line(line) for line in lines]
        received = [line.received_at for line in lines]
        counts = Counter(zip(kinds, [time[:16] for time in own], strict=True))
        for (kind, minute), number in counts.items():
            line = self._known[kind]
            self._count(
                _place_of(line.entry, line.source, line.listener), kind[0], _minute_us[minute], number
            )
        for kind, some in _spans(kinds, own, received).items():
            line = self._known[kind]
            place = _place_of(line.entry, line.source, line.listener)
            self._see(place, _text(line.entry.type), kind[0], some)
        return True

    def _add_records(self, block: Block) -> None:
        for record in records_of(range(block.count), block.data):
            place = _place_of(record.entry, record.source, record.listener)
            own, received = microseconds(record.time), microseconds(record.received_at)
            self._count(place, record.level, own, 1)
            self._see(place, _text(record.entry.get("type")), record.level, [1, own, own, received, received])

    def _count(self, place: Place, level: str, moment: int, number: int) -> None:
        level = level[:WORD_CHARS_MAX]
        self._volume.add(moment, level, place[0], number)
        self._places.add(place)
        if len(self._places) > ROWS_MAX:
            self._places.clear()
            self._sources.counts = self._kinds = None
        if self._sources.counts is not None:
            self._sources.add(moment, level, place, number)

    def _see(self, place: Place, kind: str, level: str, some: list[int]) -> None:
        self._times = self._times.joined(Times(*some[1:]))
        if self._kinds is None:
            return
        key = (place[0], place[3], kind[:WORD_CHARS_MAX], level[:WORD_CHARS_MAX])
        before = self._kinds.get(key)
        self._kinds[key] = some if before is None else _joined(before, some)
        if len(self._kinds) > KIND_CELLS_MAX:
            self._kinds = None

    def _sections(self) -> tuple[Any, ...]:
        return self._volume_section(), self._sources_section(), self._kinds_section(), self._fields_section()

    def _volume_section(self) -> VolumeCells | None:
        if self._volume.counts is None:
            return None
        levels, listeners = _Names(), _Names()
        cells = [
            (cell, levels[level], listeners[listener], number)
            for (cell, level, listener), number in _sorted(self._volume.counts)
        ]
        return VolumeCells(self._volume.width, list(levels), list(listeners), cells)

    def _sources_section(self) -> SourceCells | None:
        if self._sources.counts is None:
            return None
        levels, rows = _Names(), _Names()
        cells = [
            (cell, levels[level], rows[place], number)
            for (cell, level, place), number in _sorted(self._sources.counts)
        ]
        return SourceCells(self._sources.width, list(levels), list(rows), cells)

    def _kinds_section(self) -> KindCells | None:
        if self._kinds is None:
            return None
        names = [_Names() for _ in range(4)]
        cells: list[Any] = [
            (*(known[word] for known, word in zip(names, key, strict=True)), *some)
            for key, some in sorted(self._kinds.items())
        ]
        listeners, senders, types, levels = map(list, names)
        return KindCells(listeners, senders, types, levels, cells)

    def _fields_section(self) -> FieldRows | None:
        if len(self._fields) >= NAMES_MAX:
            return None
        return FieldRows(
            [(one.name, one.count, one.low, one.high, one.last) for one in self._fields.values()]
        )


class _Names(dict[Any, int]):
    """A number per name, in the order of their first use."""

    def __missing__(self, name: Any) -> int:
        self[name] = number = len(self)
        return number


def _sorted(counts: Counter[tuple[int, Any, Any]]) -> Iterable[tuple[tuple[int, Any, Any], int]]:
    return sorted(counts.items(), key=itemgetter(0))


def _place_of(entry: Any, peer: str, listener: str) -> Place:
    own = entry.get("source")
    return listener, peer, own if isinstance(own, str) else "", sender(entry, peer)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _spans(kinds: Sequence[Kind], own: Sequence[str], received: Sequence[str]) -> dict[Kind, list[int]]:
    """Return number and times of each kind, as `_Kinds` has them."""
    found: dict[Kind, list[Any]] = {}
    for kind, time, arrival in zip(kinds, own, received, strict=True):
        some = found.get(kind)
        if some is None:
            found[kind] = [1, time, time, arrival, arrival]
            continue
        some[0] += 1
        if time < some[1]:
            some[1] = time
        elif time > some[2]:
            some[2] = time
        if arrival < some[3]:
            some[3] = arrival
        elif arrival > some[4]:
            some[4] = arrival
    return {kind: [number, *map(microseconds, times)] for kind, (number, *times) in found.items()}


def _joined(some: list[int], more: list[int]) -> list[int]:
    return [
        some[0] + more[0],
        min(some[1], more[1]),
        max(some[2], more[2]),
        min(some[3], more[3]),
        max(some[4], more[4]),
    ]
