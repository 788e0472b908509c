"""Every level vocabulary on one scale: OpenTelemetry's severity numbers (1 to 24).

Source: the OpenTelemetry log data model, field SeverityNumber; syslog's words from RFC 5424; the twelve
levels of `LoggerMsg` (docs/contracts/capnp.md) stand among them, in that schema's order.
"""

from collections.abc import Mapping
from typing import Final

# (severity, canonical name, aliases). Rows of one severity range keep their own names: TRADE stays TRADE.
# OpenTelemetry has three numbers between INFO and WARNING, `LoggerMsg` five levels: hence the halves.
_TABLE: Final = (
    (1, "NOTSET", ()),
    (1, "TRACE", ("FINEST", "SILLY", "VERBOSE")),
    (5, "DEBUG", ("DBG", "FINE")),
    (7, "STREAM", ()),
    (9, "INFO", ("INFORMATION", "INFORMATIONAL")),
    (10, "NOTICE", ()),
    (10, "LOGON", ()),
    (10.5, "LOGOUT", ()),
    (11, "TRADE", ()),
    (11.5, "SCHEDULE", ()),
    (12, "REPORT", ()),
    (13, "WARNING", ("WARN",)),
    (17, "ERROR", ("ERR",)),
    (21, "CRITICAL", ("CRIT", "FATAL", "SEVERE")),
    (22, "ALERT", ()),
    (24, "EMERGENCY", ("EMERG", "PANIC")),
)

SEVERITY: Final[dict[str, float]] = {
    word: severity for severity, name, aliases in _TABLE for word in (name, *aliases)
}
"""Severity number of every known word, upper case."""

CANONICAL: Final[dict[str, str]] = {word: name for _, name, aliases in _TABLE for word in (name, *aliases)}
"""Canonical name of every known word, upper case."""

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
"""Level enum of Cap'n Proto and gRPC alike: the index is the number on the wire."""

WIRE_LEVEL_MAX: Final = 0xFFFF
"""Cap'n Proto enums have 16 bits."""


class _WireNames(dict[int, str]):
    """Names by number; numbers that a newer schema may have get a word too: `LEVEL_<n>`."""

    def __missing__(self, number: int) -> str:
        return f"{_UNKNOWN}{number}"


_UNKNOWN: Final = "LEVEL_"
WIRE_NAMES: Final[Mapping[int, str]] = _WireNames(enumerate(WIRE_LEVELS))
"""The name of any number on the wire: `WIRE_NAMES[3]` is INFO, `WIRE_NAMES[99]` is LEVEL_99."""

_WIRE_NUMBERS: Final = {name: number for number, name in enumerate(WIRE_LEVELS)}
_COMMON: Final = ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG")

# Python's logging numbers are the ones that applications of the collector and the handler send.
_NUMERIC_STEPS: Final = ((10, "TRACE"), (20, "DEBUG"), (30, "INFO"), (40, "WARNING"), (50, "ERROR"))


def severity(level: object) -> float | None:
    """The severity number (1 to 24) of a level as sent, or None when it is unknown.

    Words count in any case, with blanks around them. Numbers, also as strings, are Python's logging levels
    (10 DEBUG … 50 CRITICAL); a value between two steps takes the lower one's.
    """
    return SEVERITY.get(name(level))


def name(level: object) -> str:
    """How a level is shown: its canonical name, else the sender's own word in upper case; empty for none."""
    if level is None:
        return ""
    if isinstance(level, str):
        word = level.strip().upper()
        known = CANONICAL.get(word)
        if known is not None:
            return known
        return _from_number(int(word[:9])) if word.isdecimal() else word
    if isinstance(level, int) and not isinstance(level, bool):
        return _from_number(level)
    return str(level)


def _from_number(number: int) -> str:
    for upper, word in _NUMERIC_STEPS:
        if number < upper:
            return word
    return "CRITICAL"


def wire_number(level: object) -> int | None:
    """The wire number of a level of any vocabulary, or None when it is unknown.

    Levels that the document does not have take the nearest common one below, `LEVEL_<n>` its own number.
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
