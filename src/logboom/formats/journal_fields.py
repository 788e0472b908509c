"""Fields of the systemd journal as an entry (systemd.journal-fields(7))."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any, Final

from logboom.formats.json_columns import by_shape
from logboom.formats.levels import SYSLOG_NAMES
from logboom.formats.mapped import MappedEntry

_LEVELS: Final = {str(number): level for number, level in enumerate(SYSLOG_NAMES)}
_SOURCE_TIME: Final = "_SOURCE_REALTIME_TIMESTAMP"
_ENTRY_TIME: Final = "__REALTIME_TIMESTAMP"
_LABELS: Final = (
    ("_SYSTEMD_UNIT", "unit"),
    ("_TRANSPORT", "transport"),
    ("CONTAINER_NAME", "container_name"),
    ("_BOOT_ID", "boot_id"),
)


_MOMENT_DIGITS_MAX: Final = 19
"""Digits of a time in microseconds that is read."""


def entry_of_fields(fields: Mapping[str, Any]) -> MappedEntry:
    """Map the fields of one journal entry to the common names; see `_text` for their values."""
    return entry_of_texts({name: _text(value) for name, value in fields.items()})


def entry_of_texts(texts: dict[str, str]) -> MappedEntry:
    """Map the fields of one journal entry, which are all texts, to the common names.

    Args:
        texts: what is left of them becomes the attributes.
    """
    return _of_shape(tuple(texts), [texts])[0]


def entries_of_texts(entries: Sequence[dict[str, str]]) -> list[MappedEntry]:
    """Map journal entries as `entry_of_texts` does; those with the same fields together."""
    return by_shape(_of_shape, entries)


def _of_shape(keys: tuple[str, ...], entries: Sequence[dict[str, str]]) -> list[MappedEntry]:
    """Map entries with the same fields."""

    def take(name: str) -> Iterable[str]:
        return map(dict.pop, entries, repeat(name)) if name in keys else repeat("", len(entries))

    moments = _moments(list(take(_SOURCE_TIME)), list(take(_ENTRY_TIME)))
    sources = [
        identifier or command
        for identifier, command in zip(take("SYSLOG_IDENTIFIER"), take("_COMM"), strict=True)
    ]
    levels = map(_LEVELS.get, take("PRIORITY"), repeat(""))
    messages, hosts = list(take("MESSAGE")), list(take("_HOSTNAME"))
    places = list(zip(*[take(name) for name, _ in _LABELS], strict=True))
    labels = {place: _labels_of(place) for place in set(places)}
    return list(
        map(MappedEntry, moments, levels, messages, sources, hosts, map(labels.__getitem__, places), entries)
    )


def _moments(source_times: list[str], entry_times: list[str]) -> list[int | None]:
    """Return `_moment` of each pair."""
    used = source_times if any(source_times) else entry_times
    sizes = set(map(len, used))
    if 0 not in sizes and max(sizes) <= _MOMENT_DIGITS_MAX and "".join(used).isdecimal():
        return [int(text) * 1000 for text in used]
    return list(map(_moment, source_times, entry_times))


def _moment(source_time: str, entry_time: str) -> int | None:
    """Return the time of the source, else that of the entry, in nanoseconds since the epoch."""
    for text in (source_time, entry_time):
        if text.isdecimal() and len(text) <= _MOMENT_DIGITS_MAX:
            return int(text) * 1000
    return None


def _labels_of(values: tuple[str, ...]) -> dict[str, str]:
    return {label: text for (_, label), text in zip(_LABELS, values, strict=True) if text}


def _text(value: object) -> str:
    """Return a field as text. What is no text comes as a list of its bytes, a repeated field as a list of values."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        if value and all(type(one) is int and 0 <= one <= 255 for one in value):
            return bytes(value).decode(errors="replace")
        return "\n".join(map(_text, value))
    return "" if value is None else str(value)
