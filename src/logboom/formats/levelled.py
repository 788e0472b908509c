"""Decoding of journal lines for their levels: few fields for most blocks, more only if a level needs them."""

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final

import msgspec

from logboom.formats.entry_level import LEVEL_FIELDS, LEVEL_KEYS, word_name
from logboom.formats.partial import fields_struct, line_struct
from logboom.remembered import Remembered

WORDS_BYTES_MAX: Final = 256 << 10
"""Size of the cache of levels and their names: few are in use, but senders may send any number of them."""

DAMAGE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Errors of decoders for unreadable lines."""

_FEW: Final = (LEVEL_KEYS[0], "type")
_NEEDLES: Final = (b"evel", b"everity", b'"lvl"', b'"@l"', b"\\u00")
"""Parts of all keys of a level, and of an escaped letter: a block without any of them has no level."""

_word: Final = attrgetter("entry.level")


class LevelledLines:
    """Decoder of journal lines for the fields of their levels (`entry_level.level_of`), and other given fields.

    Args:
        keys: other fields of the entry.
        names: other parts of the line: `received_at`, `source`, `listener`.
        types: of keys that need one.
    """

    def __init__(self, keys: Iterable[str] = (), *names: str, types: Mapping[str, Any] | None = None) -> None:
        keys = tuple(keys)
        self._few: msgspec.json.Decoder[Any] = _decoder((*_FEW, *keys), names, types)
        self._all: msgspec.json.Decoder[Any] = _decoder((*LEVEL_FIELDS, *keys), names, types)

    def read(self, data: bytes, count: int | None = None) -> list[Any] | None:
        """Decode `count` lines; None when a line is unreadable or missing."""
        if not any(needle in data for needle in _NEEDLES):
            return read_lines(self._few, data, count)
        found = read_lines(self._few, data, count)
        return found if found is None or _is_complete(found) else read_lines(self._all, data, count)


def _decoder(
    keys: Iterable[str], names: Iterable[str], types: Mapping[str, Any] | None
) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(line_struct(fields_struct(keys, types), *names))


def read_lines(decoder: msgspec.json.Decoder[Any], data: bytes, count: int | None) -> list[Any] | None:
    """Decode `count` lines with one call; None when a line is unreadable or missing."""
    try:
        found = decoder.decode_lines(data)
    except DAMAGE:
        return None
    return found if count is None or len(found) == count else None


def _is_complete(found: Sequence[Any]) -> bool:
    """Return whether each line has its level as a word in `level`, so that no other field is needed."""
    try:
        words = set(map(_word, found))
    except TypeError:  # one that is a list or an object
        return False
    return all(type(word) is str and LEVEL_OF_WORD[word] for word in words)


LEVEL_OF_WORD: Final = Remembered[str, str](word_name, WORDS_BYTES_MAX)
"""Level of entries by the word in `level`; empty when it depends on other fields."""
