"""A query's meaning, written down as plainly as possible: one entry at a time, decoded whole, without any shortcut."""

import json
import re
from collections.abc import Iterator
from typing import Any

from logboom.formats.entry_level import level_of
from logboom.formats.levels import severity
from logboom.formats.records import message_of, number_of, sender
from logboom.query.filter.conditions import (
    All,
    AnyOf,
    Anything,
    Between,
    Condition,
    Contains,
    Equals,
    Exactly,
    Exists,
    FieldAnywhere,
    FieldCondition,
    Matches,
    Not,
    Property,
    Somewhere,
    Test,
)
from logboom.query.filter.text_words import fold, is_joining


class Written(str):
    """A number as it is written."""

    __slots__ = ()


class NaiveEntry:
    """An entry with its envelope.

    Args:
        raw: the entry's JSON.
        source: the peer.
        listener: the listener's name.
    """

    def __init__(self, raw: bytes, source: str, listener: str) -> None:
        self.entry = json.loads(raw)
        self.leaves = list(_leaves(json.loads(raw, parse_int=Written, parse_float=Written)))
        self.source = source
        self.listener = listener

    def meets(self, condition: Condition) -> bool:
        match condition:
            case Anything():
                return True
            case All(parts):
                return all(map(self.meets, parts))
            case AnyOf(parts):
                return any(map(self.meets, parts))
            case Not(part):
                return not self.meets(part)
            case Somewhere(test):
                return any(_leaf_passes(leaf, test) for leaf in self.leaves)
            case FieldCondition(path, test):
                return _passes(_value_at(self.entry, path), test)
            case FieldAnywhere(path, test):
                return any(_has(one, path, test) for one in _objects(self.entry))
            case Property(name, test):
                return self._property_passes(name, test)
        raise AssertionError(condition)

    def _property_passes(self, name: str, test: Test) -> bool:
        if name == "level":
            level = level_of(self.entry)
            if isinstance(test, Between):
                return _is_between(severity(level), test)
            return level != "" and _passes(level, test)
        if name == "listener":
            return _passes(self.listener, test)
        if name == "message":
            return _passes(message_of(self.entry), test)
        names = (self.source, self.entry.get("source"), sender(self.entry, self.source))
        return any(isinstance(one, str) and one != "" and _passes(one, test) for one in names)


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield key
            yield from _leaves(one)
    elif isinstance(value, list):
        for one in value:
            yield from _leaves(one)
    elif isinstance(value, str):
        yield value
    else:
        yield json.dumps(value)


def _leaf_passes(leaf: str, test: Contains | Matches) -> bool:
    if isinstance(test, Matches):
        return any(re.search(test.pattern, line) for line in leaf.split("\n"))
    if isinstance(leaf, Written) and not leaf.isalnum():
        return _number_contains(leaf.removeprefix("-"), test) or test.text in (leaf, "-")
    return _contains(leaf, test)


def _contains(text: str, test: Contains) -> bool:
    folded, wanted = fold(text), test.text
    for start in range(len(folded) - len(wanted) + 1):
        end = start + len(wanted)
        if folded[start:end] != wanted:
            continue
        if test.starts and is_joining(wanted[0]) and start and is_joining(folded[start - 1]):
            continue
        if test.ends and is_joining(wanted[-1]) and end < len(folded) and is_joining(folded[end]):
            continue
        return True
    return False


def _number_contains(number: str, test: Contains) -> bool:
    """A number is one word, with its point and its exponent."""
    number, wanted = number.lower(), test.text
    places = [at for at in range(len(number)) if number.startswith(wanted, at)]
    return any(
        (at == 0 or not test.starts or not is_joining(wanted[0]))
        and (at + len(wanted) == len(number) or not test.ends or not is_joining(wanted[-1]))
        for at in places
    )


def _passes(value: Any, test: Test) -> bool:
    if isinstance(test, Exists):
        return value is not None
    if isinstance(value, list):
        return any(_passes(one, test) for one in value)
    if isinstance(value, dict):
        return any(_passes(one, test) for one in value.values())
    if value is None:
        return False
    if isinstance(value, bool):
        return not isinstance(test, Between) and _passes("true" if value else "false", test)
    return _text_passes(value, test) if isinstance(value, str) else _number_passes(value, test)


def _text_passes(text: str, test: Test) -> bool:
    match test:
        case Contains(wanted, starts, ends):
            number = number_of(wanted) if starts and ends else None
            return _contains(text, test) or (number is not None and number_of(text) == number)
        case Matches(pattern):
            return any(re.search(pattern, line) for line in text.split("\n"))
        case Equals(wanted, number):
            return fold(text) == wanted or (number is not None and number_of(text) == number)
        case Exactly(wanted):
            return text == wanted
        case Between():
            return _is_between(number_of(text), test)
    raise AssertionError(test)


def _number_passes(number: float, test: Test) -> bool:
    match test:
        case Contains(wanted, True, True):
            return number == number_of(wanted)
        case Contains():
            return _number_contains(str(number), test)
        case Matches(pattern):
            return re.search(pattern, str(number)) is not None
        case Equals(_, wanted):
            return number == wanted
        case Between():
            return _is_between(number_of(number), test)
    return False


def _is_between(number: float | None, test: Between) -> bool:
    if number is None:
        return False
    if test.low is not None and not (number > test.low if test.above else number >= test.low):
        return False
    return test.high is None or (number < test.high if test.below else number <= test.high)


def _value_at(entry: dict[str, Any], path: str) -> Any:
    values = [value for value in _values_at(entry, path) if value is not None]
    return values[0] if values else None


def _values_at(entry: dict[str, Any], path: str) -> Iterator[Any]:
    yield entry.get(path)
    yield from (value for key, value in entry.items() if fold(key) == fold(path))
    parts = path.split(".")
    for place in range(1, len(parts)):
        outer, inner = ".".join(parts[:place]), ".".join(parts[place:])
        if outer and inner:
            nested = _value_at(entry, outer)
            if isinstance(nested, dict):
                yield _value_at(nested, inner)


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _objects(one)


def _has(entry: dict[str, Any], path: str, test: Equals) -> bool:
    for key, value in entry.items():
        if fold(key) == fold(path):
            if value is None and test.text == "null":
                return True
            if not isinstance(value, (dict, list)) and _passes(value, test):
                return True
        inner = fold(path).removeprefix(f"{fold(key)}.")
        if isinstance(value, dict) and inner and inner != fold(path) and _has(value, inner, test):
            return True
    return False
