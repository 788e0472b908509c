"""Client sides of `syslog` and `gelf`, which have no answers.

Contracts: docs/contracts/syslog.md, docs/contracts/gelf.md.
"""

import time
from socket import gethostname
from typing import Any, ClassVar, Final

import msgspec

from logboom.clients.wire.dialect import Answers, as_text
from logboom.clients.wire.mapped_dialect import PROGRAM, MappedDialect, iso_of, severity_of

_FACILITY: Final = 1 << 3
"""Facility `user`."""
_PLACED: Final = frozenset({"message", "level", "source", "host"})
"""Fields that have a place in the header."""


def syslog_message(fields: dict[str, Any], moment_us: int) -> bytes:
    """Return an entry as RFC 5424; if the header has no place for a field, all of them are JSON in the message."""
    is_text = fields.keys() <= _PLACED
    text = str(fields.get("message", "")) if is_text else as_text(msgspec.json.encode(fields))
    moment = iso_of(moment_us) if moment_us else "-"
    host, source = _word(fields.get("host") or gethostname()), _word(fields.get("source") or PROGRAM)
    return f"<{_FACILITY + severity_of(fields)}>1 {moment} {host} {source} - - - {text}".encode()


def _word(value: object) -> str:
    """Return a value as a field of a header, which has no blanks."""
    return "".join(str(value or "").split()) or "-"


class SyslogDialect(MappedDialect):
    """Sends RFC 5424 with octet counts."""

    name: ClassVar[str] = "syslog"
    port_default: ClassVar[int] = 514
    answers: ClassVar[Answers] = Answers.NONE
    timeout_s: ClassVar[float] = 30.0  # there is no answer to wait for, only room to send

    def encode_fields(self, fields: dict[str, Any], moment_us: int) -> bytes:
        """See `mapped_dialect.MappedDialect`."""
        message = syslog_message(fields, moment_us)
        return b"%d %s" % (len(message), message)


class GelfDialect(MappedDialect):
    """Sends GELF over TCP; fields of an entry without a place of their own become additional ones."""

    name: ClassVar[str] = "gelf"
    port_default: ClassVar[int] = 12201
    answers: ClassVar[Answers] = Answers.NONE
    timeout_s: ClassVar[float] = 30.0

    def encode_fields(self, fields: dict[str, Any], moment_us: int) -> bytes:
        """See `mapped_dialect.MappedDialect`."""
        message: dict[str, Any] = {
            "version": "1.1",
            "host": str(fields.pop("host", "") or gethostname()),
            "short_message": str(fields.pop("message", "")),
            "timestamp": moment_us / 1e6 if moment_us else round(time.time(), 6),
            "level": severity_of(fields),
        }
        fields.pop("level", None)
        message["_app"] = str(fields.pop("source", "") or PROGRAM)
        return msgspec.json.encode(message | {f"_{name}": value for name, value in fields.items()}) + b"\0"
