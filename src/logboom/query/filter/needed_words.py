"""The words that entries must have to meet a condition, which filters of words decide without reading them.

A condition that needs no word (a number, a part of a word, a negation) is met anywhere.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from logboom.formats.records import SENDER_CHARS_MAX, number_of
from logboom.journal.word_filters import EVERYWHERE, Lookup, WordTest
from logboom.query.filter.conditions import (
    All,
    AnyOf,
    Condition,
    Contains,
    Equals,
    Exactly,
    FieldAnywhere,
    FieldCondition,
    Matches,
    Property,
    Somewhere,
    Test,
)
from logboom.query.filter.needles import is_numeric, literal_of
from logboom.query.filter.text_words import fold, whole_words
from logboom.query.line_words import DIGITS_MIN, NUMBER_MAX, ODD_MESSAGE, ODD_NUMBER

WORDS_MAX: Final = 16
"""Words of one text that are looked up, the longest: each costs four reads per segment."""

_SURELY_WHOLE_CHARS: Final = SENDER_CHARS_MAX // 4
"""Length below which a sender's name was not cut, however its characters are composed."""


def word_test(condition: Condition) -> WordTest | None:
    """Return the test for the words that a condition needs; None when it needs none."""
    if isinstance(condition, All):
        return _all(word_test(part) for part in condition.parts)
    if isinstance(condition, AnyOf):
        return _any([word_test(part) for part in condition.parts])
    if isinstance(condition, Somewhere):
        return _text_test(condition.test)
    if isinstance(condition, (FieldCondition, FieldAnywhere)):
        return _all(
            [_words(whole_words(fold(condition.path), starts=True, ends=True)), _value_test(condition.test)]
        )
    if isinstance(condition, Property):
        return _property_test(condition)
    return None


def _property_test(condition: Property) -> WordTest | None:
    if condition.name == "level" or _is_number(condition.test):
        return None
    found = _text_test(condition.test, may_be_cut=condition.name == "source")
    return _any([found, _word(ODD_MESSAGE)]) if condition.name == "message" else found


def _value_test(test: Test) -> WordTest | None:
    """Return the test for a value that may be a text or an equal number."""
    if not _is_number(test):
        return _text_test(test)
    number = None
    if isinstance(test, Equals) or (isinstance(test, Contains) and test.starts and test.ends):
        number = number_of(test.text)
    if number is None or number != int(number) or not 10 ** (DIGITS_MIN - 1) <= abs(number) < NUMBER_MAX:
        return None
    return _any([_word(b"%d" % abs(int(number))), _word(ODD_NUMBER)])


def _is_number(test: Test) -> bool:
    """Return whether numbers may pass a test, which are not written as it has them."""
    if isinstance(test, Matches):
        return is_numeric(literal_of(test.pattern).decode())
    return isinstance(test, (Contains, Equals, Exactly)) and is_numeric(test.text)


def _text_test(test: Test, *, may_be_cut: bool = False) -> WordTest | None:
    """Return the test for a text.

    Args:
        test: of the text.
        may_be_cut: the text that is tested may end within a word of the entry.
    """
    if isinstance(test, Matches):
        return _words(whole_words(literal_of(test.pattern).decode(), starts=False, ends=False))
    if not isinstance(test, (Contains, Equals, Exactly)):
        return None
    text = fold(test.text)
    if isinstance(test, Contains):
        return _words(whole_words(text, starts=test.starts, ends=test.ends and not may_be_cut))
    return _words(whole_words(text, starts=True, ends=not may_be_cut or len(text) < _SURELY_WHOLE_CHARS))


def _words(words: Iterable[str]) -> WordTest | None:
    wanted = sorted({word.encode(errors="replace") for word in words}, key=lambda word: (-len(word), word))
    return _all(map(_word, wanted[:WORDS_MAX]))


def _word(word: bytes) -> WordTest:
    return lambda lookup: lookup(word)


def _all(tests: Iterable[WordTest | None]) -> WordTest | None:
    some = [test for test in tests if test is not None]
    if len(some) < 2:
        return some[0] if some else None

    def parts_with_all(lookup: Lookup) -> int:
        found = EVERYWHERE
        for test in some:
            found &= test(lookup)
            if not found:
                break
        return found

    return parts_with_all


def _any(tests: Sequence[WordTest | None]) -> WordTest | None:
    some = [test for test in tests if test is not None]
    if len(some) < len(tests):
        return None

    def parts_with_any(lookup: Lookup) -> int:
        found = 0
        for test in some:
            found |= test(lookup)
        return found

    return parts_with_any
