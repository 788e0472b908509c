"""Filters of readers over raw blocks: as much as possible is decided before anything is decoded."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from logboom.formats.envelope import RECEIVED_AT, SOURCE_AT, entry_of
from logboom.formats.records import records_of
from logboom.journal.log import Block
from logboom.model import Record
from logboom.query.filter.compiler import CompiledFilter
from logboom.query.filter.conditions import EVERYTHING, Between, Condition, Exactly, Property, all_of
from logboom.query.filter.parser import parse
from logboom.query.line_times import times_of_lines

_DECODED_LINES: Final = 256
"""Lines that are decoded at once: a page that needs few of a block's lines does not pay for all of them."""


class Filter(NamedTuple):
    """The conditions of a reader; an empty filter takes everything."""

    level_min: float | None = None
    """The lowest severity (`formats.levels`). Entries without a known level are left out, unlike at a
    listener's door: here nothing is lost by it."""
    source: str = ""
    """The peer's address, what the entry has in `source`, or the name it gives itself (`records.sender`)."""
    listener: str = ""
    text: str = ""
    """A query, see `filter.parser`."""
    since: str = ""
    """At or after this; ISO 8601 as in the journal (`formats.times.iso_from_ns`)."""
    until: str = ""
    """Before this."""
    by_arrival: bool = False
    """Times are those of arrival; else the entries' own (`formats.entry_time`)."""
    also: Condition = EVERYTHING
    """A further condition, of a query in another language."""

    def timeless(self) -> "Filter":
        """Return the same without limits of time; what times are is kept."""
        return self._replace(since="", until="")

    def condition(self) -> Condition:
        """The condition of all but the times. Raises `FilterError`."""
        parts: list[Condition] = []
        if self.level_min is not None:
            parts.append(Property("level", Between(low=self.level_min)))
        if self.source:
            parts.append(Property("source", Exactly(self.source)))
        if self.listener:
            parts.append(Property("listener", Exactly(self.listener)))
        return all_of(*parts, parse(self.text), self.also)


_EVERYTHING: Final = Filter()

_NEVER: Final = "A"
"""Sorts after every time."""


class Found(NamedTuple):
    """An entry that matched."""

    record: Record
    entry: bytes
    """The entry as it was sent."""


class Matcher:
    """Finds the entries of a filter in blocks of journal lines.

    Raises:
        FilterError: the filter's query can't be read.
    """

    def __init__(self, wanted: Filter) -> None:
        self.wanted = wanted
        self.takes_everything = wanted._replace(by_arrival=False) == _EVERYTHING
        self._filter = CompiledFilter(wanted.condition())
        self._listener_at = b'"listener":%b}\n' % msgspec.json.encode(wanted.listener)
        self._passing: tuple[bytes, Matcher | None] = (b"", None)

    def first(self, block: Block, limit: int) -> list[Found]:
        """The first `limit` matches of a block, in order."""
        return self._found(block, self.numbers(block), limit)

    def last(self, block: Block, limit: int) -> list[Found]:
        """The last `limit` matches of a block, newest first."""
        return self._found(block, self.numbers(block)[::-1], limit)

    def matching(self, block: Block, *, as_stored: bool = False) -> Block | list[tuple[int, bytes]]:
        """All matches of a block: the whole block when all match, else sequence and line of each.

        Nothing is decoded but what the filter asks for: the way for counting, pictures and export.

        Args:
            block: the block.
            as_stored: lines are those of the journal; else with the times that they did not give themselves.
        """
        numbers = self.numbers(block)
        clock = None if as_stored else block.clock
        if len(numbers) == block.count:
            return block if clock is None else retimed(block)
        if not numbers:
            return []
        first, lines = block.first_sequence, block.data.split(b"\n")
        found = [lines[number] for number in numbers]
        sequences = [first + number for number in numbers]
        return list(zip(sequences, found if clock is None else clock.retimed(found), strict=True))

    def numbers(self, block: Block) -> Sequence[int]:
        """The numbers of the lines of a block that match, in order, from 0."""
        if self.takes_everything:
            return range(block.count)
        one = self._one_place(block)
        if one is not None:
            return one.numbers(block)
        numbers = self._filter.select(block.data, block.count)
        return self._in_time(block, numbers) if numbers and self._has_times else numbers

    @property
    def _has_times(self) -> bool:
        return bool(self.wanted.since or self.wanted.until)

    def _in_time(self, block: Block, numbers: Sequence[int]) -> Sequence[int]:
        """Return the lines that are within the limits of time."""
        lines = block.data.split(b"\n")
        since, until = self.wanted.since, self.wanted.until or _NEVER
        if self.wanted.by_arrival:
            low, high = since.encode(), until.encode()
            return [number for number in numbers if low <= lines[number][RECEIVED_AT] < high]
        found = [lines[number] for number in numbers]
        found = found if block.clock is None else block.clock.retimed(found)
        times = times_of_lines(b"".join([line + b"\n" for line in found]), len(numbers))
        pairs = zip(numbers, times, strict=True)
        return [number for number, (time, _) in pairs if time and since <= time < until]

    def _found(self, block: Block, numbers: Sequence[int], limit: int) -> list[Found]:
        """The first `limit` of some lines that can be read, in their order."""
        found: list[Found] = []
        lines = block.data.split(b"\n") if numbers else []
        for start in range(0, len(numbers), _DECODED_LINES):
            piece = numbers[start : start + min(_DECODED_LINES, limit - len(found))]
            found += _decoded(block, lines, piece)
            if len(found) >= limit:
                break
        return found[:limit]

    def _one_place(self, block: Block) -> "Matcher | None":
        """The matcher for a block that came from one place, as most do, without the tests that it passes.

        Lines end with the sender's address and the listener; no entry holds the line's end.
        """
        wanted, data = self.wanted, block.data
        if not wanted.source and not wanted.listener:
            return None
        ending = data[data.rfind(SOURCE_AT) :]
        if ending == self._passing[0]:
            passing = self._passing[1]
        else:
            passing = self._without_place(ending)
            self._passing = (ending, passing)
        return passing if passing is not None and data.count(ending) == block.count else None

    def _without_place(self, ending: bytes) -> "Matcher | None":
        wanted = self.wanted
        if wanted.source and ending.startswith(SOURCE_AT[:-1] + msgspec.json.encode(wanted.source) + b',"'):
            wanted = wanted._replace(source="")
        if wanted.listener and ending.endswith(self._listener_at):
            wanted = wanted._replace(listener="")
        return None if wanted == self.wanted else Matcher(wanted)


def retimed(block: Block) -> Block:
    """Return a block whose lines have the times that they did not give themselves."""
    return (
        block
        if block.clock is None
        else block._replace(data=block.clock.retimed_data(block.data), clock=None)
    )


def _decoded(block: Block, lines: list[bytes], numbers: Sequence[int]) -> list[Found]:
    """Decode some lines of a block; damaged ones are left out."""
    first, some = block.first_sequence, [lines[number] for number in numbers]
    some = some if block.clock is None else block.clock.retimed(some)
    data = b"".join([line + b"\n" for line in some])
    records = records_of([first + number for number in numbers], data)
    return [Found(record, entry_of(lines[record.sequence - first])) for record in records]
