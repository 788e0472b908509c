"""Records of Fluent Forward under the common names (`formats.mapped`)."""

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any, Final, NamedTuple

import msgspec

from logboom.formats.entry_level import LEVEL_KEYS, SEVERITY_NUMBER_KEYS, level_of
from logboom.formats.levels import CANONICAL
from logboom.formats.mapped import MappedEntry

Record = dict[str, Any]
Timed = tuple[int | None, Record]
"""Nanoseconds since the epoch, or None; and the record."""

MESSAGE_KEYS: Final = ("log", "message", "msg")
HOST_KEYS: Final = ("host", "hostname")
CONTAINER_NAME: Final = "container_name"
_CONTAINER: Final = ("container_id", "source")
"""With `CONTAINER_NAME`, the fields of Docker's logging driver; `source` is `stdout` or `stderr`."""
_LEVELS: Final = frozenset({*LEVEL_KEYS, *SEVERITY_NUMBER_KEYS, "type"})


class _Plan(NamedTuple):
    """Places of the common fields in records with the same keys."""

    message: str
    level: str
    """Key whose value is the level if that is a word."""
    host: str
    container: tuple[str, ...]
    """Keys of the fields of Docker's logging driver; empty: there are none."""
    container_of: Callable[[Record], tuple[Any, ...]]
    has_level: bool


def entries_of(tag: str, records: Iterable[Timed]) -> list[MappedEntry]:
    """Return one entry per record. The records are used up."""
    plans: dict[tuple[str, ...], _Plan] = {}
    own = {"tag": tag}
    labels: dict[tuple[Any, ...], dict[str, Any]] = {}
    entries = []
    for time, record in records:
        keys = tuple(record)
        plan = plans.get(keys)
        if plan is None:
            plan = plans[keys] = _plan(record)
        message, level, host, container, container_of, has_level = plan
        entries.append(
            MappedEntry(
                time=time,
                level=_take_level(record, level) if has_level else "",
                message=_take_message(record, message) if message else msgspec.UNSET,
                source=tag,
                host=_take_text(record, host) if host else "",
                labels=_take_container(record, container, container_of(record), own, labels)
                if container
                else own,
                attributes=record,
            )
        )
    return entries


def _plan(record: Record) -> _Plan:
    container = tuple([key for key in (CONTAINER_NAME, *_CONTAINER) if key in record])
    if container[:2] != (CONTAINER_NAME, _CONTAINER[0]):
        container = ()
    return _Plan(
        next((key for key in MESSAGE_KEYS if record.get(key) is not None), ""),
        next((key for key in (*LEVEL_KEYS, "type") if key in record), ""),
        next((key for key in HOST_KEYS if isinstance(record.get(key), str)), ""),
        container,
        itemgetter(*container or ("",)),
        not _LEVELS.isdisjoint(record) or isinstance(record.get("log"), dict),
    )


def _take_message(record: Record, key: str) -> str | msgspec.UnsetType:
    """Remove the message from a record. What is no text stays there, too, as sent."""
    message = record[key]
    if type(message) is str:
        del record[key]
        return message
    return msgspec.UNSET if message is None else msgspec.json.encode(message).decode()


def _take_level(record: Record, key: str) -> str:
    """Remove the level from a record if it is a known word; a number stays there, too, as sent."""
    word = record.get(key)
    known = CANONICAL.get(word) or CANONICAL.get(word.upper()) if type(word) is str else None
    if known is None or (key == "type" and len(record[key]) == 1):
        return level_of(record)
    del record[key]
    return known


def _take_text(record: Record, key: str) -> str:
    return record.pop(key) if isinstance(record[key], str) else ""


def _take_container(
    record: Record,
    keys: tuple[str, ...],
    values: tuple[Any, ...],
    own: dict[str, Any],
    known: dict[tuple[Any, ...], dict[str, Any]],
) -> dict[str, Any]:
    """Remove the fields of Docker's logging driver from a record, and return them as labels."""
    try:
        found = known.get(values)
    except TypeError:  # a list or an object
        return own
    if found is None:
        if not all(map(_is_text, values)):
            return own
        found = known[values] = _container_labels(own, *values)
    for key in keys:
        del record[key]
    return found


def _container_labels(own: dict[str, Any], name: str, identifier: str, stream: str = "") -> dict[str, Any]:
    found = {**own, CONTAINER_NAME: name.removeprefix("/"), "container_id": identifier}
    if stream:
        found["stream"] = stream
    return found


def _is_text(value: object) -> bool:
    return type(value) is str
