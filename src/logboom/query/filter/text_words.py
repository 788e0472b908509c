"""Words of a text: the unit of a plain query, and of an index of words.

A word is a run of letters, digits and underscores. Scripts that are written without blanks between words (Chinese,
Japanese, Thai, …) have no such boundaries: a text of theirs is found anywhere, and an index holds its pairs of
characters. Case is folded, after composition to NFC.
"""

import re
from collections.abc import Iterator
from typing import Final
from unicodedata import is_normalized, normalize

UNSPACED: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3040-\u318f"
    "\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7ff\uf900-\ufaff\uff66-\uffdc\U00020000-\U0003ffff"
)
"""Ranges of characters of scripts without blanks between words, for a character class."""

NUMBER_POINT: Final = "\ue000"
NUMBER_SIGN: Final = "\ue001"
"""Private characters for the point and the exponent's sign of a number: they join its digits to one word."""

NUMBER_WORD: Final = str.maketrans({".": NUMBER_POINT, "-": NUMBER_SIGN, "+": NUMBER_SIGN})

JOINING: Final = f"[^\\W{UNSPACED}]"
"""A character class: what joins its neighbours to a word."""

_TOKEN: Final = re.compile(f"{JOINING}+|[{UNSPACED}]+")
_UNSPACED_RUN: Final = re.compile(f"[{UNSPACED}]")


def fold(text: str) -> str:
    """A text without differences of case and composition."""
    if text.isascii():
        return text.lower()
    return (text if is_normalized("NFC", text) else normalize("NFC", text)).casefold()


def words_of(folded: str) -> Iterator[str]:
    """Yield the words of a folded text, for an index; a run without blanks as its pairs of characters."""
    for token in _TOKEN.findall(folded):
        if len(token) > 2 and _UNSPACED_RUN.match(token):
            yield from (token[place : place + 2] for place in range(len(token) - 1))
        else:
            yield token


def whole_words(folded: str, *, starts: bool, ends: bool) -> Iterator[str]:
    """Yield the words that an index has of every text that contains this one.

    Args:
        folded: the text that is searched for.
        starts: it begins at the start of a word; otherwise its first word may be the end of a longer one.
        ends: it ends at the end of a word.
    """
    for found in _TOKEN.finditer(folded):
        token = found[0]
        if _UNSPACED_RUN.match(token):
            yield from (token[place : place + 2] for place in range(len(token) - 1))
        elif (starts or found.start() > 0) and (ends or found.end() < len(folded)):
            yield token


def is_joining(character: str) -> bool:
    """Return whether a character is part of a word that its neighbours may belong to."""
    return re.fullmatch(JOINING, character) is not None
