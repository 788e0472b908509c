"""Base of the dialects that have names of their own for the fields of an entry."""

from abc import abstractmethod
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from logboom.clients.wire.dialect import (
    NO_FIELDS,
    Reply,
    UnfitLineError,
    as_text,
    is_object,
    json_object,
    now_us,
)
from logboom.clients.wire.line_dialect import LineDialect
from logboom.formats import levels
from logboom.formats.buckets import microseconds
from logboom.formats.entry_time import TIME_KEYS, sent_time
from logboom.formats.levels import SYSLOG_NAMES
from logboom.formats.times import iso_from_ns

PROGRAM: Final = "logboom"
"""Source of entries that name none."""
_NUMBER_OF: Final = {name: number for number, name in enumerate(SYSLOG_NAMES)}
_INFO: Final = 6


class MappedDialect(LineDialect):
    """Base of the dialects that have names of their own for the fields of an entry; they add `encode_fields`."""

    @abstractmethod
    def encode_fields(self, fields: dict[str, Any], moment_us: int) -> bytes:
        """Encode an entry.

        Args:
            fields: of the entry, with the names that Logboom uses; may be changed.
            moment_us: its time, microseconds since the epoch; 0: unknown.

        Raises:
            UnfitLineError: the protocol has no form for it.
        """

    def encode(self, line: bytes) -> bytes:
        """See `dialect.Dialect`."""
        return self.encode_text(line)

    def encode_text(
        self, text: bytes, moment_us: int | None = None, fields: Mapping[str, str] = NO_FIELDS
    ) -> bytes:
        """See `dialect.Dialect`."""
        moment_us = now_us() if moment_us is None else moment_us
        found = json_object(text)
        if found is not None:
            return self._encode_object(found, moment_us)
        entry = {"level": "INFO", "message": as_text(text), "source": self.source or PROGRAM, **fields}
        return self.encode_fields(entry, moment_us)

    def encode_object(self, line: bytes) -> bytes:
        """See `dialect.Dialect`. An object without a time gets none: encoded again, it is the same."""
        if not is_object(line):
            raise UnfitLineError("damaged in the spool")
        return self._encode_object(line, 0)

    def _encode_object(self, line: bytes, moment_us: int) -> bytes:
        try:
            fields = msgspec.json.decode(line)
        except msgspec.DecodeError as error:
            raise UnfitLineError(f"a value that only JSON has: {error}") from None
        if not isinstance(fields.get("source"), str):
            fields = {"source": self.source or PROGRAM, **fields}
        return self.encode_fields(fields, _own_time_us(fields) or moment_us)

    @staticmethod
    def parse(line: bytes) -> Reply | None:  # noqa: ARG004 - replies of these protocols are no lines
        """See `line_dialect.LineDialect`."""
        return None


def _own_time_us(fields: dict[str, Any]) -> int:
    """Return the time that an entry has, microseconds since the epoch; 0 for none."""
    if not any(key in fields for key in TIME_KEYS):
        return 0
    time = sent_time(fields, datetime.now(UTC).isoformat(timespec="microseconds"))
    return 0 if time is None else microseconds(time)


def iso_of(moment_us: int) -> str:
    """Return a time as RFC 3339 with microseconds."""
    return iso_from_ns(moment_us * 1000)


def severity_of(fields: dict[str, Any]) -> int:
    """Return the syslog number of an entry's level, the next more severe one for other words; INFO without one."""
    level = levels.name(fields.get("level"))
    return _NUMBER_OF.get(level, _INFO if levels.severity(level) is None else _nearest(level))


def _nearest(level: str) -> int:
    wanted = levels.severity(level) or 0.0
    return min(
        range(len(SYSLOG_NAMES)),
        key=lambda number: abs((levels.severity(SYSLOG_NAMES[number]) or 0) - wanted),
    )
