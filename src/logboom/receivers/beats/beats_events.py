"""Events of Beats and Logstash clients under the common names (`formats.mapped`), and their keys.

Fields are not decoded but for those that are looked at: numbers keep their digits, and most bytes are only copied.
"""

from hashlib import sha256
from itertools import repeat
from typing import Any, Final, NamedTuple

import msgspec

from logboom.formats.entry_level import level_of
from logboom.formats.json_columns import Fields, by_shape
from logboom.formats.levelled import DAMAGE
from logboom.formats.mapped import MappedEntry

MESSAGE_KEYS: Final = ("message", "line", "msg")
"""`line` is that of version 1."""
LEVEL_KEYS: Final = ("log.level", "level", "severity", "loglevel")
_LEVEL_NAMES: Final = frozenset(LEVEL_KEYS)
_HOST_NAMES: Final = frozenset({"host", "host.name"})
_SOURCE_NAMES: Final = frozenset({"service", "service.name", "fields", "program"})
_PROGRAM_FIELDS: Final = ("service", "app", "application", "program", "source")
"""Keys of Filebeat's `fields` that name the program."""
KEY_CHARS_MAX: Final = 200
"""Longest key that stands in the journal as it is; of a longer one, its hash."""

_NO_LABELS: Final[dict[str, Any]] = {}
_QUOTE: Final = b'"'
_NO_TEXT: Final = b'""'
_any: Final = msgspec.json.Decoder()


class _File(msgspec.Struct, gc=False):
    path: Any = ""
    device_id: Any = ""
    inode: Any = ""


class _Log(msgspec.Struct, gc=False):
    level: Any = None
    offset: Any = None
    file: _File | None = None


class _Agent(msgspec.Struct, gc=False):
    id: Any = None


class _Host(msgspec.Struct, gc=False):
    name: Any = None
    hostname: Any = None


class _Common(msgspec.Struct, gc=False):
    """The fields of nearly all events, in their usual form."""

    time: Any = msgspec.field(name="@timestamp", default=None)
    message: Any = None
    log: _Log | None = None
    agent: _Agent | None = None
    host: _Host | None = None


_log: Final = msgspec.json.Decoder(_Log)
_common: Final = msgspec.json.Decoder(_Common)
_encode_lines: Final = msgspec.json.Encoder().encode_lines


class _Plan(NamedTuple):
    """Fields to look at in events with the same names of fields."""

    log: bool
    agent: bool
    level: bool
    host: bool
    source: bool


class EventMapping:
    """Maps the events of one batch. They share most of their fields, so what those mean is remembered."""

    def __init__(self) -> None:
        self._values: dict[bytes, Any] = {}
        self._levels: dict[bytes, str] = {}
        self._plans: dict[tuple[str, ...], _Plan] = {}

    def entries(self, lines: bytes, found: list[Fields]) -> tuple[list[MappedEntry], list[bytes]]:
        """Return the entries and keys, as `entry` does, of all events of a batch.

        Args:
            lines: one event per line.
            found: their fields, which are used up.
        """
        try:
            common = _common.decode_lines(lines)
        except DAMAGE:  # a field in another form
            pairs = [self.entry(fields) for fields in found]
            return [entry for entry, _ in pairs], [key for _, key in pairs]
        keys = _encode_lines(list(map(_key_text, common)))[:-1].split(b"\n")
        if _NO_TEXT in keys:
            keys = [b"" if key == _NO_TEXT else key for key in keys]
        return by_shape(self._of_shape, found, common), keys

    def _of_shape(
        self, names: tuple[str, ...], found: list[Fields], common: list[_Common]
    ) -> list[MappedEntry]:
        """Return the entries of events with the same names of fields, by column where time and message are texts."""
        plan = _plan(names)
        if not all(type(one.message) is str and type(one.time) is str for one in common):
            return list(map(self._usual, found, common))
        has_level = plan.level or any(one.log is not None and one.log.level is not None for one in common)
        levels = (
            [self._level(fields, one.log) for fields, one in zip(found, common, strict=True)]
            if has_level
            else ()
        )
        hosts = ["" if one.host is None else one.host.name for one in common]
        if plan.host and not all(type(host) is str and host for host in hosts):
            hosts = [
                (_host_name(one.host) if one.host is not None else "") or self._host(fields)
                for fields, one in zip(found, common, strict=True)
            ]
        return list(
            map(
                MappedEntry,
                map(dict.pop, found, repeat("@timestamp")),
                levels or repeat(""),
                map(dict.pop, found, repeat("message")),
                map(self._source, found) if plan.source else repeat(""),
                hosts,
                repeat(_NO_LABELS),
                found,
            )
        )

    def _usual(self, fields: Fields, common: _Common) -> MappedEntry:
        """Return the entry of an event whose common fields are decoded."""
        names = tuple(fields)
        plan = self._plans.get(names)
        if plan is None:
            plan = self._plans[names] = _plan(names)
        log, host = common.log, common.host
        if type(common.message) is str:
            message: Any = fields.pop("message")
        else:
            message = _message(fields)
        return MappedEntry(
            time=fields.pop("@timestamp") if type(common.time) is str else None,  # type: ignore[arg-type]
            level=self._level(fields, log)
            if plan.level or (log is not None and log.level is not None)
            else "",
            message=message,
            source=self._source(fields) if plan.source else "",
            host=(_host_name(host) if host is not None else "") or (self._host(fields) if plan.host else ""),
            attributes=fields,
        )

    def entry(self, fields: Fields) -> tuple[MappedEntry, bytes]:
        """Return the entry of an event, and its key, which is empty for an event without one. `fields` are used up."""
        names = tuple(fields)
        plan = self._plans.get(names)
        if plan is None:
            plan = self._plans[names] = _plan(names)
        log = _log_of(fields) if plan.log else None
        key = self._key(fields, log) if log is not None and plan.agent else b""
        host = self._host(fields) if plan.host else ""
        entry = MappedEntry(
            time=_take_text(fields, ("@timestamp",)),  # type: ignore[arg-type]
            level=self._level(fields, log) if plan.level or log is not None else "",
            message=_message(fields),
            source=self._source(fields) if plan.source else "",
            host=host,
            attributes=fields,
        )
        return entry, key

    def _value(self, raw: msgspec.Raw | None) -> Any:
        """Return a decoded value; None without one."""
        if raw is None:
            return None
        data = bytes(raw)
        if data not in self._values:
            self._values[data] = _decode(data)
        return self._values[data]

    def _level(self, fields: Fields, log: _Log | None) -> str:
        for name in LEVEL_KEYS:
            if name in fields:
                data = bytes(fields[name])
                if data not in self._levels:
                    self._levels[data] = level_of({"level": _decode(data)})
                if data.startswith(_QUOTE):
                    del fields[name]
                return self._levels[data]
        return level_of({"level": log.level}) if log is not None and log.level is not None else ""

    def _host(self, fields: Fields) -> str:
        host = self._value(fields.get("host"))
        if isinstance(host, str):
            del fields["host"]
            return host
        name = _text(host, "name") or _text(host, "hostname")
        return name or _string(self._value(fields.get("host.name")))

    def _source(self, fields: Fields) -> str:
        own = self._value(fields.get("fields"))
        return (
            _text(self._value(fields.get("service")), "name")
            or _string(self._value(fields.get("service.name")))
            or next((_text(own, key) for key in _PROGRAM_FIELDS if _text(own, key)), "")
            or _string(self._value(fields.get("program")))
        )

    def _key(self, fields: Fields, log: _Log | None) -> bytes:
        """Return the key of a line of a file: agent, file and place there."""
        agent = _text(self._value(fields.get("agent")), "id")
        if not agent or log is None or log.file is None or type(log.offset) is not int:
            return b""
        return msgspec.json.encode(_place(agent, log.file, log.offset))


def _key_text(common: _Common) -> str:
    """Return the key of a line of a file as text; empty for an event of another kind."""
    log, agent = common.log, common.agent
    if log is None or agent is None or log.file is None or type(log.offset) is not int:
        return ""
    return _place(agent.id, log.file, log.offset) if agent.id and type(agent.id) is str else ""


def _place(agent: str, file: _File, offset: int) -> str:
    """Return the key of a line: agent, file and place there."""
    text = f"{agent}|{file.device_id}|{file.inode}|{file.path}|{offset}"
    if len(text) > KEY_CHARS_MAX or not text.isascii():
        text = sha256(text.encode(errors="replace")).hexdigest()
    return "beats:" + text


def _host_name(host: _Host) -> str:
    return _string(host.name) or _string(host.hostname)


def _plan(names: tuple[str, ...]) -> _Plan:
    return _Plan(
        "log" in names,
        "agent" in names,
        not _LEVEL_NAMES.isdisjoint(names),
        not _HOST_NAMES.isdisjoint(names),
        not _SOURCE_NAMES.isdisjoint(names),
    )


def _decode(data: bytes) -> Any:
    """Decode a value; None for one that has no place in Python, such as 1e400."""
    try:
        return _any.decode(data)
    except DAMAGE:
        return None


def _log_of(fields: Fields) -> _Log | None:
    try:
        return _log.decode(fields["log"])
    except DAMAGE:
        return None


def _message(fields: Fields) -> Any:
    """Remove the message from an event. What is no text stays there, too, as sent."""
    text = _take_text(fields, MESSAGE_KEYS)
    if text is not None:
        return text
    for key in MESSAGE_KEYS:
        if key in fields and bytes(fields[key]) != b"null":
            return bytes(fields[key]).decode()
    return msgspec.UNSET


def _take_text(fields: Fields, keys: tuple[str, ...]) -> msgspec.Raw | None:
    """Remove the first of these fields that is a text, and return it."""
    for key in keys:
        raw = fields.get(key)
        if raw is not None and bytes(raw)[:1] == _QUOTE:
            return fields.pop(key)
    return None


def _text(value: Any, key: str) -> str:
    return _string(value.get(key)) if isinstance(value, dict) else ""


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""
