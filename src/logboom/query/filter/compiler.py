"""The compiler: makes of a condition a selection of lines that works on whole blocks, the cheapest checks first.

Each check narrows the lines that the next one looks at, and most are decided on raw bytes; what is decoded is decoded
once for all checks of a block, and only the fields that the query names.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol

import msgspec

from logboom.formats.levelled import LevelledLines, read_lines
from logboom.formats.partial import can_be_read, fields_struct, line_struct
from logboom.query.filter.block_lines import BlockLines, Reader
from logboom.query.filter.conditions import (
    All,
    AnyOf,
    Anything,
    Condition,
    Contains,
    Extracted,
    FieldAnywhere,
    FieldCondition,
    Label,
    Leaf,
    Line,
    Not,
    Property,
)
from logboom.query.filter.field_selectors import PROPERTY_SELECTORS, FieldAnywhereSelector, FieldSelector
from logboom.query.filter.stream_selectors import STREAM_SELECTORS
from logboom.query.filter.texts_selector import RegexSelector, TextSelector

_LINE: Final = b'{"received_at":"2025-01-01T00:00:00.000000+00:00","entry":%b,"source":%b,"listener":%b}\n'


class Selector(Protocol):
    """Selects lines of blocks."""

    cost: int
    """Relative cost of a line."""

    def select(self, block: BlockLines, numbers: Sequence[int]) -> Sequence[int]:
        """Return the lines that meet the condition, in order."""


class CompiledFilter:
    """A condition, ready to be checked.

    Args:
        condition: from `parser.parse`.
    """

    def __init__(self, condition: Condition) -> None:
        self.takes_everything = isinstance(condition, Anything)
        self._selector = _selector(condition)
        leaves = list(_leaves(condition))
        self._read = _reader(leaves)
        keys = {
            key.encode()
            for leaf in leaves
            if isinstance(leaf, FieldCondition) and (selector := FieldSelector(leaf)).has_plain_keys
            for key in selector.keys
        }
        self._names = tuple(b'"%b"' % key for key in sorted(keys))

    def select(self, data: bytes, count: int) -> Sequence[int]:
        """The numbers of the lines that meet the condition, in order, from 0.

        Args:
            data: journal lines, each with its newline.
            count: how many.
        """
        if self.takes_everything:
            return range(count)
        return self._selector.select(BlockLines(data, count, self._read, self._names), range(count))

    def meets(self, entry: bytes, source: str = "", listener: str = "") -> bool:
        """Return whether one entry meets the condition.

        Args:
            entry: JSON of an object, on one line.
            source: the peer.
            listener: the listener that received it.
        """
        line = _LINE % (entry, msgspec.json.encode(source), msgspec.json.encode(listener))
        return bool(self.select(line, 1))


class _AllSelector:
    def __init__(self, parts: Sequence[Selector]) -> None:
        self._parts = sorted(parts, key=lambda part: part.cost)
        self.cost = sum(part.cost for part in parts)

    def select(self, block: BlockLines, numbers: Sequence[int]) -> Sequence[int]:
        for part in self._parts:
            if not numbers:
                break
            numbers = part.select(block, numbers)
        return numbers


class _AnySelector:
    def __init__(self, parts: Sequence[Selector]) -> None:
        self._parts = sorted(parts, key=lambda part: part.cost)
        self.cost = sum(part.cost for part in parts)

    def select(self, block: BlockLines, numbers: Sequence[int]) -> Sequence[int]:
        found: set[int] = set()
        left = numbers
        for part in self._parts:
            found.update(part.select(block, left))
            left = [number for number in numbers if number not in found]
            if not left:
                break
        return sorted(found)


class _NotSelector:
    def __init__(self, part: Selector) -> None:
        self._part = part
        self.cost = part.cost

    def select(self, block: BlockLines, numbers: Sequence[int]) -> Sequence[int]:
        without = set(self._part.select(block, numbers))
        return [number for number in numbers if number not in without] if without else numbers


class _EverythingSelector:
    cost = 0

    def select(self, _block: BlockLines, numbers: Sequence[int]) -> Sequence[int]:
        return numbers


def _selector(condition: Condition) -> Selector:
    if isinstance(condition, All):
        return _AllSelector(list(map(_selector, condition.parts)))
    if isinstance(condition, AnyOf):
        return _AnySelector(list(map(_selector, condition.parts)))
    if isinstance(condition, Not):
        return _NotSelector(_selector(condition.part))
    return _EverythingSelector() if isinstance(condition, Anything) else _leaf_selector(condition)


def _leaf_selector(condition: Leaf) -> Selector:
    if isinstance(condition, FieldCondition):
        return FieldSelector(condition)
    if isinstance(condition, FieldAnywhere):
        return FieldAnywhereSelector(condition)
    if isinstance(condition, (Line, Label, Extracted)):
        stream: Selector = STREAM_SELECTORS[type(condition)](condition)
        return stream
    if isinstance(condition, Property):
        made: Selector = PROPERTY_SELECTORS[condition.name](condition.test)
        return made
    test = condition.test
    return TextSelector(test) if isinstance(test, Contains) else RegexSelector(test)


def _leaves(condition: Condition) -> Iterator[Condition]:
    """Yield the conditions that have no parts."""
    if isinstance(condition, (All, AnyOf)):
        for part in condition.parts:
            yield from _leaves(part)
    elif isinstance(condition, Not):
        yield from _leaves(condition.part)
    else:
        yield condition


def _reader(leaves: Sequence[Condition]) -> Reader:
    """Return a decoder of what some conditions look at."""
    properties = {leaf.name for leaf in leaves if isinstance(leaf, Property)}
    keys: list[str] = []
    for leaf in leaves:
        if isinstance(leaf, FieldCondition):
            keys += FieldSelector(leaf).keys
        elif isinstance(leaf, (Line, Label)):
            keys += STREAM_SELECTORS[type(leaf)].keys
    for name in properties:
        keys += getattr(PROPERTY_SELECTORS[name], "keys", ())
    readable = [key for key in dict.fromkeys(keys) if can_be_read(key)]
    if "level" in properties or any(isinstance(leaf, Label) for leaf in leaves):
        return LevelledLines(readable, "source").read
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(line_struct(fields_struct(readable), "source"))
    return lambda data, count: read_lines(decoder, data, count)
