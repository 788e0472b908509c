"""Layouts of plain text: syslog files, logfmt, CSV, and any lines that begin with a time."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, ClassVar, Final

from logboom.clients.importing.layouts.base import (
    Converted,
    Layout,
    encoded,
    in_utc,
    in_zone,
    known_level,
    share,
)
from logboom.formats.levels import SYSLOG_NAMES
from logboom.formats.mapped import MappedEntry
from logboom.formats.times import parse_time

TIME_KEYS: Final = ("time", "timestamp", "ts", "@timestamp", "datetime", "date", "t")
LEVEL_KEYS: Final = ("level", "severity", "lvl", "loglevel", "levelname")
MESSAGE_KEYS: Final = ("message", "msg", "text")
RECORD_BYTES_MAX: Final = 256 << 10
"""Lines without a time belong to the line before, as those of a traceback do, up to this length together."""

_SYSLOG: Final = re.compile(
    r"(?:<(?P<pri>\d{1,3})>)?"
    r"(?P<time>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) "
    r"(?P<host>\S+) (?P<tag>[^\s:\[]{1,128})(?:\[(?P<pid>[^\]]{1,64})\])?: ?(?P<message>.*)"
)
_PAIR: Final = re.compile(r'([A-Za-z_@][\w.@/-]*)=(?:"((?:[^"\\]|\\.)*)"|(\S*))(?:\s+|$)')
_ESCAPED: Final = re.compile(r"\\(.)")
_TIMED: Final = re.compile(
    r"\[?(?P<time>\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?)\]?"
    r"(?P<rest>.*)",
    re.DOTALL,
)
_LEVEL: Final = re.compile(r"[\s:|\[\]<>-]*([A-Za-z]{3,9})\b")


class SyslogFile(Layout):
    """Files of syslog daemons."""

    name: ClassVar[str] = "syslog"
    about: ClassVar[str] = "syslog files: time, host, program, message"

    def __init__(self, zone: tzinfo | None = UTC) -> None:
        super().__init__(zone)
        self._now = datetime.now(UTC)

    @classmethod
    def fits(cls, sample: Sequence[bytes]) -> float:
        """See `base.Layout`."""
        return share(sample, (_SYSLOG.fullmatch(line.decode(errors="replace")) for line in sample))

    def convert(self, data: bytes) -> Converted:
        """See `base.Layout`."""
        lines = [line for line in data.decode(errors="replace").splitlines() if line.strip()]
        entries = [entry for line in lines if (entry := self._entry(line)) is not None]
        return encoded(entries, len(lines) - len(entries))

    def _entry(self, line: str) -> MappedEntry | None:
        found = _SYSLOG.fullmatch(line)
        moment = self._moment(found["time"]) if found else None
        if found is None or moment is None:
            return None
        return MappedEntry(
            time=moment,
            level=SYSLOG_NAMES[int(found["pri"]) % 8] if found["pri"] else "",
            message=found["message"],
            source=found["tag"],
            host=found["host"],
            labels={"procid": found["pid"]} if found["pid"] else {},
        )

    def _moment(self, text: str) -> str | None:
        """Read a time; one without a year is of the year that puts it into the past, or at most a day ahead."""
        if text[0].isdigit():
            known = parse_time(text)
            return known.isoformat() if known else None
        for year in (self._now.year, self._now.year - 1):
            try:
                moment = datetime.strptime(f"{year} {text}", "%Y %b %d %H:%M:%S")  # noqa: DTZ007 - `in_zone` adds it
            except ValueError:  # not a day of this year: 29 February
                continue
            if in_zone(moment, self._zone) <= self._now + timedelta(days=1):
                return in_utc(moment, self._zone)
        return None


class Logfmt(Layout):
    """Lines of `key=value` pairs."""

    name: ClassVar[str] = "logfmt"
    about: ClassVar[str] = "logfmt: key=value pairs"

    @classmethod
    def fits(cls, sample: Sequence[bytes]) -> float:
        """See `base.Layout`."""
        return share(sample, (len(_pairs(line.decode(errors="replace"))) > 1 for line in sample))

    def convert(self, data: bytes) -> Converted:
        """See `base.Layout`."""
        lines = [line for line in data.decode(errors="replace").splitlines() if line.strip()]
        found = [pairs for line in lines if (pairs := _pairs(line))]
        return encoded([named_entry(dict(pairs), self._zone) for pairs in found], len(lines) - len(found))


def _pairs(line: str) -> list[tuple[str, str]]:
    """Return the pairs of a line; none, when the line holds anything else."""
    pairs = []
    position = 0
    line = line.strip()
    while position < len(line):
        found = _PAIR.match(line, position)
        if found is None:
            return []
        quoted = found[2]
        pairs.append((found[1], _ESCAPED.sub(_unescaped, quoted) if quoted is not None else found[3]))
        position = found.end()
    return pairs


def _unescaped(found: re.Match[str]) -> str:
    return {"n": "\n", "t": "\t", "r": "\r"}.get(found[1], found[1])


class CsvTable(Layout):
    """A table with a header; its columns become fields."""

    name: ClassVar[str] = "csv"
    about: ClassVar[str] = "CSV with a header line"

    def __init__(self, zone: tzinfo | None = UTC) -> None:
        super().__init__(zone)
        self._columns: list[str] = []
        self._delimiter = ","

    @classmethod
    def fits(cls, sample: Sequence[bytes]) -> float:
        """See `base.Layout`. The header must have a time, a level or a message."""
        if not sample:
            return 0.0
        header = sample[0].decode(errors="replace").lstrip("\ufeff")
        delimiter = _delimiter_of(header)
        columns = [column.lower() for column in _header(header, delimiter)]
        known = {*TIME_KEYS, *LEVEL_KEYS, *MESSAGE_KEYS} & {*columns}
        return float(len(columns) > 1 and bool(known))

    def cut(self, data: bytes) -> int:
        """See `base.Layout`. A quoted value may hold line ends: a row ends where the quotes are paired."""
        end = data.rfind(b"\n") + 1
        while end and data.count(b'"', 0, end) % 2:
            end = data.rfind(b"\n", 0, end - 1) + 1
        return end

    def resume(self, first_line: bytes) -> None:
        """See `base.Layout`."""
        header = first_line.decode(errors="replace").lstrip("\ufeff").rstrip("\r\n")
        self._delimiter = _delimiter_of(header)
        self._columns = _header(header, self._delimiter)

    def convert(self, data: bytes) -> Converted:
        """See `base.Layout`."""
        if not self._columns:
            header, _, data = data.partition(b"\n")
            self.resume(header)
        text = data.decode(errors="replace")
        entries, unreadable = [], 0
        for row in _rows(text, self._delimiter):
            if row is not None and len(row) == len(self._columns):
                entries.append(named_entry(dict(zip(self._columns, row, strict=True)), self._zone))
            else:
                unreadable += row != []
        return encoded(entries, unreadable)


def _rows(text: str, delimiter: str) -> Iterator[list[str] | None]:
    """Yield the rows of a table; None for one that can't be read."""
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    while True:
        try:
            yield next(rows)
        except StopIteration:
            return
        except csv.Error:  # a NUL, or a value of more than 128 KiB
            yield None


def _header(line: str, delimiter: str) -> list[str]:
    return [column.strip() for column in next(_rows(line, delimiter), None) or []]


def _delimiter_of(header: str) -> str:
    return max(",;\t|", key=header.count)


def named_entry(fields: dict[str, Any], zone: tzinfo | None) -> MappedEntry:
    """Make an entry of fields whose usual names say which is the time, the level and the message."""
    keys = {key.lower(): key for key in fields}
    moment = _take(fields, keys, TIME_KEYS)
    message = _take(fields, keys, MESSAGE_KEYS)
    word = _take(fields, keys, LEVEL_KEYS)
    return MappedEntry(
        time=_in_zone(moment, zone) if moment else None, level=word, message=message, attributes=fields
    )


def _take(fields: dict[str, Any], keys: dict[str, str], names: Sequence[str]) -> str:
    key = next((keys[name] for name in names if name in keys), None)
    return str(fields.pop(key)) if key is not None else ""


def _in_zone(text: str, zone: tzinfo | None) -> str:
    """Give a time that names no zone this one; what can't be read stays as it is."""
    try:
        return in_utc(datetime.fromisoformat(text.replace("/", "-").replace(",", ".")), zone)
    except ValueError:
        return text


class TimedText(Layout):
    """Lines that begin with a time; lines without one belong to the line before."""

    name: ClassVar[str] = "timed"
    about: ClassVar[str] = "text lines that begin with a time; lines without one belong to the line before"

    @classmethod
    def fits(cls, sample: Sequence[bytes]) -> float:
        """See `base.Layout`. The first line must begin with a time; tracebacks may make up most of the rest."""
        return 0.51 if sample and _TIMED.match(sample[0].decode(errors="replace")) else 0.0

    def cut(self, data: bytes) -> int:
        """See `base.Layout`. A record ends where the next one begins, as long as it is not too long."""
        end = data.rfind(b"\n") + 1
        start = end
        while start > 0:
            start = data.rfind(b"\n", 0, start - 1) + 1
            if _TIMED.match(data[start : start + 64].decode(errors="replace")):
                break
        return start if start > 0 and end - start <= RECORD_BYTES_MAX else end

    def convert(self, data: bytes) -> Converted:
        """See `base.Layout`."""
        records: list[str] = []
        for line in data.decode(errors="replace").splitlines():
            if not records or _TIMED.match(line) or len(records[-1]) > RECORD_BYTES_MAX:
                records.append(line)
            else:
                records[-1] += f"\n{line}"
        return encoded([self._entry(record.rstrip()) for record in records if record.strip()])

    def _entry(self, record: str) -> MappedEntry:
        found = _TIMED.match(record)
        if found is None:
            return MappedEntry(message=record)
        rest = found["rest"].strip()
        word = _LEVEL.match(rest)
        level = known_level(word[1]) if word else ""
        if word and level:
            rest = rest[word.end() :].lstrip(" \t:|]>-") or rest
        return MappedEntry(
            time=_in_zone(found["time"].replace(" UTC", "+00:00"), self._zone), level=level, message=rest
        )


class PlainText(Layout):
    """Any lines: each is a message without a time."""

    name: ClassVar[str] = "text"
    about: ClassVar[str] = "every line is a message without a time; only used on request"

    @classmethod
    def fits(cls, sample: Sequence[bytes]) -> float:
        """See `base.Layout`."""
        del sample
        return 0.0

    def convert(self, data: bytes) -> Converted:
        """See `base.Layout`."""
        lines = [line for line in data.decode(errors="replace").splitlines() if line.strip()]
        return encoded([MappedEntry(message=line) for line in lines])
