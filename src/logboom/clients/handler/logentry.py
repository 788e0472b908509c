"""A `logging` record as one line of JSON: the handler's own fields, and those that the application adds.

Nothing that a record holds raises here or makes the line larger than `LINE_BYTES_MAX`.
"""

import copy
import json
import logging
import os
import time
import traceback
from collections.abc import Iterable, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from logboom.clients.handler.foreign import Content, event_in, loguru_content, structlog_content
from logboom.clients.handler.jsonvalue import clean, cut, free_name, json_value, text_of
from logboom.formats.levels import name as level_name
from logboom.formats.levels import wire_number
from logboom.formats.times import parse_time

LINE_BYTES_MAX: Final = 1_000_000
"""The longest line, bytes: servers take 1 MiB by default. Longer values are cut."""
_SHARES: Final = (256 << 10, 64 << 10, 16 << 10, 4 << 10, 512)
"""Lengths to which the values of a line that is too long are cut, in characters, one after the other until it fits."""
_FIELDS_LEFT: Final = 64
"""Fields of a line that is too long although its values are short: the handler's own come first."""
_UNREADABLE_CHARS: Final = 100_000
"""Characters of the text of a record that has nothing else that can be read."""
SAME_TIME_S: Final = 1.0
"""A field `timestamp` this near to the record's time is that time once more, seconds."""
_PREFIX: Final = "extra."
"""Before the names of fields that the handler, or the server's reading of an entry, has another use for."""

_MADE: Final = list(logging.LogRecord("", 0, "", 0, "", (), None).__dict__)
_STANDARD_COUNT: Final = len(_MADE)
_LAST_STANDARD: Final = _MADE[-1:]
_STANDARD: Final = frozenset(_MADE) | {"message", "asctime", "taskName"}
_STRUCTLOGS: Final = frozenset({"_logger", "_name", "_record", "_from_structlog"})
_NOT_EXTRA: Final = _STANDARD | _STRUCTLOGS
_TIMES: Final = frozenset({"ts", "time"})
"""Fields that would be taken for the entry's time before `timestamp` is."""

encode: Final = msgspec.json.Encoder().encode


class _Fields(msgspec.Struct, omit_defaults=True, gc=False):
    """The handler's own fields, in their order; those that are empty are left out, all but the message."""

    timestamp: str = ""
    hostname: str = ""
    logger_name: str = ""
    module: str = ""
    level: str = ""
    filename: str = ""
    function_name: str = ""
    line_number: str = ""
    message: str | UnsetType = UNSET
    path_name: str = ""
    process_id: str = ""
    process_name: str = ""
    thread_id: str = ""
    thread_name: str = ""
    service_name: str = ""
    stack_trace: str = ""


_RESERVED: Final = frozenset(_Fields.__struct_fields__) | _TIMES | {"logger"}
"""Names of fields that are looked at before they are added."""


class Shape(NamedTuple):
    """The form that entries must have for one server."""

    service_name: str = ""
    has_fields: bool = True
    """True: an entry may have fields of any name. False: they follow the message, as JSON."""
    own: Mapping[str, str] = MappingProxyType({})
    """Further fields of all entries."""


class Entries:
    """Makes lines of records.

    Args:
        shape: of the entries.
    """

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._names = _RESERVED.union(shape.own)
        self._hostname = os.uname().nodename
        self._second = (-1, "")

    def line(self, record: logging.LogRecord, formatter: logging.Formatter | None) -> bytes:
        """The line of a record, without its newline. Raises what the formatter or the record's arguments raise."""
        return self._line(record, _content(record, formatter))

    def rescued_line(self, record: logging.LogRecord) -> bytes:
        """The line of a record whose message can't be made: its parts. Never raises."""
        text = f"{text_of(record.msg)} {text_of(record.args)}" if record.args else text_of(record.msg)
        try:
            return self._line(record, Content(text, _extras(record), _stack_trace(record)))
        except Exception:  # noqa: BLE001 - it has attributes of other types than logging gives them
            moment = self._timestamp(time.time())
            return encode({"timestamp": moment, "level": "ERROR", "message": text[:_UNREADABLE_CHARS]})

    def _line(self, record: logging.LogRecord, content: Content) -> bytes:
        own, fields = self._own_fields(record, content), content.fields
        try:
            line = encode(own)
            if self._shape.own:
                line = line[:-1] + b"," + encode({**self._shape.own, **fields})[1:]
            elif fields:
                line = line[:-1] + b"," + encode(fields)[1:]
            if len(line) <= LINE_BYTES_MAX and self._names.isdisjoint(fields):  # as most are
                return line
        except UnicodeEncodeError:  # half of a surrogate pair, as file names that are not UTF-8 bring them
            pass
        return _line_of({**msgspec.structs.asdict(own), **self._shape.own}, fields, record)

    def _own_fields(self, record: logging.LogRecord, content: Content) -> _Fields:
        """The record in the fields of the Cap'n Proto and gRPC schemas."""
        level, message = record.levelname, content.message
        if not self._shape.has_fields:
            level = _numbered_level(record, content.fields)
            if content.fields:
                message = f"{message} {_json_text(content.fields)}"
                content.fields.clear()
        return _Fields(
            self._timestamp(record.created),
            self._hostname,
            record.name or "",
            record.module,
            level,
            record.filename,
            record.funcName or "",
            str(record.lineno),
            message,
            record.pathname,
            str(record.process or ""),
            record.processName or "",
            str(record.thread or ""),
            record.threadName or "",
            self._shape.service_name,
            content.trace,
        )

    def _timestamp(self, created: float) -> str:
        """Seconds since the epoch as ISO 8601, UTC, with microseconds.

        Without `datetime`: while the interpreter shuts down, that of Python 3.13.0 ends the process by SIGSEGV.
        """
        second = int(created) if created >= 0.0 else int(created // 1)
        known, text = self._second
        if known != second:
            text = "{:04d}-{:02d}-{:02d}T{:02d}:{:02d}:{:02d}".format(*time.gmtime(second)[:6])
            self._second = (second, text)
        return "%s.%06d+00:00" % (text, (created - second) * 1e6)  # noqa: UP031 - half the time of an f-string


def _numbered_level(record: logging.LogRecord, fields: dict[str, Any]) -> str:
    """The level for a protocol of numbers: this one or the next common one below, with its name among the fields."""
    name = record.levelname
    if wire_number(name) is not None:
        return name
    if not name.startswith("Level "):
        fields["levelname"] = name
    return level_name(record.levelno)


def _content(record: logging.LogRecord, formatter: logging.Formatter | None) -> Content:
    """The message, the fields and the exception of a record."""
    extras = _extras(record)
    if "extra" in extras and (found := loguru_content(record, extras)) is not None:
        return found
    event = record.msg if isinstance(record.msg, dict) and not record.args else None
    trace = _stack_trace(record)
    if formatter is not None:
        if event is not None:
            trace = structlog_content({"exc_info": event.get("exc_info")}, {}, trace).trace
        message = formatter.format(_without_exception(record))
    elif event is not None:
        return structlog_content(event, extras, trace)
    else:
        message = record.getMessage()
    event = event_in(message, formatted=formatter is not None)
    return structlog_content(event, extras, trace) if event is not None else Content(message, extras, trace)


def _without_exception(record: logging.LogRecord) -> logging.LogRecord:
    """A copy for a formatter: the exception goes with the entry in any case, and need not be in the message."""
    bare = copy.copy(record)
    bare.exc_info = bare.exc_text = bare.stack_info = None
    if isinstance(bare.msg, dict):
        bare.msg = {key: value for key, value in bare.msg.items() if key != "exc_info"}
    return bare


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    """The fields that `extra` and filters have added."""
    attributes = record.__dict__
    added = list(islice(attributes, _STANDARD_COUNT - 1, None))
    names: Iterable[str] = (
        added if added[:1] == _LAST_STANDARD else attributes
    )  # they come last, as nearly always
    return {
        name if name.isascii() else text_of(name): json_value(attributes[name])
        for name in names
        if name not in _NOT_EXTRA
    }


def _line_of(own: dict[str, Any], fields: dict[str, Any], record: logging.LogRecord) -> bytes:
    """The line of an entry with further fields, or with texts that need care."""
    entry = {name: value for name, value in own.items() if value or name == "message"}
    _add(entry, fields, record)
    try:
        line = encode(entry)
    except UnicodeEncodeError:
        entry = {clean(name): json_value(value) for name, value in entry.items()}
        line = encode(entry)
    return line if len(line) <= LINE_BYTES_MAX else _fitted(entry)


def _add(entry: dict[str, Any], fields: dict[str, Any], record: logging.LogRecord) -> None:
    """Add the application's fields; one whose name has another use gets a prefix, unless it holds the same."""
    for name, value in fields.items():
        if _is_same(entry, name, value, record):
            continue
        taken = name in entry or name in _TIMES
        entry[free_name(entry, f"{_PREFIX}{name}", _PREFIX) if taken else name] = value


def _is_same(entry: dict[str, Any], name: str, value: object, record: logging.LogRecord) -> bool:
    """Find out if a field only repeats one of the handler's."""
    own = entry.get(name)
    if name == "logger":
        return value == record.name
    if name == "level":
        return str(value).casefold() == str(own).casefold()
    if name == "timestamp":
        moment = parse_time(value)
        return moment is not None and abs(moment.timestamp() - record.created) < SAME_TIME_S
    return name in entry and own == value


def _stack_trace(record: logging.LogRecord) -> str:
    if not (record.exc_info or record.exc_text or record.stack_info):
        return ""
    parts = []
    if isinstance(record.exc_info, tuple) and record.exc_info[0] is not None:
        parts.append("".join(traceback.format_exception(*record.exc_info)).rstrip("\n"))
    elif record.exc_text:
        parts.append(record.exc_text)
    if record.stack_info:
        parts.append(record.stack_info)
    return "\n".join(parts)


def _json_text(fields: dict[str, Any]) -> str:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def _fitted(entry: dict[str, Any]) -> bytes:
    """A line that is too long, with its long values cut; at last only what is short is kept."""
    for chars in _SHARES:
        entry = {name[:chars]: _shortened(value, chars) for name, value in entry.items()}
        line = encode(entry)
        if len(line) <= LINE_BYTES_MAX:
            return line
    kept = dict(list(entry.items())[:_FIELDS_LEFT])
    kept[free_name(kept, "…")] = f"{len(entry) - len(kept)} more fields were left out"
    return encode(kept)


def _shortened(value: object, chars: int) -> object:
    """A value, or its text cut to a number of characters."""
    if isinstance(value, (dict, list)):
        text = json.dumps(value, ensure_ascii=False)
        return value if len(text) <= chars else cut(text, chars)
    return cut(value, chars) if isinstance(value, str) and len(value) > chars else value
