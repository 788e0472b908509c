"""Fields of JSON objects of other programs, put under the common names without reading more than is asked for.

Values stay as they were sent: numbers keep all of their digits, and what has no common name is not decoded.
"""

import json
import re
from collections.abc import Container, Iterable, Sequence
from itertools import repeat
from typing import Any, Final, cast

import msgspec

from logboom.formats import ndjson
from logboom.formats.entry_level import NUMBER_FIELDS, level_of
from logboom.formats.json_columns import Fields, by_shape, take_columns
from logboom.formats.mapped import MappedEntry

TIME_KEYS: Final = ("@timestamp", "time", "timestamp", "ts", "date", "timereported")
LEVEL_KEYS: Final = ("level", "severity", "log.level", "levelname", "loglevel", "PRIORITY", "priority")
MESSAGE_KEYS: Final = ("message", "msg", "log", "MESSAGE", "event")
SOURCE_KEYS: Final = ("service.name", "service", "agent.name", "program", "PROGRAM", "logger", "app")
HOST_KEYS: Final = ("host.name", "host", "hostname", "HOST", "fromhost")

_ORDER: Final = {
    "time": TIME_KEYS,
    "message": MESSAGE_KEYS,
    "source": SOURCE_KEYS,
    "host": HOST_KEYS,
}
_SLOTS: Final = [(slot, frozenset(names)) for slot, names in _ORDER.items()]
_NESTED: Final = {
    "service": ("source", "name"),
    "agent": ("source", "name"),
    "host": ("host", "name"),
    "log": ("level", "level"),
}
_OUTER: Final = _NESTED.keys()
_QUOTE: Final = ord('"')
_OBJECT: Final = ord("{")

_DEFAULTS: Final = (None, "", "", "", "")
"""Values of time, level, message, source and host in entries without them."""
_NO_LABELS: Final[dict[str, Any]] = {}

_LEVEL_DIGITS_MAX: Final = 9
"""Digits of a number that may be a level; Python refuses to read thousands of them."""

_NOTHING: Final = frozenset({b"null", b'""'})
"""Values that stand for a field that is not there."""
_decode: Final = msgspec.json.Decoder(Fields).decode
decode_objects: Final = msgspec.json.Decoder(list[Fields]).decode
"""Decodes an array of objects. Raises `DAMAGE`."""
_decode_list: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_text: Final = msgspec.json.Decoder(str).decode
_GAP: Final = re.compile(rb"\}\s*\{")
_BLANK: Final = re.compile(r"\s*")
DAMAGE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Exceptions of msgspec for what is no JSON."""


def fields_of(document: bytes) -> Fields | None:
    """Decode an object; None: it is none."""
    try:
        return _decode(document)
    except DAMAGE:
        return None


def utf8(body: bytes) -> bytes:
    """Return a body whose bytes that are not UTF-8 are replaced."""
    return body if ndjson.is_utf8(body) else body.decode(errors="replace").encode()


def take(fields: Fields, names: Iterable[str]) -> Any:
    """Remove the first of some fields that has a value; returns the value, or None.

    A text is returned as `msgspec.Raw`, as it was sent, anything but an object as the text of its JSON.
    """
    for name in names:
        value = fields.get(name)
        if value is None:
            continue
        raw = bytes(value)
        first = raw[0]
        if first == _OBJECT or raw in _NOTHING:
            continue
        del fields[name]
        return value if first == _QUOTE else raw.decode()
    return None


def text_of(value: Any) -> str:
    """Return a value of `take` as text; empty for None."""
    return _decode_text(value) if isinstance(value, msgspec.Raw) else value or ""


def entry_of(fields: Fields) -> MappedEntry:
    """Map the fields of an object by their usual names; what is left becomes attributes.

    Args:
        fields: of the object; those that are mapped are removed.
    """
    entry = MappedEntry(message="", attributes=fields)
    level = take(fields, LEVEL_KEYS)
    if level is not None:
        entry.level = _level_of(text_of(level), fields.keys())
    for slot, names in _SLOTS:
        found = names & fields.keys()
        if found:
            value = take(fields, _ORDER[slot] if len(found) > 1 else found)
            if value is not None:
                setattr(entry, slot, value)
    _add_nested(entry, fields)
    return entry


def entries_of(documents: Sequence[bytes]) -> list[MappedEntry | None]:
    """Map objects as `entry_of` does; None for what is no object.

    Objects of one sender mostly have the same keys: which of them is which is found out once per set of keys.
    """
    try:
        decoded: Sequence[Fields | None] = decode_objects(b"[" + b",".join(documents) + b"]")
    except DAMAGE:
        decoded = []
    if len(decoded) != len(documents):  # a document may hold more than one value
        decoded = list(map(fields_of, documents))
    if None in decoded:
        whole = [place for place, fields in enumerate(decoded) if fields is not None]
        found: list[MappedEntry | None] = [None] * len(documents)
        for place, entry in zip(whole, entries_of([documents[place] for place in whole]), strict=True):
            found[place] = entry
        return found
    return list(by_shape(_by_plan, cast("Sequence[Fields]", decoded), documents))


def _plan_of(keys: tuple[str, ...]) -> list[str] | None:
    """Choose the keys of time, level, message, source and host; empty: there is none. None: the values decide."""
    if not _OUTER.isdisjoint(keys):
        return None
    chosen: list[str] = []
    for names in (TIME_KEYS, LEVEL_KEYS, MESSAGE_KEYS, SOURCE_KEYS, HOST_KEYS):
        candidates = [name for name in names if name in keys]
        if len(candidates) > 1:
            return None
        chosen.append(candidates[0] if candidates else "")
    return chosen


def _by_plan(
    keys: tuple[str, ...], objects: Sequence[Fields], documents: Sequence[bytes]
) -> Iterable[MappedEntry]:
    """Map objects with the same keys, all with one call where the values are texts."""
    plan = _plan_of(keys)
    columns = take_columns(documents, objects, tuple(filter(None, plan))) if plan else None
    if plan is None or columns is None:
        return map(entry_of, objects)
    raw = iter(columns.raw)
    taken: list[Any] = [
        next(raw) if key else repeat(default) for key, default in zip(plan, _DEFAULTS, strict=True)
    ]
    if plan[1]:
        levels = columns.texts(1 if plan[0] else 0)
        others = [key for key in keys if key != plan[1]]
        words = {level: _level_of(level, others) for level in set(levels)}
        taken[1] = map(words.__getitem__, levels)
    return map(MappedEntry, *taken, repeat(_NO_LABELS), objects)


def _add_nested(entry: MappedEntry, fields: Fields) -> None:
    """Fill what is missing from fields of objects, such as `host.name`. The objects stay."""
    for outer in _OUTER & fields.keys():
        nested = fields_of(bytes(fields[outer]))
        if nested:
            slot, inner = _NESTED[outer]
            if not getattr(entry, slot):
                setattr(entry, slot, take(nested, (inner,)) or "")


def _level_of(text: str, others: Container[str]) -> str:
    """Return a level as a word. The names of the other fields decide whether a number is pino's or syslog's."""
    if not text.isdecimal() or len(text) > _LEVEL_DIGITS_MAX:
        return text
    beside = {key: True for key in NUMBER_FIELDS if key in others}
    return level_of({**beside, "level": int(text)}) or text


def objects_of(body: bytes) -> list[bytes] | None:
    """Cut concatenated JSON values, with or without blanks between them; None: the body holds anything else."""
    joined, gaps = _GAP.subn(b"},{", body.strip())
    try:
        found = _decode_list(b"[" + joined + b"]")
    except DAMAGE:
        return None
    if len(found) != gaps + 1:  # a text holds what looks like the end of one object and the start of the next
        return _cut(body.decode(errors="replace").strip())
    return [bytes(one) for one in found]


def _cut(text: str) -> list[bytes] | None:
    """Cut value by value."""
    decoder, found, position = json.JSONDecoder(), [], 0
    while position < len(text):
        try:
            _, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            return None
        found.append(text[position:end].encode())
        blank = _BLANK.match(text, end)
        position = blank.end() if blank else end
    return found
