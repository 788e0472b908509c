"""Names of senders of many lines: the same as `records.sender`, with a cache."""

from operator import attrgetter
from typing import Any, Final

from logboom.formats.records import SENDER_KEYS, sender
from logboom.remembered import Remembered

NAMES_BYTES_MAX: Final = 8 << 20
"""Cache of names by the fields in which entries name their sender: room for 16,000 active senders."""

_own_names: Final = attrgetter(*SENDER_KEYS)
_number: Final = attrgetter("id")
_NAMELESS: Final = (None,) * len(SENDER_KEYS)


def name_of(entry: Any, peer: str) -> str:
    """Fast version of `records.sender`, which for most entries does not look up each key.

    Args:
        entry: decoded to a type with the fields `SENDER_KEYS`, `READING_KEYS` and `id`.
        peer: as for `records.sender`.
    """
    own = _own_names(entry)
    if own == _NAMELESS and _number(entry) is None:
        return peer
    try:
        name = _own_name[own]
    except TypeError:  # a list or an object can't be a key of the cache
        name = ""
    return name or sender(entry, peer)


def _make_name(own: tuple[Any, ...]) -> str:
    """Return the name in the fields `SENDER_KEYS` of an entry; empty without one."""
    return sender(dict(zip(SENDER_KEYS, own, strict=True)), "")


_own_name: Final = Remembered(_make_name, NAMES_BYTES_MAX)
