"""Counting of a segment's lines for its roll-up, in bounded memory."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from logboom.formats.buckets import microseconds
from logboom.formats.levelled import read_lines
from logboom.formats.records import records_of, sender
from logboom.journal.counts import pack_counts
from logboom.journal.log import Block
from logboom.journal.step_times import Times
from logboom.query.entry_columns import EntryColumns, are_canonical, columns_of
from logboom.query.field_columns import NAMES_MAX, Field, count_fields
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

VOLUME_CELLS_MAX: Final = 4096
"""Cells of time, level and listener: five levels of each of two listeners for a day and a half. Beyond, cells get
longer, so that the section stays at a few KB."""

SOURCE_CELLS_MAX: Final = 20_000
"""The same of time, level and sender, some 50 KB: 600 senders of four levels have cells of 6 hours for two days."""

ROWS_MAX: Final = 10_000
"""Senders of one segment, as many as `logboom stats` counts: each takes some 20 bytes of the file."""

PLACE_CHARS_MAX: Final = 1024
"""Characters of a sender's names. With a longer one, the segment's senders are not counted: names may have a megabyte,
and are compared as a whole."""

KIND_CELLS_MAX: Final = 20_000
"""Combinations of sender, type and level."""

WORD_CHARS_MAX: Final = 64
"""Characters of a type or level that are kept: as many as statistics show."""

_KNOWN_MAX: Final = 5000
"""Kinds of lines that are held: some 5 MB."""

_PLAIN_LINE_BYTES_MAX: Final = 2048
"""Mean length of lines that are counted by kind: longer ones may be kinds of a megabyte each."""

_RAW_MAX: Final = 10_000
"""Cells by kind that are counted before they are put into the tables: some 2 MB."""

_MINUTES_BYTES_MAX: Final = 1 << 20
_cell: Final = Remembered[str, int](
    lambda minute: microseconds(f"{minute}:00+00:00") // WIDTHS_US[0], _MINUTES_BYTES_MAX
)
"""The cell of the least width that a minute is in."""

_Kind = tuple[Any, ...]
"""From `EntryColumns.kinds`."""

_TEXT_OR_NONE: Final = frozenset({str, type(None)})

Place = tuple[str, str, str, str]
"""Listener, peer, own `source`, name of the sender."""


class _Line(msgspec.Struct, gc=False):
    """A journal line whose entry is decoded to the bottom."""

    received_at: str
    entry: dict[str, Any]
    source: str
    listener: str
    time: str = ""
    """Time of an entry that gave none itself (`journal.device_clock`); else empty."""


_decoder: Final = msgspec.json.Decoder(_Line)


class _Cells:
    """Counts by time and something else, whose width grows until they are few enough.

    Args:
        cells_max: largest number of counts.
    """

    def __init__(self, cells_max: int) -> None:
        self._cells_max = cells_max
        self._widths = list(WIDTHS_US)
        self.counts: Counter[tuple[int, Any]] | None = Counter()
        """By cell and key; None: they are too many at any width."""
        self._keys: dict[Any, Any] = {}
        """Each key once: equal ones of many cells are one object, which saves two thirds of the memory."""

    @property
    def width(self) -> int:
        """Width of a cell, microseconds."""
        return self._widths[0]

    def add(self, raw: Mapping[tuple[int, int], int], keys: Sequence[Any]) -> None:
        """Add entries by cell of the least width and number of their key."""
        if self.counts is None:
            return
        counts, factor = self.counts, self.width // WIDTHS_US[0]
        known = [self._keys.setdefault(key, key) for key in keys]
        for (cell, number), count in raw.items():
            counts[cell // factor, known[number]] += count
        while self.counts is not None and len(self.counts) > self._cells_max:
            self._widen()

    def drop(self) -> None:
        """Count no longer."""
        self.counts = None
        self._keys.clear()

    def _widen(self) -> None:
        narrow = self._widths.pop(0)
        if not self._widths:
            self.drop()
            return
        counts, self.counts = self.counts or Counter(), Counter()
        for (cell, key), number in counts.items():
            self.counts[cell * narrow // self.width, key] += number


class RollUpBuilder:
    """Counts the lines of one segment, block by block in their order."""

    def __init__(self) -> None:
        self._volume = _Cells(VOLUME_CELLS_MAX)
        self._sources = _Cells(SOURCE_CELLS_MAX)
        self._kinds: dict[tuple[str, str, str, str], list[int]] | None = {}
        """Entries and times by listener, sender, type and level; None: they are too many."""
        self._fields: dict[str, Field] = {}
        self._places: set[Place] = set()
        self._known: dict[_Kind, tuple[Place, str, str]] = {}
        """Place, type and level of each kind of lines."""
        self._numbers = _Names()
        """A number per kind of lines."""
        self._raw: Counter[tuple[int, int]] = Counter()
        """Lines by cell of the least width and number of the kind, not yet in the tables."""
        self._ends: dict[int, list[str]] = {}
        """The ends of the times, and of the receive times, of the lines in `_raw`, by number of the kind."""
        self._times = Times()
        self._block_times = Times()
        self.position = -1
        """The sequence after the last line that was counted."""

    def add(self, block: Block) -> bool:
        """Count a block; False: a line has a time that can't be read, and the segment no roll-up."""
        self.position = block.next_sequence
        lines = read_lines(_decoder, block.data, block.count)
        try:
            if lines is None:
                entries = self._add_records(block)
                count_fields(columns_of(entries), self._fields)
                return True
            groups = columns_of([line.entry for line in lines])
            if len(block.data) > block.count * _PLAIN_LINE_BYTES_MAX or not self._add_kinds(lines, groups):
                self._add_records(block)
        except ValueError:  # a damaged receive time
            return False
        count_fields(groups, self._fields)
        return True

    def take_times(self) -> Times:
        """Return the least and the greatest times of the entries since the last call."""
        taken, self._block_times = self._block_times, Times()
        return taken

    def packed(self, first: int, end: int, size: int, token: int) -> bytes:
        """Return the roll-up's file. See `counts.pack_counts`."""
        self._settle()
        sections = packed_sections(Sections(*self._sections()))
        return pack_counts(first, end, size, self._times, sections, token=token)

    def _add_kinds(self, lines: Sequence[Any], groups: Sequence[EntryColumns]) -> bool:
        """Count lines by kind and cell. Returns False when they must be counted one by one.

        Raises:
            ValueError: a receive time is damaged.
        """
        received = [line.received_at for line in lines]
        if not are_canonical(received):
            raise ValueError("a receive time is damaged")
        found = [_look(group, lines, received, self._known) for group in groups]
        if None in found:
            return False
        for looked in filter(None, found):
            numbers = [self._numbers[kind] for kind in looked.kinds]
            self._raw.update(zip([_cell[time[:16]] for time in looked.times], numbers, strict=True))
            _see_ends(self._ends, numbers, looked.times, looked.received)
            self._see_times(looked.times, looked.received)
        if len(self._numbers) > _KNOWN_MAX or len(self._raw) > _RAW_MAX:
            self._settle()
        return True

    def _see_times(self, own: Sequence[str], received: Sequence[str]) -> None:
        ends = (min(own), max(own), min(received), max(received))
        self._block_times = self._block_times.joined(Times(*map(microseconds, ends)))

    def _settle(self) -> None:
        """Put into the tables what was counted by kind."""
        rows = [self._known[kind] for kind in self._numbers]
        self._count(self._raw, [(level, place) for place, _, level in rows])
        totals: Counter[int] = Counter()
        for (_, number), count in self._raw.items():
            totals[number] += count
        for number, ends in self._ends.items():
            self._see(*rows[number], [totals[number], *map(microseconds, ends)])
        for table in (self._raw, self._ends, self._numbers, self._known):
            table.clear()

    def _add_records(self, block: Block) -> list[Any]:
        """Count lines one by one; returns their entries."""
        records = records_of(range(block.count), block.data)
        for record in records:
            place = _place_of(record.entry, record.source, record.listener)
            own, received = microseconds(record.time), microseconds(record.received_at)
            self._count({(own // WIDTHS_US[0], 0): 1}, [(record.level, place)])
            kind = _text(record.entry.get("type"))
            self._see(place, kind, record.level, [1, own, own, received, received])
            self._block_times = self._block_times.joined(Times(own, own, received, received))
        return [record.entry for record in records]

    def _count(self, raw: Mapping[tuple[int, int], int], keys: Sequence[tuple[str, Place]]) -> None:
        """Count entries by cell of the least width and number of their level and place."""
        cut = [(level[:WORD_CHARS_MAX], place) for level, place in keys]
        self._volume.add(raw, [(level, place[0]) for level, place in cut])
        if self._sources.counts is None:
            return
        places = {place for _, place in cut}
        self._places |= places
        if len(self._places) > ROWS_MAX or any(sum(map(len, place)) > PLACE_CHARS_MAX for place in places):
            self._places.clear()
            self._sources.drop()
            self._kinds = None
        self._sources.add(raw, cut)

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
            for (cell, (level, listener)), number in self._volume.counts.items()
        ]
        return VolumeCells(self._volume.width, list(levels), list(listeners), cells)

    def _sources_section(self) -> SourceCells | None:
        if self._sources.counts is None:
            return None
        levels, rows = _Names(), _Names()
        cells = [
            (cell, levels[level], rows[place], number)
            for (cell, (level, place)), number in self._sources.counts.items()
        ]
        return SourceCells(self._sources.width, list(levels), list(rows), cells)

    def _kinds_section(self) -> KindCells | None:
        if self._kinds is None:
            return None
        names = [_Names() for _ in range(4)]
        cells: list[Any] = [
            (*(known[word] for known, word in zip(names, key, strict=True)), *some)
            for key, some in self._kinds.items()
        ]
        listeners, senders, types, levels = map(list, names)
        return KindCells(listeners, senders, types, levels, cells)

    def _fields_section(self) -> FieldRows | None:
        if len(self._fields) >= NAMES_MAX:
            return None
        return FieldRows(
            [(one.name, one.count, one.low, one.high, one.last) for one in self._fields.values()]
        )


class _Looked(NamedTuple):
    """Properties of some entries of a block."""

    kinds: list[_Kind]
    times: Sequence[str]
    received: list[str]


def _look(
    group: EntryColumns,
    lines: Sequence[Any],
    received: Sequence[str],
    known: dict[_Kind, tuple[Place, str, str]],
) -> _Looked | None:
    """Return the kinds and times of some lines; None when fields have other types than texts.

    Args:
        group: the entries.
        lines: of the block.
        received: receive times of the block.
        known: gets the new kinds.
    """
    arrivals = [received[row] for row in group.rows]
    peers = [(lines[row].source, lines[row].listener) for row in group.rows]
    levels = group.levels()
    kinds = group.kinds(levels, peers)
    try:
        examples = dict(zip(kinds, range(len(kinds)), strict=True))
    except TypeError:  # a field that is a list or an object
        return None
    for kind in [kind for kind in examples if kind not in known]:
        if any(type(part) not in _TEXT_OR_NONE for part in kind[3:]):
            return None  # 7 and 7.0 are equal, and two names
        number = examples[kind]
        entry = group.entries[number]
        known[kind] = (_place_of(entry, *peers[number]), _text(entry.get("type")), levels[number])
    times = group.times(arrivals)
    known_times = [lines[row].time for row in group.rows]
    if any(known_times):
        times = [known or time for known, time in zip(known_times, times, strict=True)]
    return _Looked(kinds, times, arrivals)


class _Names(dict[Any, int]):
    """A number per name, in the order of their first use."""

    def __missing__(self, name: Any) -> int:
        self[name] = number = len(self)
        return number


def _place_of(entry: Any, peer: str, listener: str) -> Place:
    own = entry.get("source")
    return listener, peer, own if isinstance(own, str) else "", sender(entry, peer)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _see_ends(
    ends: dict[int, list[str]], numbers: Sequence[int], own: Sequence[str], received: Sequence[str]
) -> None:
    """Widen the ends of the times of each kind."""
    for number, time, arrival in zip(numbers, own, received, strict=True):
        some = ends.get(number)
        if some is None:
            ends[number] = [time, time, arrival, arrival]
            continue
        if time > some[1]:
            some[1] = time
        elif time < some[0]:
            some[0] = time
        if arrival > some[3]:
            some[3] = arrival
        elif arrival < some[2]:
            some[2] = arrival


def _joined(some: list[int], more: list[int]) -> list[int]:
    return [
        some[0] + more[0],
        min(some[1], more[1]),
        max(some[2], more[2]),
        min(some[3], more[3]),
        max(some[4], more[4]),
    ]
