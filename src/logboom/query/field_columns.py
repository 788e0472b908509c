"""Counting of numeric fields by columns: the same as one entry after the other, at a fraction of the cost."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from logboom.formats.partial import can_be_read
from logboom.formats.records import NUMBER, NUMBER_STARTS, irradiance_of, number_of, numeric_fields
from logboom.query.entry_columns import EntryColumns, columns_of

NAMES_MAX: Final = 1000
"""Fields that are counted: senders may invent any number of names."""

NAME_CHARS_MAX: Final = 128
"""Longest name of a field; longer ones are no measured values."""

_NUMBERS: Final = frozenset({int, float})
_TEXT: Final = frozenset({str})
_OBJECT: Final = frozenset({dict})
_FINITE_MAX: Final = 1e300
"""Larger whole numbers may have no value as floating-point numbers."""


@dataclass(slots=True)
class Field:
    """One field, as far as it was looked at."""

    name: str
    count: int
    low: float
    high: float
    last: float
    """Value in the newest entry that has it."""


class _Values(NamedTuple):
    """Numbers of one field in a block."""

    name: str
    numbers: Sequence[float]
    """In the order of their entries."""
    row: int
    """Place of the last one's entry in the block."""


def count_fields(groups: Sequence[EntryColumns], fields: dict[str, Field]) -> None:
    """Add the fields of a block.

    Args:
        groups: its entries.
        fields: what is added to.
    """
    rows: dict[str, int] = {}
    for group in groups:
        for name, numbers, row in _values_of(group):
            low, high = min(numbers), max(numbers)
            field = fields.get(name)
            if field is None:
                if len(fields) >= NAMES_MAX or len(name) > NAME_CHARS_MAX or not can_be_read(name):
                    continue
                field = fields[name] = Field(name, 0, low, high, low)
            field.count += len(numbers)
            field.low, field.high = min(field.low, low), max(field.high, high)
            if row >= rows.get(name, 0):
                rows[name], field.last = row, numbers[-1]


def _values_of(group: EntryColumns) -> Iterator[_Values]:
    if _has_like_names(group.columns):
        yield from _one_by_one(group.rows, group.entries)
        return
    if "lux" in group.columns:
        yield from _mixed("irradiance", group.rows, list(map(irradiance_of, group.entries)))
    for key, column in group.columns.items():
        types = set(map(type, column))
        if types <= _NUMBERS and min(column) > -_FINITE_MAX and max(column) < _FINITE_MAX:
            yield _Values(key, column, group.rows[-1])
        elif types == _OBJECT:
            for inner in columns_of(column):
                rows = [group.rows[row] for row in inner.rows]
                for name, values in inner.columns.items():
                    yield from _mixed(f"{key}.{name}", rows, values)
        elif types & _OBJECT:
            part = [{key: value} for value in column]
            yield from _one_by_one(group.rows, part)
        else:
            yield from _mixed(key, group.rows, column)


def _has_like_names(columns: Mapping[str, Sequence[Any]]) -> bool:
    """Return whether two fields may have one name: `a.b` and the `b` in `a`, or a reading's irradiance."""
    if "irradiance" in columns:
        return True
    has_dots = any("." in key for key in columns)
    return has_dots and any(dict in map(type, column) for column in columns.values())


def _mixed(name: str, rows: Sequence[int], column: Sequence[Any]) -> Iterator[_Values]:
    """Yield the numbers of a field, which may also be texts or something else."""
    types = set(map(type, column))
    if types <= _NUMBERS and min(column) > -_FINITE_MAX and max(column) < _FINITE_MAX:
        yield _Values(name, column, rows[-1])
        return
    pairs: Iterable[tuple[int, Any]] = zip(rows, column, strict=True)
    if types <= _TEXT:
        is_number = NUMBER.fullmatch
        pairs = [pair for pair in pairs if pair[1][:1] in NUMBER_STARTS and is_number(pair[1])]
    found = [(row, number) for row, value in pairs if (number := number_of(value)) is not None]
    if found:
        yield _Values(name, [number for _, number in found], found[-1][0])


def _one_by_one(rows: Sequence[int], entries: Sequence[Mapping[str, Any]]) -> Iterator[_Values]:
    for row, entry in zip(rows, entries, strict=True):
        for name, number in numeric_fields(entry).items():
            yield _Values(name, [number], row)
