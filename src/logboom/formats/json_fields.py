"""Fields of JSON objects of other programs, put under the common names without reading more than is asked for.

Values stay as they were sent: numbers keep all of their digits, and what has no common name is not decoded.
"""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from logboom.formats import ndjson
from logboom.formats.entry_level import NUMBER_FIELDS, level_of
from logboom.formats.mapped import MappedEntry

Fields = dict[str, msgspec.Raw]

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
_EMPTY: Final = msgspec.Raw(b'""')
_QUOTE: Final = ord('"')
_OBJECT: Final = ord("{")

_NOTHING: Final = frozenset({b"null", b'""'})
"""Values that stand for a field that is not there."""
_decode: Final = msgspec.json.Decoder(Fields).decode
_decode_all: Final = msgspec.json.Decoder(list[Fields]).decode
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
        entry.level = _level_of(text_of(level), fields)
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
        decoded: Sequence[Fields | None] = _decode_all(b"[" + b",".join(documents) + b"]")
    except DAMAGE:
        decoded = []
    if len(decoded) != len(documents):  # a document may hold more than one value
        decoded = list(map(fields_of, documents))
    plans: dict[tuple[str, ...], _Plan | None] = {}
    words: dict[bytes, str] = {}
    found: list[MappedEntry | None] = []
    for document, fields in zip(documents, decoded, strict=True):
        entry = None
        if fields is not None:
            keys = tuple(fields)
            plan = plans[keys] if keys in plans else plans.setdefault(keys, _plan_of(keys))
            entry = (plan and _by_plan(fields, plan, words)) or entry_of(_decode(document))
        found.append(entry)
    return found


_Plan = tuple[str, str, str, str, str]
"""The keys of time, level, message, source and host; empty where there is none."""


def _plan_of(keys: tuple[str, ...]) -> _Plan | None:
    """Choose the keys; None: the values decide."""
    if not _OUTER.isdisjoint(keys):
        return None
    chosen = []
    for names in (TIME_KEYS, LEVEL_KEYS, MESSAGE_KEYS, SOURCE_KEYS, HOST_KEYS):
        candidates = [name for name in names if name in keys]
        if len(candidates) > 1:
            return None
        chosen.append(candidates[0] if candidates else "")
    return chosen[0], chosen[1], chosen[2], chosen[3], chosen[4]


def _by_plan(fields: Fields, plan: _Plan, words: dict[bytes, str]) -> MappedEntry | None:
    """Map an object whose values are all texts; None: they are not, and the object is spoilt."""
    values: list[Any] = [fields.pop(key) if key else None for key in plan]
    moment, level, message, source, host = values
    word = ""
    if level is not None:
        raw = bytes(level)
        if raw not in words:
            if raw[0] != _QUOTE or raw[1:-1].isdigit():
                return None
            words[raw] = _decode_text(raw)
        word = words[raw]
    for value in (moment, message, source, host):
        if value is not None and (bytes(value)[:1] != b'"' or value == _EMPTY):
            return None
    return MappedEntry(
        time=moment,
        level=word,
        message=message or "",
        source=source or "",
        host=host or "",
        attributes=fields,
    )


def _add_nested(entry: MappedEntry, fields: Fields) -> None:
    """Fill what is missing from fields of objects, such as `host.name`. The objects stay."""
    for outer in _OUTER & fields.keys():
        nested = fields_of(bytes(fields[outer]))
        if nested:
            slot, inner = _NESTED[outer]
            if not getattr(entry, slot):
                setattr(entry, slot, take(nested, (inner,)) or "")


def _level_of(text: str, fields: Fields) -> str:
    """Return a level as a word. The other fields decide whether a number is pino's or syslog's."""
    if not text.isdecimal():
        return text
    beside = dict.fromkeys(fields.keys() & NUMBER_FIELDS, True)
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
