"""Client side of `beats`: JSON events in windows of Lumberjack version 2, acknowledged by number.

Each event has the key of a line in a file, made of its window's key: a window that is sent again is stored once.
Contract: docs/contracts/beats.md.
"""

import struct
import zlib
from collections.abc import Sequence
from typing import Any, ClassVar, Final

import msgspec

from logboom.clients.wire.dialect import Answers, Outcome, Reply
from logboom.clients.wire.line_dialect import LineLink
from logboom.clients.wire.mapped_dialect import PROGRAM, MappedDialect, iso_of

_ACKNOWLEDGED: Final = Reply(Outcome.ACKNOWLEDGED)
_ANSWER: Final = struct.Struct(">2sI")
_EVENT: Final = struct.Struct(">2sII")
_LEVEL: Final = 3
"""Level of compression; that of Filebeat."""
_Fields = dict[str, msgspec.Raw]
_decode: Final = msgspec.json.Decoder(_Fields).decode


class BeatsLink(LineLink):
    """A connection that carries windows, and their acknowledgements."""

    _acknowledged = 0
    _count = 0

    def _write(self, payloads: Sequence[bytes], key: str) -> None:
        self._acknowledged, self._count = 0, len(payloads)
        events = b"".join(_framed(number, _keyed(one, key, number)) for number, one in enumerate(payloads, 1))
        packed = zlib.compress(events, _LEVEL)
        self._writer.write(_ANSWER.pack(b"2W", len(payloads)) + _ANSWER.pack(b"2C", len(packed)) + packed)

    def _read(self, data: bytes) -> list[Reply]:
        self._rest += data
        before = self._acknowledged
        whole = len(self._rest) - len(self._rest) % _ANSWER.size
        for kind, number in _ANSWER.iter_unpack(self._rest[:whole]):
            if kind != b"2A" or number > self._count:
                raise ConnectionAbortedError(f"unexpected reply {kind!r} {number}")
            self._acknowledged = max(self._acknowledged, number)  # 0: a sign of life
        self._rest = self._rest[whole:]
        return [_ACKNOWLEDGED] * (self._acknowledged - before)


class BeatsDialect(MappedDialect):
    """Sends events with the names of Beats: `@timestamp`, `message`, `service.name`."""

    name: ClassVar[str] = "beats"
    link: ClassVar[type[LineLink]] = BeatsLink
    port_default: ClassVar[int] = 5044
    answers: ClassVar[Answers] = Answers.EACH
    timeout_s: ClassVar[float] = 60.0  # one answer for the whole window
    keyed: ClassVar[bool] = True

    def encode_fields(self, fields: dict[str, Any], moment_us: int) -> bytes:
        """See `mapped_dialect.MappedDialect`."""
        if moment_us and not isinstance(fields.get("@timestamp"), str):
            fields = {"@timestamp": iso_of(moment_us), **fields}
        if "service" not in fields:
            fields["service"] = {"name": fields.pop("source", "") or PROGRAM}
        return msgspec.json.encode(fields)


def _framed(number: int, event: bytes) -> bytes:
    return _EVENT.pack(b"2J", number, len(event)) + event


def _keyed(event: bytes, key: str, number: int) -> bytes:
    """Return an event with the key of a line in a file, unless it has fields in their place."""
    fields = _decode(event)
    if "agent" in fields or "log" in fields:
        return event
    agent = {"id": key, "type": PROGRAM}
    log = {"file": {"path": PROGRAM}, "offset": number}
    return msgspec.json.encode({**fields, "agent": agent, "log": log})
