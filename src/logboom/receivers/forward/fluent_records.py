"""Records of Fluent Forward under the common names (`formats.mapped`)."""

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any, Final, NamedTuple

import msgspec

from logboom.formats.entry_level import LEVEL_KEYS, SEVERITY_NUMBER_KEYS, level_of
from logboom.formats.json_columns import by_shape
from logboom.formats.levels import CANONICAL
from logboom.formats.mapped import MappedEntry

Record = dict[str, Any]
MESSAGE_KEYS: Final = ("log", "message", "msg")
HOST_KEYS: Final = ("host", "hostname")
CONTAINER_NAME: Final = "container_name"
_CONTAINER: Final = ("container_id", "source")
"""With `CONTAINER_NAME`, the fields of Docker's logging driver; `source` is `stdout` or `stderr`."""
_LEVELS: Final = frozenset({*LEVEL_KEYS, *SEVERITY_NUMBER_KEYS, "type"})


_TEXT: Final = {str}
_NO_FIELDS: Final[Record] = {}


class _Plan(NamedTuple):
    """Places of the common fields in records with these keys; values decide between them."""

    messages: tuple[str, ...]
    level: str
    """Key whose value is the level if that is a word."""
    hosts: tuple[str, ...]
    container: tuple[str, ...]
    """Keys of the fields of Docker's logging driver; empty: there are none."""
    has_level: bool


def entries_of(tag: str, times: Sequence[int | None], records: Sequence[Record]) -> list[MappedEntry]:
    """Return one entry per record. The records are used up.

    Args:
        tag: of the message.
        times: nanoseconds since the epoch, or None, per record.
        records: records with the same keys are handled together where their values are the usual ones.
    """
    return by_shape(RecordMapping(tag).of_shape, records, times)


class RecordMapping:
    """Maps the records of one message.

    Args:
        tag: of the message.
    """

    def __init__(self, tag: str) -> None:
        self._tag = tag
        self._own = {"tag": tag}

    def of_shape(
        self, keys: tuple[str, ...], records: Sequence[Record], times: Sequence[int | None]
    ) -> list[MappedEntry]:
        """Return the entries of records with the same keys."""
        plan = _plan(keys)
        entries = self._by_column(plan, times, records)
        if entries is not None:
            return entries
        return [self._entry(plan, time, record) for time, record in zip(times, records, strict=True)]

    def _by_column(
        self, plan: _Plan, times: Sequence[int | None], records: Sequence[Record]
    ) -> list[MappedEntry] | None:
        """Return the entries of records with the same keys; None, and nothing is used up: a value decides."""
        taken = [*plan.messages[:1], *plan.hosts[:1], *plan.container]
        taken += [plan.level] if plan.has_level else []
        if "" in taken:
            return None
        columns = {key: [record[key] for record in records] for key in taken}
        if any(set(map(type, column)) != _TEXT for column in columns.values()):
            return None
        levels = _words(columns[plan.level], plan.level) if plan.has_level else repeat("")
        if levels is None:
            return None
        messages = columns[plan.messages[0]] if plan.messages else repeat(msgspec.UNSET)
        hosts = columns[plan.hosts[0]] if plan.hosts else repeat("")
        labels = self._labels_of([columns[key] for key in plan.container])
        attributes: Iterable[Record] = records
        if len(taken) == len(records[0]):
            attributes = repeat(_NO_FIELDS)
        else:
            for record in records:
                for key in taken:
                    del record[key]
        return list(map(MappedEntry, times, levels, messages, repeat(self._tag), hosts, labels, attributes))

    def _labels_of(self, columns: list[list[str]]) -> Iterable[dict[str, Any]]:
        """Return the labels per record.

        Args:
            columns: texts of the fields of Docker's logging driver; empty: there are none.
        """
        if not columns:
            return repeat(self._own)
        places = list(zip(*columns, strict=True))
        labels = {place: _container_labels(self._own, *place) for place in set(places)}
        return map(labels.__getitem__, places)

    def _entry(self, plan: _Plan, time: int | None, record: Record) -> MappedEntry:
        """Return the entry of one record, whatever its values are."""
        message = next((key for key in plan.messages if record[key] is not None), "")
        host = next((key for key in plan.hosts if isinstance(record[key], str)), "")
        has_level = plan.has_level or isinstance(record.get("log"), dict)
        return MappedEntry(
            time=time,
            level=_take_level(record, plan.level) if has_level else "",
            message=_take_message(record, message) if message else msgspec.UNSET,
            source=self._tag,
            host=record.pop(host) if host else "",
            labels=self._take_container(record, plan.container) if plan.container else self._own,
            attributes=record,
        )

    def _take_container(self, record: Record, keys: tuple[str, ...]) -> dict[str, Any]:
        """Remove the fields of Docker's logging driver from a record, and return them as labels."""
        values = [record[key] for key in keys]
        if set(map(type, values)) != _TEXT:
            return self._own
        for key in keys:
            del record[key]
        return next(iter(self._labels_of([[value] for value in values])))


def _words(levels: list[str], key: str) -> Iterable[str] | None:
    """Return levels that are known words by their names; None: there are others."""
    words = {word: _known(word, key) for word in set(levels)}
    return None if "" in words.values() else map(words.__getitem__, levels)


def _known(word: str, key: str) -> str:
    """Return the name of a level, empty for a word that is none."""
    return (CANONICAL.get(word) or CANONICAL.get(word.upper(), "")) if len(word) > 1 or key != "type" else ""


def _plan(keys: tuple[str, ...]) -> _Plan:
    container = tuple([key for key in (CONTAINER_NAME, *_CONTAINER) if key in keys])
    if container[:2] != (CONTAINER_NAME, _CONTAINER[0]):
        container = ()
    return _Plan(
        tuple([key for key in MESSAGE_KEYS if key in keys]),
        next((key for key in (*LEVEL_KEYS, "type") if key in keys), ""),
        tuple([key for key in HOST_KEYS if key in keys]),
        container,
        not _LEVELS.isdisjoint(keys),
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
    known = _known(word, key) if type(word) is str else ""
    if not known:
        return level_of(record)
    del record[key]
    return known


def _container_labels(own: dict[str, Any], name: str, identifier: str, stream: str = "") -> dict[str, Any]:
    found = {**own, CONTAINER_NAME: name.removeprefix("/"), "container_id": identifier}
    if stream:
        found["stream"] = stream
    return found
