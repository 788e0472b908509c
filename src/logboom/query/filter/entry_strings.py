"""The texts of an entry: its keys, strings and other plain values, found in its JSON without making objects of it."""

import json
import re
from typing import Final, NamedTuple

import msgspec

from logboom.query.filter.text_words import NUMBER_WORD, fold

SEPARATOR: Final = "\0"
"""Between the texts of an entry; no query has it."""

_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_SCALAR: Final = re.compile(r"-?\d[-+.\deE]*+|true|false|null")
_strings: Final = msgspec.json.Decoder(list[str])


class Texts(NamedTuple):
    """The texts of an entry."""

    strings: list[str]
    """Keys and string values."""
    scalars: list[str]
    """Numbers, booleans and nulls, as written."""


def texts_of(entry: bytes) -> Texts:
    """Find the texts of an entry. Of a damaged one, those that can be read."""
    raw = entry.decode(errors="replace")
    if "\\" in raw:
        strings, structure = _unescaped(_STRING.findall(raw)), _STRING.sub(" ", raw)
    else:
        pieces = raw.split('"')
        strings, structure = pieces[1::2], " ".join(pieces[::2])
    return Texts(strings, _SCALAR.findall(structure))


def searched_text(entry: bytes) -> str:
    """All texts of an entry in one, folded; a number that is not whole is one word (`text_words.NUMBER_WORD`)."""
    strings, scalars = texts_of(entry)
    return fold(SEPARATOR.join([*strings, *map(number_word, scalars)]))


def number_word(scalar: str) -> str:
    """A plain value as one word; a minus in front of it stays apart."""
    if scalar.isalnum():
        return scalar
    return scalar[0] + scalar[1:].translate(NUMBER_WORD)


def lines_of(entry: bytes) -> bytes:
    """The texts of an entry, each on lines of its own, for regular expressions."""
    strings, scalars = texts_of(entry)
    return "\n".join([*strings, *scalars]).encode(errors="replace")


def _unescaped(tokens: list[str]) -> list[str]:
    try:
        return _strings.decode(f"[{','.join(tokens)}]")
    except (msgspec.DecodeError, UnicodeEncodeError):
        return [_lenient(token) for token in tokens]


def _lenient(token: str) -> str:
    """A string that msgspec refuses, such as one with half of a pair of surrogates."""
    try:
        return str(json.loads(token, strict=False))
    except ValueError:
        return token[1:-1]
