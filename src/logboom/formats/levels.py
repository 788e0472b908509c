"""Levels of all vocabularies on one scale: OpenTelemetry's severity numbers (1 to 24).

Sources: the OpenTelemetry log data model, field SeverityNumber; syslog's words and numbers from RFC 5424; the twelve
levels of `LoggerMsg` (docs/contracts/capnp.md), in that schema's order. The letters are those of ESP-IDF, Android and
glog, the words of three letters those of Serilog and zerolog.
"""

import re
from collections.abc import Mapping
from typing import Final

# (severity, canonical name, aliases). Levels of one severity range keep their names: TRADE stays TRADE.
# OpenTelemetry has three numbers between INFO and WARNING, `LoggerMsg` five levels: hence the halves.
_TABLE: Final = (
    (1, "NOTSET", ()),
    (1, "TRACE", ("TRC", "T", "VERBOSE", "VRB", "V", "FINEST", "FINER", "SILLY")),
    (5, "DEBUG", ("DBG", "D", "FINE", "CONFIG")),
    (7, "STREAM", ()),
    (9, "INFO", ("INF", "I", "INFORMATION", "INFORMATIONAL")),
    (9.5, "SUCCESS", ()),
    (10, "NOTICE", ()),
    (10, "LOGON", ()),
    (10.5, "LOGOUT", ()),
    (11, "TRADE", ()),
    (11.5, "SCHEDULE", ()),
    (12, "REPORT", ()),
    (13, "WARNING", ("WARN", "WRN", "W")),
    (17, "ERROR", ("ERR", "E")),
    (21, "CRITICAL", ("CRIT", "C", "FATAL", "FTL", "F", "SEVERE")),
    (22, "ALERT", ()),
    (24, "EMERGENCY", ("EMERG", "PANIC", "PNC")),
)

SEVERITY: Final[dict[str, float]] = {
    word: severity for severity, name, aliases in _TABLE for word in (name, *aliases)
}
"""Severity number by word in upper case."""

CANONICAL: Final[dict[str, str]] = {word: name for _, name, aliases in _TABLE for word in (name, *aliases)}
"""Canonical name by word in upper case."""

WIRE_LEVELS: Final = (
    "NOTSET",
    "DEBUG",
    "STREAM",
    "INFO",
    "LOGON",
    "LOGOUT",
    "TRADE",
    "SCHEDULE",
    "REPORT",
    "WARNING",
    "ERROR",
    "CRITICAL",
)
"""The level enum of Cap'n Proto and gRPC: the index is the number on the wire."""

WIRE_LEVEL_MAX: Final = 0xFFFF
"""Cap'n Proto enums have 16 bits."""


class _WireNames(dict[int, str]):
    """Names by number; unknown numbers, as in a newer schema, become `LEVEL_<n>`."""

    def __missing__(self, number: int) -> str:
        return f"{_UNKNOWN}{number}"


_UNKNOWN: Final = "LEVEL_"
WIRE_NAMES: Final[Mapping[int, str]] = _WireNames(enumerate(WIRE_LEVELS))
"""Names by number on the wire: `WIRE_NAMES[3]` is INFO, `WIRE_NAMES[99]` is LEVEL_99."""

_WIRE_NUMBERS: Final = {name: number for number, name in enumerate(WIRE_LEVELS)}
_COMMON: Final = ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG")

SYSLOG_NAMES: Final = ("EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG")
"""Syslog's severities (RFC 5424): the index is the number."""

PINO_NAMES: Final = {10: "TRACE", 20: "DEBUG", 30: "INFO", 40: "WARNING", 50: "ERROR", 60: "CRITICAL"}
"""The levels of pino and bunyan. Python's numbers are the same, and one step more severe."""

_PYTHON_STEPS: Final = ((10, ""), (20, "DEBUG"), (30, "INFO"), (40, "WARNING"), (50, "ERROR"))
_SEVERITY_STEPS: Final = ((1, ""), (5, "TRACE"), (9, "DEBUG"), (13, "INFO"), (17, "WARNING"), (21, "ERROR"))
_SEVERITY_MAX: Final = 24

_NUMBER: Final = re.compile(r"\s*([0-9]{1,9})(?:\.0{1,9})?\s*")
_STEPPED: Final = re.compile(r"([A-Z]+)([+-]?)([0-9]{1,2})")
"""A word with a step: slog's `ERROR+4`, and `WARN3` of OpenTelemetry, which counts from 1."""


def severity(level: object) -> float | None:
    """Severity number (1 to 24) of a level as sent, or None when it is unknown; see `name`."""
    return SEVERITY.get(name(level))


def name(level: object) -> str:
    """Displayed name of a level: its canonical name, else the sender's word in upper case; empty for none.

    Words are recognized in any case, with blanks around them, and with a step after them (`ERROR+4`). Numbers, also
    as strings, are syslog's severities from 0 to 7, and from 10 on Python's logging levels (10 DEBUG … 50 CRITICAL),
    where a value between two levels counts as the lower one. Other meanings of a number depend on the entry's other
    fields: see `entry_level`.
    """
    number = number_of(level)
    if number is not None:
        return _from_number(number)
    if isinstance(level, str):
        word = level.strip().upper()
        return CANONICAL.get(word) or _stepped(word) or word
    return "" if level is None else str(level).upper() if isinstance(level, bool) else str(level)


def number_of(level: object) -> int | None:
    """Value of a level that is a non-negative whole number, also as a string; else None."""
    if isinstance(level, str):
        found = _NUMBER.fullmatch(level)
        return int(found[1]) if found else None
    if isinstance(level, bool) or not isinstance(level, (int, float)) or not 0 <= level < _NUMBERS_END:
        return None
    return int(level) if level == int(level) else None


_NUMBERS_END: Final = 10**9


def from_severity(number: float) -> str:
    """Name for a severity number; empty for one that is not on the scale."""
    if number > _SEVERITY_MAX:
        return ""
    return next((word for upper, word in _SEVERITY_STEPS if number < upper), "CRITICAL")


def _from_number(number: int) -> str:
    if number < len(SYSLOG_NAMES):
        return SYSLOG_NAMES[number]
    return next((word for upper, word in _PYTHON_STEPS if number < upper), "CRITICAL") or str(number)


def _stepped(word: str) -> str:
    """Name for a word with a step; empty for any other word."""
    found = _STEPPED.fullmatch(word)
    base = SEVERITY.get(found[1]) if found else None
    if found is None or base is None:
        return ""
    step = int(found[3])
    moved = base - step if found[2] == "-" else base + step if found[2] else base
    return from_severity(min(max(moved, 1), _SEVERITY_MAX))


def wire_number(level: object) -> int | None:
    """Wire number of a level of any vocabulary, or None when it is unknown.

    Levels that the schema does not have become the nearest common one below; `LEVEL_<n>` becomes n.
    """
    word = name(level)
    number = _WIRE_NUMBERS.get(word)
    if number is not None:
        return number
    digits = word.removeprefix(_UNKNOWN)
    if digits != word and digits.isdecimal() and len(digits) <= len(str(WIRE_LEVEL_MAX)):
        return int(digits) if int(digits) <= WIRE_LEVEL_MAX else None
    known = SEVERITY.get(word)
    if known is None:
        return None
    return _WIRE_NUMBERS[next((common for common in _COMMON if SEVERITY[common] <= known), "DEBUG")]
