"""Kinds of journal lines: lines of one kind have the same level, sender, type and listener.

Of many lines few kinds differ, so that counting kinds is counting in C.
"""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Final

from logboom.formats.records import SENDER_KEYS, reading_of
from logboom.query.entry_facts import level_names

Kind = tuple[Any, ...]
"""The level's name, and the fields of `_kind`."""

_kind: Final = attrgetter("listener", "source", *(f"entry.{key}" for key in ("type", *SENDER_KEYS, "id")))
"""The fields of a line that determine its sender and type; of an entry with an `id`, see `kinds_of`."""

_PLAIN: Final = {str, type(None), bool}


def kinds_of(lines: Sequence[Any], known: dict[Kind, Any]) -> list[Kind] | None:
    """Return the kind of each line; None when fields have other types than texts.

    An `id` is a name only of a sensor's reading: others do not count.

    Args:
        lines: from `entry_facts.read_timed_facts`.
        known: gets one line per kind.
    """
    kinds = [(level, *kind) for level, kind in zip(level_names(lines), map(_kind, lines), strict=True)]
    for place, kind in enumerate(kinds):
        if kind[-1] is not None and reading_of(lines[place].entry) is None:
            kinds[place] = (*kind[:-1], False)
    try:
        fresh = dict(zip(kinds, lines, strict=True))
    except TypeError:  # a field that is a list or an object
        return None
    unknown = [kind for kind in fresh if kind not in known]
    if any(type(part) not in _PLAIN for kind in unknown for part in kind):
        return None  # 7 and 7.0 are equal, and two names
    known.update((kind, fresh[kind]) for kind in unknown)
    return kinds
