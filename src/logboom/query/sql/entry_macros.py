"""Time, level, message and sender of an entry as SQL expressions: the same as `formats` has them, over JSON texts.

The statements are in `entry_macros.sql`; this module fills in the keys and names that they share with `formats`.
"""

from collections.abc import Iterable
from importlib.resources import files
from string import Template
from typing import Final

from logboom.formats.entry_level import LEVEL_KEYS, PYTHON_KEYS, SEVERITY_NUMBER_KEYS
from logboom.formats.entry_time import AHEAD_US_MAX, EARLIEST_TIME, TIME_KEYS
from logboom.formats.levels import CANONICAL, PINO_NAMES, SEVERITY, SYSLOG_NAMES
from logboom.formats.records import SENDER_CHARS_MAX, SENDER_KEYS, TEXT_KEYS
from logboom.journal.columns.column_engine import text_literal
from logboom.journal.device_clock import UPTIME_MS_MAX, WRAP_US


def pointer(*keys: str) -> str:
    """Return the JSON pointer of a key, or of a key within others, as an SQL literal."""
    return text_literal("".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys))


def _texts(values: Iterable[str]) -> str:
    return ", ".join(map(text_literal, values))


def _pointers(keys: Iterable[str]) -> str:
    return ", ".join(map(pointer, keys))


_WORDS: Final = sorted(CANONICAL)

_VALUES: Final = {
    "level_words": _texts(_WORDS),
    "level_names": _texts(CANONICAL[word] for word in _WORDS),
    "level_severities": ", ".join(f"{SEVERITY[word]}" for word in _WORDS),
    "syslog_names": _texts(SYSLOG_NAMES),
    "pino_names": _texts(PINO_NAMES.values()),
    "level_keys": _pointers(LEVEL_KEYS),
    "severity_keys": _pointers(SEVERITY_NUMBER_KEYS),
    "python_keys": _pointers(PYTHON_KEYS),
    "time_keys": _pointers(TIME_KEYS),
    "earliest_time": EARLIEST_TIME,
    "ahead_s": str(AHEAD_US_MAX // 1_000_000),
    "ahead_us": str(AHEAD_US_MAX),
    "wrap_us": str(WRAP_US),
    "uptime_ms_max": str(UPTIME_MS_MAX),
    "texts_at": ", ".join(f"text_at(e, {pointer(key)})" for key in TEXT_KEYS),
    "sender_keys": _pointers(SENDER_KEYS),
    "sender_chars_max": str(SENDER_CHARS_MAX),
}

SETUP: Final = Template(
    files("logboom.query.sql").joinpath("entry_macros.sql").read_text(encoding="utf-8")
).safe_substitute(_VALUES)
"""Statements that define `entry_time(entry, arrived)`, `entry_level(entry)`, `level_severity(level)`,
`entry_message(entry)` and `entry_sender(entry, peer)`."""
