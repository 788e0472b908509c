"""Which journal lines a reader wants: filters over raw blocks, as much as possible before anything is decoded."""

import re
from collections.abc import Iterable, Iterator
from itertools import takewhile
from typing import Final, NamedTuple

import msgspec

from logboom.formats.levels import name, severity
from logboom.formats.records import records_of
from logboom.journal.reader import Block
from logboom.journal.segments import prefix
from logboom.model import Record

TEXT_CHARS_MAX: Final = 256
"""Longest text to be searched for; its pattern grows with it, and nobody types more."""

_DECODED_LINES: Final = 256
"""Lines that are decoded at once: a page that needs few of a block's lines does not pay for all of them."""

_PLAIN: Final = re.compile(r"[ !#-%(-.0-;=?-\[\]-~]+")
"""Text that JSON is written with in one way only, in practice: it can be searched for as it is. Left out are
what must be escaped, and what some encoders escape to be safe in HTML (Go's, PHP's)."""

_ENTRY_AT: Final = len(prefix(0))
_RECEIVED_AT: Final = slice(16, 48)
_SHORT_ESCAPES: Final = {
    '"': '\\"',
    "\\": "\\\\",
    "/": "\\/",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
}


class _Levels(msgspec.Struct, gc=False):
    """Where entries have their level (`formats.records`)."""

    level: object = None
    severity: object = None
    levelname: object = None
    lvl: object = None
    type: object = None


class _LevelLine(msgspec.Struct, gc=False):
    """A journal line, of which only the level counts."""

    entry: _Levels


_level_decoder: Final = msgspec.json.Decoder(_LevelLine)
_WORDS: Final = (str, int)


class Filter(NamedTuple):
    """What a reader asked for; an empty filter takes everything."""

    level_min: float | None = None
    """The lowest severity (`formats.levels`). Entries without a known level are left out, unlike at a
    listener's door: here nothing is lost by it."""
    source: str = ""
    """The peer's address, or what the entry itself names in `source`."""
    listener: str = ""
    text: str = ""
    """Part of the entry's JSON, names and values alike, in any case; escapes count as what they stand for."""
    since: str = ""
    """Received at or after this; ISO 8601 as in the journal (`formats.times.iso_from_ns`)."""
    until: str = ""
    """Received before this."""


class Found(NamedTuple):
    """An entry that matched."""

    record: Record
    entry: bytes
    """The entry as it was sent."""


class Matcher:
    """Finds the entries of a filter in blocks of journal lines."""

    def __init__(self, wanted: Filter) -> None:
        self._wanted = wanted
        plain = max(_PLAIN.findall(wanted.text), key=len, default="")
        self._needle = plain.lower().encode()
        self._pattern = _pattern(wanted.text) if plain != wanted.text else None
        self._named = f'"{wanted.source}"'.encode() if _PLAIN.fullmatch(wanted.source) else b""
        self._suffix = b'"listener":%b}' % msgspec.json.encode(wanted.listener) if wanted.listener else b""
        self._since, self._until = wanted.since.encode(), wanted.until.encode()

    def first(self, block: Block, limit: int) -> list[Found]:
        """The first `limit` matches of a block, in order."""
        found: list[Found] = []
        lines, numbers = self._candidates(block)
        for start in range(0, len(numbers), _DECODED_LINES):
            found += self._decode(block.first_sequence, lines, numbers[start : start + _DECODED_LINES])
            if len(found) >= limit:
                break
        return found[:limit]

    def last(self, block: Block, limit: int) -> list[Found]:
        """The last `limit` matches of a block, newest first."""
        found: list[Found] = []
        lines, numbers = self._candidates(block)
        for end in range(len(numbers), 0, -_DECODED_LINES):
            piece = self._decode(block.first_sequence, lines, numbers[max(0, end - _DECODED_LINES) : end])
            found += reversed(piece)
            if len(found) >= limit:
                break
        return found[:limit]

    def _candidates(self, block: Block) -> tuple[list[bytes], list[int]]:
        """The block's lines, and the numbers of those that all cheap checks let pass."""
        lines = block.data.split(b"\n")[: block.count]
        numbers: Iterable[int] = range(len(lines))
        if self._needle:
            numbers = takewhile(len(lines).__gt__, _lines_with(block.data.lower(), self._needle))
        elif self._named:
            numbers = takewhile(len(lines).__gt__, _lines_with(block.data, self._named))
        elif self._wanted.level_min is not None:
            numbers = _lines_at(lines, self._wanted.level_min)
        if self._wanted.text:
            numbers = [number for number in numbers if self._holds_text(lines[number])]
        if self._suffix:
            numbers = [number for number in numbers if lines[number].endswith(self._suffix)]
        if self._since:
            numbers = [number for number in numbers if lines[number][_RECEIVED_AT] >= self._since]
        if self._until:
            numbers = [number for number in numbers if lines[number][_RECEIVED_AT] < self._until]
        return lines, list(numbers)

    def _holds_text(self, line: bytes) -> bool:
        entry = entry_of(line)
        if self._pattern is not None:
            return self._pattern.search(entry) is not None
        return self._needle in entry.lower()

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
        return self._wanted.source in (record.source, record.entry.get("source"))

    @staticmethod
    def _at_level(records: Iterable[Record], level_min: float) -> list[Record]:
        records = list(records)
        high = {
            level for level in {record.level for record in records} if (severity(level) or 0) >= level_min
        }
        return [record for record in records if record.level in high]


def entry_of(line: bytes) -> bytes:
    """The entry of a journal line. No JSON string holds the envelope's closing part: it has bare quotes."""
    return line[_ENTRY_AT : line.rfind(b',"source":"')]


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


def _lines_at(lines: list[bytes], level_min: float) -> Iterable[int]:
    """Numbers of the lines that may be at a level; decodes no more of them than it must."""
    try:
        found = _level_decoder.decode_lines(b"\n".join(lines))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = []
    if len(found) != len(lines):  # there is damage: let the full decoder see to it
        return range(len(lines))
    words = [_level_word(line.entry) for line in found]
    low = {word for word in {word for word in words if type(word) in _WORDS} if _is_below(word, level_min)}
    return [number for number, word in enumerate(words) if type(word) not in _WORDS or word not in low]


def _level_word(entry: _Levels) -> object:
    """The first that is there, as `records_of` has it."""
    for word in (entry.level, entry.severity, entry.levelname, entry.lvl):
        if word is not None:
            return word
    return entry.type if isinstance(entry.type, str) else ""


def _is_below(word: object, level_min: float) -> bool:
    return (severity(name(word)) or 0) < level_min


def _pattern(text: str) -> re.Pattern[bytes]:
    """The text in any case and in each way that JSON may write it."""
    return re.compile(b"".join(map(_spellings, text)), re.IGNORECASE)


def _spellings(sign: str) -> bytes:
    ways: set[bytes] = set()
    for variant in {sign, sign.lower(), sign.upper()}:
        units = variant.encode("utf-16-be", "surrogatepass")
        ways.add("".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2)).encode())
        ways.add(_SHORT_ESCAPES.get(variant, variant).encode(errors="replace"))
    if sign == "/":
        ways.add(b"/")
    return b"(?:%b)" % b"|".join(map(re.escape, sorted(ways)))
