"""The fields that become columns: those of a sample of the entries, each with a type that fits its values."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from typing import Any, Final, NamedTuple

import msgspec

from logboom.journal.columns.layout import Column, ColumnsLayout
from logboom.journal.segment_file import SegmentFile, open_file
from logboom.journal.segments import Segment

COLUMNS_MAX: Final = 300
"""Fields that are columns, the most frequent; others are read from `entry`."""

NAME_CHARS_MAX: Final = 128
"""Longest name of a column."""

SAMPLES: Final = 32
SAMPLE_BYTES: Final = 64 << 10
"""Size of a sample; all of them are decoded in 20 ms."""

EXACT_MAX: Final = 1 << 53
"""Larger whole numbers lose digits as DOUBLE."""


class SampledField(NamedTuple):
    """A field of the entries."""

    keys: tuple[str, ...]
    """Its key, or those of an object and of a value in it."""
    type: str
    """SQL type of the column: BOOLEAN, DOUBLE, VARCHAR or JSON."""

    @property
    def name(self) -> str:
        """Name of the column."""
        return ".".join(self.keys)


def sample_fields(segments: Sequence[Segment], layouts: Mapping[int, ColumnsLayout]) -> list[SampledField]:
    """Return the fields of a sample of segments' entries, the most frequent first. Damaged lines are left out.

    Args:
        segments: the segments.
        layouts: of those with columns, by their first sequence: these have a sample of their own.
    """
    counts: Counter[tuple[str, ...]] = Counter()
    types: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
    for layout in layouts.values():
        for field, count in _of_columns(layout):
            if field.keys[0] and 0 < len(field.keys[-1]) <= NAME_CHARS_MAX:
                counts[field.keys] += count
                types[field.keys].add(field.type)
    for entry in _samples([segment for segment in segments if segment.first not in layouts]):
        for keys, value in _values(entry):
            if 0 < len(keys[-1]) <= NAME_CHARS_MAX and keys[0] and (kind := _type_of(value)):
                counts[keys] += 1
                types[keys].add(kind)
    return [SampledField(keys, _joined(types[keys])) for keys, _ in counts.most_common(COLUMNS_MAX)]


def _of_columns(layout: ColumnsLayout) -> Iterator[tuple[SampledField, int]]:
    """Yield the fields of a column file with the number of their values in its sample, and objects that hold others."""
    objects: set[str] = set()
    for column in layout.columns:
        if column.keys[0] != "entry" or len(column.keys) < 2:
            continue
        keys = column.keys[1:]
        if len(keys) > 1 and keys[0] not in objects:
            objects.add(keys[0])
            yield SampledField(keys[:1], "JSON"), column.count
        if len(keys) <= 2:
            yield SampledField(keys, _column_type(column)), column.count


def _column_type(column: Column) -> str:
    """Return the type of the values of a column."""
    match column.kind:
        case "number":
            return "VARCHAR" if column.is_wide else "DOUBLE"
        case "boolean":
            return "BOOLEAN"
        case "json":
            return "JSON"
    return "VARCHAR"


def _samples(segments: Sequence[Segment]) -> Iterator[dict[str, Any]]:
    """Yield some entries of some segments, spread over all of them."""
    chosen = segments[:: max(1, len(segments) // SAMPLES)][-SAMPLES:]
    each = max(1, SAMPLES // max(1, len(chosen)))
    for segment in chosen:
        with suppress(OSError), closing(open_file(segment)) as file:
            for number in range(each):
                yield from _entries_at(file, file.size * number // each)


def _entries_at(file: SegmentFile, offset: int) -> Iterator[dict[str, Any]]:
    """Yield the entries of the whole lines of a piece of a file."""
    lines = file.read_at(offset, SAMPLE_BYTES).split(b"\n")
    for line in lines[1 if offset else 0 : -1]:
        with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            yield _decoder.decode(line).entry


def _values(entry: Mapping[str, Any]) -> Iterable[tuple[tuple[str, ...], object]]:
    """Yield keys and value of each field, and of those in its objects."""
    for key, value in entry.items():
        yield (key,), value
        if isinstance(value, dict):
            for inner, one in value.items():
                yield (key, inner), one


def _type_of(value: object) -> str:
    """Return the type of a value; empty for null, which fits all."""
    match value:
        case None:
            return ""
        case bool():
            return "BOOLEAN"
        case int():
            return "DOUBLE" if abs(value) <= EXACT_MAX else "VARCHAR"
        case float():
            return "DOUBLE"
        case dict() | list():
            return "JSON"
    return "VARCHAR"


def _joined(types: set[str]) -> str:
    """Return the type that fits all values: the text of each, where they differ."""
    return next(iter(types)) if len(types) == 1 else "VARCHAR"


class _Line(msgspec.Struct, gc=False):
    entry: dict[str, Any]


_decoder: Final = msgspec.json.Decoder(_Line)
