"""Which journal lines a reader wants: filters over raw blocks, as much as possible before anything is decoded."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from logboom.formats.entry_level import level_of
from logboom.formats.envelope import RECEIVED_AT, SOURCE_AT, entry_of
from logboom.formats.levels import severity
from logboom.formats.records import SENDER_CHARS_MAX, number_of, records_of, sender
from logboom.journal.reader import Block
from logboom.model import Record
from logboom.query.entry_facts import are_from, level_names, read_facts, read_levels
from logboom.query.text_search import PLAIN, SearchText

TEXT_CHARS_MAX: Final = 256
"""Longest text to be searched for; its pattern grows with it, and nobody types more."""

_DECODED_LINES: Final = 256
"""Lines that are decoded at once: a page that needs few of a block's lines does not pay for all of them."""


class Filter(NamedTuple):
    """What a reader asked for; an empty filter takes everything."""

    level_min: float | None = None
    """The lowest severity (`formats.levels`). Entries without a known level are left out, unlike at a
    listener's door: here nothing is lost by it."""
    source: str = ""
    """The peer's address, what the entry has in `source`, or the name it gives itself (`records.sender`)."""
    listener: str = ""
    text: str = ""
    """What stands in the entry's JSON, or is a field of it as `name=value` (`text_search.SearchText`)."""
    since: str = ""
    """Received at or after this; ISO 8601 as in the journal (`formats.times.iso_from_ns`)."""
    until: str = ""
    """Received before this."""


_EVERYTHING: Final = Filter()


class Found(NamedTuple):
    """An entry that matched."""

    record: Record
    entry: bytes
    """The entry as it was sent."""


class Matcher:
    """Finds the entries of a filter in blocks of journal lines."""

    def __init__(self, wanted: Filter) -> None:
        self._wanted = wanted
        self.takes_everything = wanted == _EVERYTHING
        self._text = SearchText(wanted.text)
        self._named = tuple(filter(None, [_name_needle(wanted.source)]))
        self._suffix = b'"listener":%b}' % msgspec.json.encode(wanted.listener) if wanted.listener else b""
        self._passing: tuple[bytes, Matcher | None] = (b"", None)
        self._since, self._until = wanted.since.encode(), wanted.until.encode()

    def first(self, block: Block, limit: int) -> list[Found]:
        """The first `limit` matches of a block, in order."""
        one = self._one_place(block)
        if one is not None:
            return one.first(block, limit)
        found: list[Found] = []
        lines, numbers = self._candidates(block)
        for start in range(0, len(numbers), _DECODED_LINES):
            found += self._found(block.first_sequence, lines, numbers[start : start + _DECODED_LINES])
            if len(found) >= limit:
                break
        return found[:limit]

    def last(self, block: Block, limit: int) -> list[Found]:
        """The last `limit` matches of a block, newest first."""
        one = self._one_place(block)
        if one is not None:
            return one.last(block, limit)
        found: list[Found] = []
        lines, numbers = self._candidates(block)
        for end in range(len(numbers), 0, -_DECODED_LINES):
            piece = self._found(block.first_sequence, lines, numbers[max(0, end - _DECODED_LINES) : end])
            found += reversed(piece)
            if len(found) >= limit:
                break
        return found[:limit]

    def matching(self, block: Block) -> Block | list[tuple[int, bytes]]:
        """All matches of a block: the block itself when it matches whole, else sequence and line of each.

        Nothing is decoded but what the filter asks for: the way for counting, pictures and export.
        """
        if self.takes_everything:
            return block
        one = self._one_place(block)
        if one is not None:
            return one.matching(block)
        lines, numbers = self._candidates(block)
        numbers = self._exactly(lines, numbers)
        if len(numbers) == block.count:
            return block
        first = block.first_sequence
        return [(first + number, lines[number]) for number in numbers]

    def _one_place(self, block: Block) -> "Matcher | None":
        """The matcher for a block that came from one place, as most do, without the tests that it passes.

        Lines end with the sender's address and the listener; no entry holds the line's end.
        """
        wanted, data = self._wanted, block.data
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
        wanted = self._wanted
        if wanted.source and ending.startswith(SOURCE_AT[:-1] + msgspec.json.encode(wanted.source) + b',"'):
            wanted = wanted._replace(source="")
        if wanted.listener and ending.endswith(self._suffix + b"\n"):
            wanted = wanted._replace(listener="")
        return None if wanted == self._wanted else Matcher(wanted)

    def _exactly(self, lines: list[bytes], numbers: list[int]) -> list[int]:
        """Of the candidates those that match by level and source."""
        if not numbers or (not self._wanted.source and self._wanted.level_min is None):
            return numbers
        data = b"\n".join([lines[number] for number in numbers])
        found = read_facts(data, len(numbers))
        if found is None:  # there is damage
            return [one.record.sequence for one in self._decode(0, lines, numbers)]
        source, level_min = self._wanted.source, self._wanted.level_min
        pairs: Iterable[tuple[int, Any]] = zip(numbers, found, strict=True)
        if source:
            pairs = itertools.compress(pairs, are_from(found, source))
        if level_min is not None:
            pairs = [pair for pair in pairs if (severity(level_of(pair[1].entry)) or 0) >= level_min]
        return [number for number, _ in pairs]

    def _candidates(self, block: Block) -> tuple[list[bytes], list[int]]:
        """The block's lines, and the numbers of those that all cheap checks let pass."""
        numbers: Iterable[int] = range(block.count)
        needles, at_level = self._text.needles or self._named, None
        data = block.data.lower() if self._text.needles else block.data
        if any(needle not in data for needle in needles):
            return [], []
        if self._wanted.level_min is not None:
            at_level = _lines_at(block, self._wanted.level_min)
            if at_level is not None and not at_level:
                return [], []
        if at_level is not None:
            numbers = at_level
        elif needles:
            rarest = min(needles, key=data.count)
            numbers = itertools.takewhile(block.count.__gt__, _lines_with(data, rarest))
        lines = block.data.split(b"\n")
        if self._wanted.text:
            numbers = [number for number in numbers if self._text.stands_in(entry_of(lines[number]))]
        if self._suffix:
            numbers = [number for number in numbers if lines[number].endswith(self._suffix)]
        if self._since:
            numbers = [number for number in numbers if lines[number][RECEIVED_AT] >= self._since]
        if self._until:
            numbers = [number for number in numbers if lines[number][RECEIVED_AT] < self._until]
        return lines, list(numbers)

    def _found(self, first: int, lines: list[bytes], numbers: list[int]) -> list[Found]:
        numbers = self._exactly(lines, numbers)
        return self._decode(first, lines, numbers) if numbers else []

    def _decode(self, first: int, lines: list[bytes], numbers: list[int]) -> list[Found]:
        """Decode some lines, and check what only the decoded entry tells."""
        data = b"".join([lines[number] + b"\n" for number in numbers])
        records: Iterable[Record] = records_of([first + number for number in numbers], data)
        if self._wanted.source:
            records = [record for record in records if self._is_from(record)]
        if self._wanted.level_min is not None:
            records = self._at_level(records, self._wanted.level_min)
        return [Found(record, entry_of(lines[record.sequence - first])) for record in records]

    def _is_from(self, record: Record) -> bool:
        own = record.entry.get("source")
        return self._wanted.source in (record.source, own, sender(record.entry, record.source))

    @staticmethod
    def _at_level(records: Iterable[Record], level_min: float) -> list[Record]:
        records = list(records)
        high = {
            level for level in {record.level for record in records} if (severity(level) or 0) >= level_min
        }
        return [record for record in records if record.level in high]


def _lines_with(data: bytes, needle: bytes) -> Iterator[int]:
    """Numbers of the lines that hold `needle`."""
    number = start = 0
    while (hit := data.find(needle, start)) >= 0:
        number += data.count(b"\n", start, hit)
        yield number
        start = data.find(b"\n", hit) + 1
        number += 1
        if not start:
            return


def _lines_at(block: Block, level_min: float) -> Sequence[int] | None:
    """Numbers of the lines that are at a level; None when there is damage: the full decoder may see to it."""
    found = read_levels(block.data, block.count)
    if found is None:
        return None
    levels = level_names(found)
    high = {level for level in set(levels) if (severity(level) or 0) >= level_min}
    return [number for number, level in enumerate(levels) if level in high] if high else []


def _name_needle(source: str) -> bytes:
    """What stands on every line of a source; nothing when it may stand there in several ways."""
    if not PLAIN.fullmatch(source):
        return b""
    if number_of(source) is not None:  # a number may be a name: 7 as it is, 7.5 in many ways
        return source.encode() if source.isdecimal() else b""
    needle = f'"{source}"'.encode()
    return needle[:-1] if len(source) == SENDER_CHARS_MAX else needle  # a longer name was cut
