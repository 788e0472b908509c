"""Discovery of the numeric fields of a journal's entries: what there is to be drawn."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from logboom.formats.partial import can_be_read
from logboom.formats.records import numeric_fields, records_of
from logboom.journal.reader import Block, moment_of
from logboom.query.matching import Filter, Matcher
from logboom.query.steps import Places

FIELDS_MAX: Final = 100
"""Fields that are told; nobody picks from a longer list."""

NAMES_MAX: Final = 1000
"""Fields that are counted: senders may invent any number of names."""

NAME_CHARS_MAX: Final = 128
"""Longer names are no fields that anybody measures."""

BLOCK_BYTES: Final = 64 << 10
"""Decoding all of it holds the interpreter for about a millisecond."""

READ_BYTES_MAX: Final = 32 << 20
"""Bytes of matching entries that are looked at, the newest: their fields are those of the rest, too."""


@dataclass(slots=True)
class Field:
    """One field, as far as it was looked at."""

    name: str
    count: int
    low: float
    high: float
    last: float
    """Of the newest entry that has it."""


class Fields(NamedTuple):
    """What was found, the most frequent first."""

    fields: list[Field]
    before: int | None
    """The entries before this sequence were not looked at; None: all matching entries were."""
    reached_at: str
    """Receive time of the oldest entry that was looked at, as the journal has it; empty: none."""


def find_fields(
    places: Places,
    wanted: Filter,
    give_up: Callable[[], bool] = lambda: False,
    end: int | None = None,
) -> Fields:
    """The numeric fields of the entries that match, newest entries first.

    Args:
        places: of the journal.
        wanted: which entries.
        give_up: asked after each step of about a megabyte; True ends the search.
        end: no sequence from this one on; `before` of an earlier answer continues it.
    """
    matcher = Matcher(wanted)
    start, end = places.bounds(wanted.since, wanted.until, 0, end)
    fields: dict[str, Field] = {}
    bytes_left, before, reached_at = READ_BYTES_MAX, None, ""
    for step in places.steps_back(start, end):
        newer, moments = fields, list[str]()
        fields = {}
        for block in places.blocks_of(step, BLOCK_BYTES):
            moments.append(moment_of(block.data))
            bytes_left -= _look(block, matcher, fields)
        reached_at = next(iter(moments), reached_at)
        _merge(fields, newer)
        if step.start > start and (bytes_left <= 0 or give_up()):
            before = step.start
            break
    ordered = sorted(fields.values(), key=lambda field: (-field.count, field.name))
    return Fields(ordered[:FIELDS_MAX], before, reached_at)


def _look(block: Block, matcher: Matcher, fields: dict[str, Field]) -> int:
    """Add the fields of a block, oldest entry first; returns the bytes that were decoded."""
    found = matcher.matching(block)
    data = found.data if isinstance(found, Block) else b"".join([line + b"\n" for _, line in found])
    count = found.count if isinstance(found, Block) else len(found)
    for record in records_of(range(count), data, with_times=False):
        for name, number in numeric_fields(record.entry).items():
            field = fields.get(name)
            if field is not None:
                field.count += 1
                field.last = number
                if number < field.low:
                    field.low = number
                elif number > field.high:
                    field.high = number
            elif len(fields) < NAMES_MAX and len(name) <= NAME_CHARS_MAX and can_be_read(name):
                fields[name] = Field(name, 1, number, number, number)
    return len(data)


def _merge(fields: dict[str, Field], newer: dict[str, Field]) -> None:
    """Add what was found in newer entries."""
    for name, field in newer.items():
        older = fields.get(name)
        if older is None:
            if len(fields) < NAMES_MAX:
                fields[name] = field
            continue
        older.count += field.count
        older.low, older.high = min(older.low, field.low), max(older.high, field.high)
        older.last = field.last
