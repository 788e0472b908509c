"""Labels and lines of entries, as Loki's clients see them: a stream is a set of labels, an entry a line of one.

The labels of an entry are its `labels`, which receivers fill, and `listener`, `source`, `level`, `host`. All other
fields are its structured metadata. Names have the form of Loki's: `service.name` is `service_name`.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from logboom.formats.entry_level import Fields
from logboom.formats.records import message_of
from logboom.remembered import Remembered

LABELS_KEY: Final = "labels"
HOST_KEY: Final = "host"
LEVEL_NAMES: Final = ("level", "detected_level")
"""Names of the level, which has the same words in all entries."""

VALUE_CHARS_MAX: Final = 1024
"""Longest value of a label; longer ones are cut: they would be kept for each count."""
LABELS_MAX: Final = 30
"""Labels of one entry, as in Loki; further ones are metadata."""
FIELDS_MAX: Final = 200
"""Fields of one entry: senders may invent any number of them."""
DEPTH_MAX: Final = 4
"""Depth up to which fields of objects have names of their own, such as `a_b_c_d`."""

_NAMES_BYTES_MAX: Final = 1 << 20
_FOREIGN: Final = re.compile(r"[^a-zA-Z0-9_]")
_PAIR: Final = re.compile(r'([A-Za-z_][\w.\-]*)=(?:"((?:[^"\\]|\\.)*+)"|([^\s"]*))')
_encode: Final = msgspec.json.Encoder().encode

_OWN_PLACE: Final = frozenset(
    {LABELS_KEY, HOST_KEY, "source", "level", "message", "msg", "time", "ts", "timestamp"}
)
"""Fields that labels, the line or its time show."""


def _plain_name(key: str) -> str:
    name = _FOREIGN.sub("_", key)
    return f"_{name}" if name[:1].isdigit() else name


plain_name: Final = Remembered(_plain_name, _NAMES_BYTES_MAX)
"""The name of a field in the form of a label's."""


def text_of(value: Any) -> str:
    """Return a value as text."""
    if isinstance(value, str):
        return value
    try:
        return _encode(value).decode()
    except (msgspec.EncodeError, UnicodeEncodeError, RecursionError, OverflowError):
        return str(value)


def stream_of(fields: Fields, *, listener: str, source: str, level: str) -> dict[str, str]:
    """Return the labels of an entry.

    Args:
        fields: the entry, or its `labels` and `host`.
        listener: which received it.
        source: name of its sender (`records.sender`).
        level: as records have it.
    """
    labels: dict[str, str] = {}
    own = fields.get(LABELS_KEY)
    if isinstance(own, dict):
        for key, value in own.items():
            if value is not None and value != "" and len(labels) < LABELS_MAX:
                labels[plain_name[str(key)]] = text_of(value)[:VALUE_CHARS_MAX]
    labels["listener"] = listener
    labels.setdefault("source", source[:VALUE_CHARS_MAX])
    host = fields.get(HOST_KEY)
    if isinstance(host, str) and host:
        labels.setdefault("host", host[:VALUE_CHARS_MAX])
    labels.pop("detected_level", None)
    if level:
        labels["level"] = level.lower()[:VALUE_CHARS_MAX]
    else:
        labels.pop("level", None)
    return labels


def metadata_of(entry: Mapping[str, Any]) -> dict[str, str]:
    """Return the fields of an entry that are no labels, flat, by their plain names."""
    found: dict[str, str] = {}
    rest = {key: value for key, value in entry.items() if key not in _OWN_PLACE and key != "attributes"}
    attributes = entry.get("attributes")
    _flatten("", attributes if isinstance(attributes, dict) else {}, found, 1)
    _flatten("", rest, found, 1)
    return found


def _flatten(prefix: str, fields: Mapping[str, Any], found: dict[str, str], depth: int) -> None:
    for key, value in fields.items():
        if len(found) >= FIELDS_MAX:
            return
        name = prefix + plain_name[str(key)]
        if isinstance(value, dict) and depth < DEPTH_MAX:
            _flatten(f"{name}_", value, found, depth + 1)
        elif value is not None:
            found.setdefault(name, text_of(value))


def line_of(entry: Fields, raw: bytes) -> str:
    """Return the line of an entry: its message, else its JSON as it was sent.

    Args:
        entry: the entry, or the fields of its message.
        raw: its JSON.
    """
    message = message_of(entry)
    return raw.decode(errors="replace") if message is None else message


def parsed_of(line: str, entry: Mapping[str, Any], parsers: frozenset[str]) -> dict[str, str]:
    """Return what parsers make of an entry.

    `json` gives its fields, also those of a line that is JSON; `logfmt` the pairs in its line.
    """
    found: dict[str, str] = {}
    if "json" in parsers:
        found |= metadata_of(entry)
        if line.startswith("{"):
            _flatten("", _object(line), found, 1)
    if "logfmt" in parsers:
        for name, value in pairs_of(line):
            if len(found) < FIELDS_MAX:
                found.setdefault(name, value)
    return found


def _object(line: str) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(line.encode(errors="replace"))
    except (msgspec.DecodeError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def pairs_of(line: str) -> Iterator[tuple[str, str]]:
    """Yield the names and values of a line of logfmt."""
    for name, quoted, bare in _PAIR.findall(line):
        yield plain_name[name], quoted.replace('\\"', '"') if quoted else bare
