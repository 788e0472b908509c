"""Selection of lines by fields of their entries, and by what records read from them."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from logboom.formats.levels import severity
from logboom.formats.records import MESSAGE_KEYS, TEXT_KEYS, message_of
from logboom.query.entry_facts import FACT_KEYS, are_from, is_from
from logboom.query.filter.block_lines import BlockLines, listener_of
from logboom.query.filter.conditions import (
    Between,
    Contains,
    Equals,
    Exactly,
    FieldAnywhere,
    FieldCondition,
    Test,
)
from logboom.query.filter.needles import PLAIN, needle_of_path, needle_of_value
from logboom.query.filter.paths import any_value_at, keys_of, splits_of, value_at
from logboom.query.filter.text_tests import Check, is_between, value_check
from logboom.query.filter.text_words import fold

MESSAGE_FIELDS: Final = (*MESSAGE_KEYS, *TEXT_KEYS)


class FieldSelector:
    """Selects lines by a field, see `conditions.FieldCondition`."""

    cost = 3

    def __init__(self, condition: FieldCondition) -> None:
        self._path = condition.path
        self._passes = value_check(condition.test)
        self._name = needle_of_path(condition.path)
        self._value = _value_needle(condition.test)
        self.keys = tuple(keys_of(condition.path))
        self.has_plain_keys = all(PLAIN.fullmatch(key) and key.isascii() for key in self.keys)
        self._outer = tuple(splits_of(condition.path))

    def select(self, block: BlockLines, numbers: Sequence[int]) -> Sequence[int]:
        """Return the lines whose field passes, in order."""
        numbers = block.with_needle(self._value or self._name, numbers)
        if self._value and numbers:
            numbers = block.with_needle(self._name, numbers)
        if not numbers:
            return []
        lines: Sequence[Any] = block.decoded(numbers) if self.has_plain_keys else block.records(numbers)
        passes, path = self._passes, self._path
        if self._outer:
            values = [None if line is None else self._value_in(line.entry) for line in lines]
        else:
            values = [None if line is None else _plain_value(line.entry, path) for line in lines]
        return [
            number
            for number, value in zip(numbers, values, strict=True)
            if value is not None and passes(value)
        ]

    def _value_in(self, entry: Any) -> Any:
        """The value at a path with dots; of a record, by the names in any case."""
        if isinstance(entry, dict):
            return value_at(entry, self._path)
        value = entry.get(self._path)
        if value is not None:
            return value
        for outer, inner in self._outer:
            nested = entry.get(outer)
            value = value_at(nested, inner) if isinstance(nested, dict) else None
            if value is not None:
                return value
        return None


def _plain_value(entry: Any, key: str) -> Any:
    value = entry.get(key)
    return value_at(entry, key) if value is None and isinstance(entry, dict) else value


def _value_needle(test: Test) -> bytes:
    """A needle of each line whose field passes a test; empty when there is none."""
    if isinstance(test, Contains):
        return needle_of_value(test.text)
    if isinstance(test, Equals):
        return b"" if test.number is not None else needle_of_value(test.text)
    return b""


class FieldAnywhereSelector:
    """Selects lines by a field at any depth, see `conditions.FieldAnywhere`."""

    cost = 4

    def __init__(self, condition: FieldAnywhere) -> None:
        self._path = condition.path
        passes, is_null = value_check(condition.test), condition.test.text == "null"
        self._passes: Check = lambda value: (
            is_null if value is None else not isinstance(value, (list, dict)) and passes(value)
        )
        self._needles = (_value_needle(condition.test), needle_of_path(condition.path))

    def select(self, block: BlockLines, numbers: Sequence[int]) -> Sequence[int]:
        """Return the lines that have the field, in order."""
        for needle in self._needles:
            numbers = block.with_needle(needle, numbers)
            if not numbers:
                return []
        pairs = zip(numbers, block.records(numbers), strict=True)
        return [
            number
            for number, record in pairs
            if record is not None and any_value_at(record.entry, self._path, self._passes)
        ]


class LevelSelector:
    """Selects lines by their level."""

    cost = 2

    def __init__(self, test: Test) -> None:
        self._passes = level_check(test)

    def select(self, block: BlockLines, numbers: Sequence[int]) -> Sequence[int]:
        """Return the lines whose level passes, in order."""
        levels = block.levels(numbers)
        passing = {level for level in set(levels) if self._passes(level)}
        if not passing:
            return []
        return [number for number, level in zip(numbers, levels, strict=True) if level in passing]


def level_check(test: Test) -> Callable[[str], bool]:
    """The check of a level's name; no test is passed by no level."""
    if isinstance(test, Between):
        within = is_between(test)
        return lambda level: within(severity(level))
    passes = value_check(test)
    return lambda level: level != "" and passes(level)


class ListenerSelector:
    """Selects lines by the listener that received them."""

    cost = 1

    def __init__(self, test: Test) -> None:
        self._passes = value_check(test)

    def select(self, block: BlockLines, numbers: Sequence[int]) -> Sequence[int]:
        """Return the lines whose listener passes, in order."""
        known: dict[bytes, bool] = {}
        found = []
        for number in numbers:
            ending = block.ending(number)
            passes = known.get(ending)
            if passes is None:
                passes = known[ending] = self._passes(listener_of(ending))
            if passes:
                found.append(number)
        return found


class SourceSelector:
    """Selects lines by their source: the address, what stands in `source`, or the name that the entry gives itself."""

    cost = 5
    keys = FACT_KEYS

    def __init__(self, test: Test) -> None:
        self._needle = _name_needle(test)
        passes = value_check(test)
        self._passes: Check = lambda name: isinstance(name, str) and name != "" and passes(name)

    def select(self, block: BlockLines, numbers: Sequence[int]) -> Sequence[int]:
        """Return the lines whose source passes, in order."""
        numbers = block.with_needle(self._needle, numbers)
        if not numbers:
            return []
        lines = block.decoded(numbers)
        try:
            passed = are_from(lines, self._passes)
        except AttributeError:  # some were read as records
            passed = [line is not None and is_from(line.entry, line.source, self._passes) for line in lines]
        return [number for number, passes in zip(numbers, passed, strict=True) if passes]


def _name_needle(test: Test) -> bytes:
    """A needle of each line of a source; empty when a number may be the name, which can be written in several ways."""
    if isinstance(test, (Equals, Contains)):
        return needle_of_value(test.text)
    if isinstance(test, Exactly):
        return needle_of_value(fold(test.text))
    return b""


class MessageSelector:
    """Selects lines by their message."""

    cost = 4
    keys = MESSAGE_FIELDS

    def __init__(self, test: Test) -> None:
        self._passes = value_check(test)
        self._value = _value_needle(test)

    def select(self, block: BlockLines, numbers: Sequence[int]) -> Sequence[int]:
        """Return the lines whose message passes, in order."""
        numbers = block.with_needle(self._value, numbers)
        lines, passes = block.decoded(numbers), self._passes
        return [
            number
            for number, line in zip(numbers, lines, strict=True)
            if line is not None and passes(message_of(line.entry))
        ]


PROPERTY_SELECTORS: Final[dict[str, Callable[[Test], Any]]] = {
    "level": LevelSelector,
    "source": SourceSelector,
    "listener": ListenerSelector,
    "message": MessageSelector,
}
