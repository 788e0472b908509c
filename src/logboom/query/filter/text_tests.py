"""Tests of single values: of texts, numbers, and of what is in lists and objects."""

import re
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from logboom.formats.records import number_of
from logboom.query.filter.conditions import Between, Contains, Equals, Exactly, Exists, Matches, Test
from logboom.query.filter.regexes import compile_regex
from logboom.query.filter.text_words import JOINING, NUMBER_POINT, NUMBER_SIGN, NUMBER_WORD, fold, is_joining

Check: TypeAlias = Callable[[Any], bool]

_START: Final = f"(?<!{JOINING})(?<![{NUMBER_POINT}{NUMBER_SIGN}])"
_END: Final = f"(?!{JOINING}|[{NUMBER_POINT}{NUMBER_SIGN}])"
_SPELLED: Final = {
    ".": f"[.{NUMBER_POINT}]",
    "-": f"[-{NUMBER_SIGN}]",
    "+": f"[+{NUMBER_SIGN}]",
}


def contained_in(test: Contains) -> Callable[[str], bool]:
    """The check of a folded text, see `entry_strings.searched_text`."""
    text = test.text
    start = _START if test.starts and is_joining(text[0]) else ""
    end = _END if test.ends and is_joining(text[-1]) else ""
    body = "".join(_SPELLED.get(character) or re.escape(character) for character in text)
    search = re.compile(f"{start}{body}{end}").search
    if any(character in _SPELLED for character in text):
        return lambda folded: search(folded) is not None
    return lambda folded: text in folded and search(folded) is not None


def value_check(test: Test) -> Check:
    """The check of a value as JSON has it; of a list or an object, one of its values must pass."""
    if isinstance(test, Exists):
        return lambda value: value is not None
    on_text, on_number = _text_check(test), _number_check(test)

    def passes(value: Any) -> bool:
        if isinstance(value, str):
            return on_text(value)
        if isinstance(value, bool):
            return on_text("true" if value else "false")
        if isinstance(value, (int, float)):
            return on_number(value)
        if isinstance(value, list):
            return any(map(passes, value))
        return isinstance(value, dict) and any(map(passes, value.values()))

    return passes


def _text_check(test: Test) -> Callable[[str], bool]:
    if isinstance(test, Contains):
        contained = contained_in(test)
        return _or_number(lambda text: contained(fold(text)), _closed_number(test))
    if isinstance(test, Equals):
        wanted = test.text
        return _or_number(lambda text: fold(text) == wanted, test.number)
    if isinstance(test, Matches):
        search = compile_regex(test.pattern).search
        return lambda text: search(text.encode(errors="replace")) is not None
    if isinstance(test, Between):
        within = is_between(test)
        return lambda text: within(number_of(text))
    exact = test.text if isinstance(test, Exactly) else None
    return lambda text: text == exact


def _or_number(passes: Callable[[str], bool], number: float | None) -> Callable[[str], bool]:
    if number is None:
        return passes
    return lambda text: passes(text) or number_of(text) == number


def _number_check(test: Test) -> Callable[[float], bool]:
    if isinstance(test, Contains):
        if test.starts and test.ends:
            return _equal_to(_closed_number(test))
        contained = contained_in(test)
        return lambda number: contained(fold(str(number)).translate(NUMBER_WORD))
    if isinstance(test, Equals):
        return _equal_to(test.number)
    if isinstance(test, Matches):
        search = compile_regex(test.pattern).search
        return lambda number: search(str(number).encode()) is not None
    if isinstance(test, Between):
        within = is_between(test)
        return lambda number: within(number_of(number))
    return lambda _: False


def _equal_to(number: float | None) -> Callable[[float], bool]:
    return lambda value: value == number


def _closed_number(test: Contains) -> float | None:
    """The number that a word is; None for other words, and for parts of words."""
    return number_of(test.text) if test.starts and test.ends else None


def is_between(test: Between) -> Callable[[float | None], bool]:
    """The check of a number; None passes no test."""
    low, high, above, below = test.low, test.high, test.above, test.below

    def within(number: float | None) -> bool:
        if number is None or (low is not None and (number <= low if above else number < low)):
            return False
        return high is None or (number < high if below else number <= high)

    return within
