"""Typed decoding of journal lines for counting and filtering: reads a few fields and skips the rest.

It costs a sixth of making records. Lines that it can't read are left to `formats.records`, which reads anything.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, Final

from logboom.formats.entry_level import Fields, level_of
from logboom.formats.entry_time import TIME_KEYS
from logboom.formats.levelled import LEVEL_OF_WORD, LevelledLines
from logboom.formats.records import READING_KEYS, SENDER_KEYS, sender

FACT_KEYS: Final = (*SENDER_KEYS, *READING_KEYS, "id")
"""The fields that determine an entry's sender."""

_kind: Final = attrgetter(
    "source",
    *(f"entry.{key}" for key in (*SENDER_KEYS, "id")),
)
"""The fields of a line that may determine its sender, except those that make it a reading."""

_NAMES: Final = frozenset({str, type(None)})
"""Types of names that are equal only when they are the same: 7, 7.0 and true are not."""

_levels: Final = LevelledLines()
_facts: Final = LevelledLines(FACT_KEYS, "received_at", "source")
_timed_levels: Final = LevelledLines(TIME_KEYS, "received_at")
_timed_facts: Final = LevelledLines((*FACT_KEYS, *TIME_KEYS), "received_at", "source", "listener")


def read_levels(data: bytes, count: int | None = None) -> list[Any] | None:
    """Return the levels of `count` lines; None when some line can't be read, or is not there."""
    return _levels.read(data, count)


def read_facts(data: bytes, count: int) -> list[Any] | None:
    """`received_at`, `source`, level and the `FACT_KEYS` of each `entry`; None as for `read_levels`."""
    return _facts.read(data, count)


def read_timed_levels(data: bytes, count: int) -> list[Any] | None:
    """Return level, `received_at` and the `TIME_KEYS` of each line; None as for `read_levels`."""
    return _timed_levels.read(data, count)


def read_timed_facts(data: bytes, count: int) -> list[Any] | None:
    """Return what `read_facts` does, with `listener` and the `TIME_KEYS`; None as for `read_levels`."""
    return _timed_facts.read(data, count)


def are_from(lines: Sequence[Any], accepts: Callable[[object], bool]) -> list[bool]:
    """Return for each line whether a name of its source is accepted, see `is_from`.

    Args:
        lines: decoded with `source` and the `FACT_KEYS` of each `entry`.
        accepts: called with each name, and with whatever the entry has in `source`.

    Raises:
        AttributeError: some line was not decoded to a type of its fields.
    """
    kinds = list(map(_kind, lines))
    try:
        examples = dict(zip(kinds, lines, strict=True))
    except TypeError:  # a name that is a list or an object
        examples = {}
    if not examples or any(type(part) not in _NAMES for kind in examples for part in kind):
        return [is_from(line.entry, line.source, accepts) for line in lines]
    known = {kind: is_from(line.entry, line.source, accepts) for kind, line in examples.items()}
    if any(accepts(kind[-1]) for kind in examples):  # an `id` is a name only of a sensor's reading
        return [is_from(line.entry, line.source, accepts) for line in lines]
    return [known[kind] for kind in kinds]


def is_from(entry: Fields, peer: str, accepts: Callable[[object], bool]) -> bool:
    """Return whether a name of a source is accepted: its address, its `source`, or the name it gives itself."""
    return accepts(peer) or accepts(entry.get("source")) or accepts(sender(entry, peer))


def level_names(found: Sequence[Any]) -> list[str]:
    """Return the level of each line, as records have it."""
    words = [line.entry.level for line in found]
    return [
        (LEVEL_OF_WORD[word] if type(word) is str else "") or level_of(line.entry)
        for word, line in zip(words, found, strict=True)
    ]


def count_levels(found: Sequence[Any]) -> Counter[str]:
    """Return the number of lines per level, as records have it."""
    try:
        words: Counter[Any] = Counter([line.entry.level for line in found])
    except TypeError:  # one that is a list or an object
        return Counter(level_names(found))
    counts: Counter[str] = Counter()
    for word, number in words.items():
        known = LEVEL_OF_WORD[word] if type(word) is str else ""
        if not known:
            return Counter(level_names(found))
        counts[known] += number
    return counts
