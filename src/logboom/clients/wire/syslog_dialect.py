"""Client sides of `syslog` and `gelf`, which have no answers.

Contracts: docs/contracts/syslog.md, docs/contracts/gelf.md.
"""

import time
from datetime import UTC, datetime
from socket import gethostname
from typing import Any, ClassVar, Final

import msgspec

from logboom.clients.wire.dialect import Answers, Reply, as_text, json_object
from logboom.clients.wire.line_dialect import LineDialect
from logboom.formats import levels
from logboom.formats.levels import SYSLOG_NAMES

_FACILITY: Final = 1 << 3
"""Facility `user`."""
_NUMBER_OF: Final = {name: number for number, name in enumerate(SYSLOG_NAMES)}
_INFO: Final = 6


def _fields(line: bytes) -> dict[str, Any]:
    """Return the fields of a line: of its object, or its text as `message`."""
    found = json_object(line)
    return {"message": as_text(line)} if found is None else msgspec.json.decode(found)


def _word(value: object) -> str:
    """Return a value as a field of a header, which has no blanks."""
    return "".join(str(value or "").split()) or "-"


def _severity(fields: dict[str, Any]) -> int:
    """Return the syslog number of an entry's level, the next more severe one for other words; INFO without one."""
    level = levels.name(fields.get("level"))
    return _NUMBER_OF.get(level, _INFO if levels.severity(level) is None else _nearest(level))


def _nearest(level: str) -> int:
    wanted = levels.severity(level) or 0.0
    return min(
        range(len(SYSLOG_NAMES)),
        key=lambda number: abs((levels.severity(SYSLOG_NAMES[number]) or 0) - wanted),
    )


class SyslogDialect(LineDialect):
    """Sends RFC 5424 with octet counts; what an entry has no place for in the header is sent as JSON in the message."""

    name: ClassVar[str] = "syslog"
    port_default: ClassVar[int] = 514
    answers: ClassVar[Answers] = Answers.NONE
    timeout_s: ClassVar[float] = 30.0  # there is no answer to wait for, only room to send

    def encode(self, line: bytes) -> bytes:
        """See `dialect.Dialect`."""
        fields = _fields(line)
        only_text = fields.keys() <= {"message", "level", "source", "host"}
        text = str(fields.get("message", "")) if only_text else as_text(msgspec.json.encode(fields))
        moment = datetime.now(UTC).isoformat(timespec="microseconds")
        host, source = _word(fields.get("host") or gethostname()), _word(fields.get("source") or "logboom")
        message = f"<{_FACILITY + _severity(fields)}>1 {moment} {host} {source} - - - {text}".encode()
        return b"%d %s" % (len(message), message)

    @staticmethod
    def parse(line: bytes) -> Reply | None:  # noqa: ARG004 - whatever it is, it is not expected
        """See `line_dialect.LineDialect`."""
        return None


class GelfDialect(LineDialect):
    """Sends GELF over TCP; fields of an entry without a place of their own become additional ones."""

    name: ClassVar[str] = "gelf"
    port_default: ClassVar[int] = 12201
    answers: ClassVar[Answers] = Answers.NONE
    timeout_s: ClassVar[float] = 30.0

    def encode(self, line: bytes) -> bytes:
        """See `dialect.Dialect`."""
        fields = _fields(line)
        message: dict[str, Any] = {
            "version": "1.1",
            "host": str(fields.pop("host", "") or gethostname()),
            "short_message": str(fields.pop("message", "")),
            "timestamp": round(time.time(), 6),
            "level": _severity(fields),
        }
        fields.pop("level", None)
        message["_app"] = str(fields.pop("source", "") or "logboom")
        return msgspec.json.encode(message | {f"_{name}": value for name, value in fields.items()}) + b"\0"

    @staticmethod
    def parse(line: bytes) -> Reply | None:  # noqa: ARG004 - whatever it is, it is not expected
        """See `line_dialect.LineDialect`."""
        return None
