"""Facets: the fields of the entries that match, with their most frequent values and statistics of their numbers.

Values are counted by reading, the newest entries first, until the time is up. Levels, sources and listeners of what is
older come from roll-ups where the filter allows it: they are complete for any range in milliseconds.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from logboom.formats.entry_time import TIME_KEYS
from logboom.formats.levelled import read_lines
from logboom.formats.levels import severity
from logboom.formats.records import MESSAGE_KEYS, records_of, sender
from logboom.journal.log import Block, Log
from logboom.query.entry_facts import read_timed_facts
from logboom.query.field_facet import FieldFacet, Scalar
from logboom.query.filter.conditions import PROPERTIES
from logboom.query.look_back import BLOCK_BYTES, Reach, look_back
from logboom.query.matching import Filter
from logboom.query.places import Place, PlaceLookup
from logboom.query.roll_up import RollUp
from logboom.query.spans import Steps, bounds_of

PLACES: Final = ("level", "source", "listener")
"""The properties that every entry may have; they come first."""

FIELDS_MAX: Final = 100
"""Fields that are counted, those seen first: senders may invent any number of names. Each takes up to 150 KB."""

NAME_CHARS_MAX: Final = 128
"""Longest name of a field."""

DEPTH_MAX: Final = 4
"""Objects inside each other whose values are fields, named by a path such as `a.b`."""

UNROLLED_BYTES_MAX: Final = 16 << 20
"""Bytes without a roll-up that are read for places: the newest segment has less after its last roll-up."""

_LEFT_OUT: Final = frozenset({*PROPERTIES, *MESSAGE_KEYS, *TIME_KEYS})
"""Names that mean a property in queries, and messages and times, which differ in each entry."""


class Facets(NamedTuple):
    """Result of a count."""

    facets: dict[str, FieldFacet]
    """By name: level, source and listener, then the fields of the most entries."""
    complete: frozenset[str]
    """Names of the facets that count all matching entries, not only those that were read."""
    reach: Reach
    fields_left_out: bool
    """There are more fields than are counted."""


class FacetCounter:
    """Counts the fields of entries."""

    def __init__(self) -> None:
        self.places = {name: FieldFacet() for name in PLACES}
        self.fields: dict[str, FieldFacet] = {}
        self.fields_left_out = False
        self._places = PlaceLookup()

    def add(self, sequences: Sequence[int], data: bytes) -> None:
        """Count entries.

        Args:
            sequences: one per line.
            data: journal lines.
        """
        lines = read_lines(_decoder, data, len(sequences))
        entries = [line.entry for line in lines] if lines is not None else _lenient(data, len(sequences))
        self._add_columns(entries, "", 1)
        self.add_places(data, len(sequences))

    def add_places(self, data: bytes, count: int) -> None:
        """Count the levels, sources and listeners of some journal lines."""
        lines = read_timed_facts(data, count)
        places = None if lines is None else self._places.of_lines(lines, len(data))
        if places is None:
            records = records_of(range(count), data, with_times=False)
            places = [(one.level, sender(one.entry, one.source), one.listener) for one in records]
        self._count_places(Counter(places))

    def add_roll_up(self, counts: bytes, wanted: Filter) -> None:
        """Count the levels, sources and listeners of a segment, from its roll-up."""
        section = RollUp(counts).kinds()
        if section is None:
            return
        found = Counter[Place]()
        for listener, name, _, level, number, *_ in section.cells:
            place = section.levels[level], section.senders[name], section.listeners[listener]
            if wanted.level_min is not None and (severity(place[0]) or 0) < wanted.level_min:
                continue
            if wanted.listener in ("", place[2]):
                found[place] += number
        self._count_places(found)

    def _count_places(self, counts: Counter[Place]) -> None:
        for number, name in enumerate(PLACES):
            values: Counter[Scalar] = Counter()
            for place, count in counts.items():
                if place[number]:
                    values[place[number]] += count
            self.places[name].count += values.total()
            self.places[name].add_counts(values)

    def _add_columns(self, entries: Sequence[dict[str, Any]], outer: str, depth: int) -> None:
        """Count the values of some objects by key; nested objects under their path."""
        columns: defaultdict[str, list[Any]] = defaultdict(list)
        for entry in entries:
            for key, value in entry.items():
                if value is not None:
                    columns[key].append(value)
        for key, values in columns.items():
            if outer or key not in _LEFT_OUT:
                self._add_column(f"{outer}{key}", values, depth)

    def _add_column(self, name: str, values: list[Any], depth: int) -> None:
        if dict in set(map(type, values)):
            nested = [value for value in values if type(value) is dict]
            values = [value for value in values if type(value) is not dict]
            if depth < DEPTH_MAX:
                self._add_columns(nested, f"{name}.", depth + 1)
        facet = self._facet(name) if values else None
        if facet is not None:
            facet.add(values)

    def _facet(self, name: str) -> FieldFacet | None:
        facet = self.fields.get(name)
        if facet is None:
            if len(self.fields) >= FIELDS_MAX or not 0 < len(name) <= NAME_CHARS_MAX:
                self.fields_left_out = True
                return None
            facet = self.fields[name] = FieldFacet()
        return facet


def find_facets(
    log: Log,
    wanted: Filter,
    give_up: Callable[[], bool] = lambda: False,
    *,
    end: int | None = None,
    progress: Callable[[int, int, int], object] = lambda _first, _reached, _end: None,
) -> Facets:
    """Count the fields of the entries that match; see `look_back` for the arguments."""
    counter = FacetCounter()
    reach = look_back(log, wanted, counter.add, give_up, end=end, progress=progress)
    is_complete = reach.before is None
    older = None if is_complete else _older_places(log, wanted, reach.before or 0)
    for name, facet in (older or {}).items():
        counter.places[name].join(facet)
    fields = dict(sorted(counter.fields.items(), key=lambda pair: (-pair[1].count, pair[0])))
    complete = {*(PLACES if is_complete or older else ()), *(fields if is_complete else ())}
    return Facets({**counter.places, **fields}, frozenset(complete), reach, counter.fields_left_out)


def _older_places(log: Log, wanted: Filter, end: int) -> dict[str, FieldFacet] | None:
    """Count the places of the entries before a sequence; None: there are no roll-ups that suffice."""
    plain = Filter(wanted.level_min, listener=wanted.listener, by_arrival=wanted.by_arrival)
    if wanted.timeless() != plain:
        return None
    counter = FacetCounter()
    start, end = bounds_of(log, wanted, 0, end)
    bytes_left = UNROLLED_BYTES_MAX
    for step, matcher in Steps(log, wanted).back(start, end, _has_kinds):
        if step.counts is not None:
            counter.add_roll_up(step.counts, wanted)
            continue
        for block in log.blocks_of(step, BLOCK_BYTES):
            bytes_left -= len(block.data)
            found = matcher.matching(block, as_stored=True)
            if isinstance(found, Block):
                counter.add_places(found.data, found.count)
            elif found:
                counter.add_places(b"".join([line + b"\n" for _, line in found]), len(found))
        if bytes_left <= 0 and step.start > start:
            return None
    return counter.places


def _has_kinds(counts: bytes) -> bool:
    return RollUp(counts).has_kinds


def _lenient(data: bytes, count: int) -> list[dict[str, Any]]:
    return [record.entry for record in records_of(range(count), data, with_times=False)]


class _Line(msgspec.Struct, gc=False):
    """A journal line whose entry is decoded to the bottom."""

    entry: dict[str, Any]


_decoder: Final = msgspec.json.Decoder(_Line)
