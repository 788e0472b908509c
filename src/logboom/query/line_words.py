"""Words of whole journal lines, for their filter: at least those that a query may look for in the entries.

Nearly all lines are plain ASCII, whose words are found by bytes. Only what is written in other ways is decoded.
"""

import re
from collections.abc import Iterable
from typing import Final

from logboom.formats.envelope import ENTRY_AT, KEY_AT, LISTENER_AT, SOURCE_AT
from logboom.query.filter.entry_strings import searched_text
from logboom.query.filter.needles import has_other_spellings
from logboom.query.filter.text_words import fold, words_of

ODD_NUMBER: Final = b"\0number"
"""Stands for numbers that may be whole ones, but are not written so: 1e4, 1999.99999999."""

ODD_MESSAGE: Final = b"\0message"
"""Stands for messages that are no texts: queries see their JSON, as an encoder would write it."""

DIGITS_MIN: Final = 4
"""Digits of whole numbers that are found by their value: shorter ones are too frequent."""

NUMBER_MAX: Final = 10**12
"""Limit for these numbers: beyond, more fractions than those of `ODD_NUMBER` are rounded to whole numbers."""

BYTES_MAX: Final = 1 << 20
"""Longest block whose words are looked at; a longer one is a single line, and may hold a million words."""

_HEAD: Final = b'","entry":'
_HEAD_AT: Final = slice(ENTRY_AT - len(_HEAD), ENTRY_AT)
_PLAIN: Final = bytes(
    byte if byte < 128 and (chr(byte).isalnum() or byte == ord("_")) else ord(" ")
    for byte in bytes(range(256)).lower()
)
"""Table that folds case, and makes blanks of all that is not part of a word."""

_ESCAPES: Final = re.compile(rb"\\(?:[nrtbf\\]|u00[01][0-9a-fA-F])")
"""Escapes that stand for no part of a word."""

_ODD: Final = re.compile(rb"0+([1-9]\d{3,})$|\d*e0*\d{0,2}$|9999")
_ODD_MESSAGE: Final = re.compile(rb'"m(?:sg|essage)"(?!: ?")')
_NUMBER_STARTS: Final = frozenset(b"0123456789e")


def line_words(data: bytes, count: int) -> set[bytes] | None:
    """Return the words of some lines; None: they may hold any.

    Args:
        data: the lines, each with its newline.
        count: their number.
    """
    lines = data.split(b"\n")[:count]
    is_damaged = {line[_HEAD_AT] + line[-1:] for line in lines} != {_HEAD + b"}"}
    if len(data) > BYTES_MAX or is_damaged:
        return None
    bodies = [line[ENTRY_AT:] for line in lines]
    if KEY_AT in data:
        bodies = list(map(_without_key, bodies))
    words = _words_of(bodies)
    if _ODD_MESSAGE.search(data):
        words.add(ODD_MESSAGE)
    return words


def add_numbers(words: set[bytes]) -> None:
    """Add what stands for whole numbers that are written in other ways."""
    for word in [word for word in words if word[0] in _NUMBER_STARTS]:
        odd = _ODD.match(word)
        if odd:
            words.add(odd[1] or ODD_NUMBER)


def _without_key(body: bytes) -> bytes:
    """Return a line from its entry on, without the key: no query looks for it, and each line has another one."""
    listener = body.rfind(LISTENER_AT)
    key = body.rfind(KEY_AT, body.rfind(SOURCE_AT), listener)
    return body[:key] + body[listener:] if key >= 0 else body


def _words_of(bodies: list[bytes]) -> set[bytes]:
    text = b"\n".join(bodies)
    if b"\\" in text:
        text = _ESCAPES.sub(b" ", text)
    if text.isascii() and b"\\u" not in text:
        return set(text.translate(_PLAIN).split())
    return _mixed_words(bodies, text.split(b"\n"))


def _mixed_words(bodies: list[bytes], texts: list[bytes]) -> set[bytes]:
    """Return the words of lines of which some are not plain.

    Args:
        bodies: the lines.
        texts: the same without the usual escapes.
    """
    plain, wide, words = list[bytes](), list[bytes](), set[bytes]()
    for body, text in zip(bodies, texts, strict=True):
        if b"\\u" in text:
            words |= _encoded(words_of(searched_text(body)))
            if has_other_spellings(body):  # it may have a message whose key is written with escapes
                words.add(ODD_MESSAGE)
        elif text.isascii():
            plain.append(text)
        else:
            wide.append(text)
    words |= _encoded(words_of(fold(b"\n".join(wide).decode(errors="replace"))))
    words.update(b"\n".join(plain).translate(_PLAIN).split())
    return words


def _encoded(words: Iterable[str]) -> set[bytes]:
    return {word.encode(errors="replace") for word in set(words)}
