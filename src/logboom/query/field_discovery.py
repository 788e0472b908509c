"""Discovery of the numeric fields of a journal's entries: what there is to be drawn."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from logboom.formats.levelled import read_lines
from logboom.formats.records import records_of
from logboom.formats.times import iso_from_ns
from logboom.journal.log import Block, Log, moment_of
from logboom.query.entry_columns import columns_of
from logboom.query.field_columns import NAMES_MAX, Field, count_fields
from logboom.query.matching import Filter, Matcher
from logboom.query.roll_up import RollUp
from logboom.query.spans import Steps, bounds_of

FIELDS_MAX: Final = 100
"""Longest list of fields in an answer; no user picks from a longer one."""

BLOCK_BYTES: Final = 64 << 10
"""Decoding all of it holds the interpreter for about a millisecond."""

READ_BYTES_MAX: Final = 32 << 20
"""Bytes of matching entries that are looked at, the newest: their fields are those of the rest, too."""


class Fields(NamedTuple):
    """Fields that were found, the most frequent first."""

    fields: list[Field]
    before: int | None
    """The entries before this sequence were not looked at; None: all matching entries were."""
    reached_at: str
    """Receive time of the oldest entry that was looked at, as the journal has it; empty: none."""


def find_fields(
    log: Log,
    wanted: Filter,
    give_up: Callable[[], bool] = lambda: False,
    end: int | None = None,
) -> Fields:
    """The numeric fields of the entries that match, newest entries first.

    Args:
        log: the journal.
        wanted: which entries.
        give_up: asked after each step of about a megabyte; True ends the search.
        end: no sequence from this one on; `before` of an earlier answer continues it.
    """
    start, end = bounds_of(log, wanted, 0, end)
    fields: dict[str, Field] = {}
    bytes_left, before, reached_at = READ_BYTES_MAX, None, ""
    usable = _has_fields if wanted.timeless() == Filter() else None
    for step, matcher in Steps(log, wanted).back(start, end, usable):
        newer, moments = fields, list[str]()
        fields = {}
        if step.counts is not None and matcher.takes_everything:
            fields = _fields_of(step.counts)
            merge_fields(fields, newer)
            reached_at = iso_from_ns(step.times.received_low * 1000) if step.times else reached_at
            continue
        for block in log.blocks_of(step, BLOCK_BYTES):
            moments.append(moment_of(block.data))
            bytes_left -= _look(block, matcher, fields)
        reached_at = next(iter(moments), reached_at)
        merge_fields(fields, newer)
        if step.start > start and (bytes_left <= 0 or give_up()):
            before = step.start
            break
    ordered = sorted(fields.values(), key=lambda field: (-field.count, field.name))
    return Fields(ordered[:FIELDS_MAX], before, reached_at)


def _has_fields(counts: bytes) -> bool:
    return RollUp(counts).has_fields


def _fields_of(counts: bytes) -> dict[str, Field]:
    section = RollUp(counts).fields()
    return {row[0]: Field(*row) for row in section.rows} if section is not None else {}


def _look(block: Block, matcher: Matcher, fields: dict[str, Field]) -> int:
    """Add the fields of a block, oldest entry first; returns the bytes that were decoded."""
    found = matcher.matching(block, as_stored=True)
    data = found.data if isinstance(found, Block) else b"".join([line + b"\n" for _, line in found])
    add_fields(data, found.count if isinstance(found, Block) else len(found), fields)
    return len(data)


def add_fields(data: bytes, count: int, fields: dict[str, Field]) -> None:
    """Add the fields of some lines, oldest entry first.

    Args:
        data: the lines, each with its newline.
        count: their number.
        fields: what is added to.
    """
    lines = read_lines(_decoder, data, count)
    entries = [line.entry for line in lines] if lines is not None else _lenient(data, count)
    count_fields(columns_of(entries), fields)


def _lenient(data: bytes, count: int) -> list[dict[str, object]]:
    return [record.entry for record in records_of(range(count), data, with_times=False)]


class _Line(msgspec.Struct, gc=False):
    """A journal line whose entry is decoded to the bottom."""

    entry: dict[str, Any]


_decoder: Final = msgspec.json.Decoder(_Line)


def merge_fields(fields: dict[str, Field], newer: dict[str, Field]) -> None:
    """Add what was found in newer entries; `newer` is not used any more."""
    for name, field in newer.items():
        older = fields.get(name)
        if older is None:
            if len(fields) < NAMES_MAX:
                fields[name] = field
            continue
        older.count += field.count
        older.low, older.high = min(older.low, field.low), max(older.high, field.high)
        older.last = field.last
