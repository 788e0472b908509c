"""Every level vocabulary on one scale: OpenTelemetry's severity numbers (1 to 24).

Source: the OpenTelemetry log data model, field SeverityNumber; syslog's words from RFC 5424; the twelve
levels of source document 002 stand among them.
"""

from typing import Final

# (severity, canonical name, aliases). Rows of one severity range keep their own names: TRADE stays TRADE.
_TABLE: Final = (
    (1, "TRACE", ("FINEST", "SILLY", "VERBOSE")),
    (5, "DEBUG", ("DBG", "FINE")),
    (9, "INFO", ("INFORMATION", "INFORMATIONAL")),
    (10, "NOTICE", ()),
    (13, "WARNING", ("WARN",)),
    (17, "ERROR", ("ERR",)),
    (21, "CRITICAL", ("CRIT", "FATAL", "SEVERE")),
    (22, "ALERT", ()),
    (24, "EMERGENCY", ("EMERG", "PANIC")),
)

SEVERITY: Final[dict[str, int]] = {
    word: severity for severity, name, aliases in _TABLE for word in (name, *aliases)
}
"""Severity number of every known word, upper case."""

CANONICAL: Final[dict[str, str]] = {word: name for _, name, aliases in _TABLE for word in (name, *aliases)}
"""Canonical name of every known word, upper case."""

# Python's logging numbers are the ones that applications of the collector and the handler send.
_NUMERIC_STEPS: Final = ((10, 1), (20, 5), (30, 9), (40, 13), (50, 17))


def severity(level: object) -> int | None:
    """The severity number (1 to 24) of a level as sent, or None when it is unknown.

    Words count in any case, with blanks around them. Numbers, also as strings, are Python's logging levels
    (10 DEBUG … 50 CRITICAL); a value between two steps takes the lower one's.
    """
    if isinstance(level, str):
        word = level.strip().upper()
        known = SEVERITY.get(word)
        if known is not None or not word.isdecimal():
            return known
        return _from_number(int(word[:9]))
    if isinstance(level, int) and not isinstance(level, bool):
        return _from_number(level)
    return None


def _from_number(number: int) -> int:
    for upper, result in _NUMERIC_STEPS:
        if number < upper:
            return result
    return 21


def name(level: object) -> str:
    """How a level is shown: its canonical name, else the sender's own word in upper case; empty for none."""
    if level is None:
        return ""
    known = severity(level)
    if isinstance(level, str):
        word = level.strip().upper()
        if word in CANONICAL:
            return CANONICAL[word]
        if known is None:
            return word
    if known is None:
        return str(level)
    return next(label for number, label, _ in reversed(_TABLE) if number <= known)
