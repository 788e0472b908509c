"""The level of an entry: its key, and the meaning of a number, which depends on other fields."""

from typing import Any, Final, Protocol

from logboom.formats.levels import CANONICAL, PINO_NAMES, SEVERITY, from_severity, name, number_of

LEVEL_KEYS: Final = (
    *("level", "severity", "levelname", "lvl", "log.level", "loglevel", "logLevel", "LogLevel"),
    *("level_name", "severity_text", "severityText", "SeverityText", "@l"),
)
"""Synonyms; the first one present is used."""

SEVERITY_NUMBER_KEYS: Final = ("severity_number", "severityNumber", "SeverityNumber")
"""Keys of a number on OpenTelemetry's scale, 1 to 24."""

_OUTER: Final = "log"
"""The object with the key `level` in ECS, as an alternative to `log.level`."""

_NAME_KEYS: Final = ("name", "level", "label")
"""Keys of the name in a level that is an object (loguru, log4js, some encoders of enums)."""

_PINO_PLACE: Final = ("pid", "hostname")
_PINO_LINE: Final = ("msg", "time")
PYTHON_KEYS: Final = ("levelno", "lineno", "funcName", "logger_name", "process", "processName", "thread")
"""Keys of a `logging.LogRecord`; an entry with one of them is not from pino."""

NUMBER_FIELDS: Final = (*_PINO_PLACE, *_PINO_LINE, *PYTHON_KEYS)
"""Fields that distinguish the vocabularies of numbers."""

LEVEL_FIELDS: Final = (*LEVEL_KEYS, *SEVERITY_NUMBER_KEYS, _OUTER, "type", *NUMBER_FIELDS)
"""All fields that `level_of` reads."""


class Fields(Protocol):
    """An entry, or a part of one that was decoded."""

    def get(self, key: str, /) -> Any:
        """Return the value of a key, None if missing."""


def level_of(entry: Fields) -> str:
    """Name of an entry's level; empty for an entry without one.

    A number is OpenTelemetry's, pino's, syslog's or Python's, depending on other fields; a word in another key takes
    precedence. Without any level, a `type` that is the name of a level counts (`error` of the WebSocket contract).
    """
    level = _first(entry)
    if isinstance(level, str):
        known = CANONICAL.get(level)  # the usual spelling: no further call
        if known is not None:
            return known
    if level is None:
        return _otherwise(entry)
    number = number_of(level)
    if number is not None:
        return _by_number(entry, level, number)
    shown = name(level)
    return shown if shown in SEVERITY else _severity_number(entry) or shown


def word_name(word: str) -> str:
    """Level of any entry whose `level` is this word; empty when it depends on other fields."""
    known = CANONICAL.get(word) or name(word)
    return known if known in SEVERITY and number_of(word) is None else ""


def _first(entry: Fields) -> object:
    """The level as sent: a word, a number, any other value, or None."""
    for key in LEVEL_KEYS:
        value = entry.get(key)
        if value is not None and value != "":
            return _word_in(value)
    nested = entry.get(_OUTER)
    return _word_in(nested.get("level")) if isinstance(nested, dict) else None


def _word_in(value: object) -> object:
    if isinstance(value, dict):
        for key in _NAME_KEYS:
            word = value.get(key)
            if isinstance(word, str):
                return word
    return value


def _otherwise(entry: Fields) -> str:
    found = _severity_number(entry)
    if found:
        return found
    kind = entry.get("type")
    return CANONICAL.get(kind.upper(), "") if isinstance(kind, str) and len(kind) > 1 else ""


def _severity_number(entry: Fields) -> str:
    for key in SEVERITY_NUMBER_KEYS:
        number = number_of(entry.get(key))
        if number is not None:
            return from_severity(number)
    return ""


def _by_number(entry: Fields, level: object, number: int) -> str:
    for key in LEVEL_KEYS:
        word = entry.get(key)
        if isinstance(word, str) and number_of(word) is None and name(word) in SEVERITY:
            return name(word)
    found = _severity_number(entry)
    if found:
        return found
    if number in PINO_NAMES and _is_pino(entry):
        return PINO_NAMES[number]
    return name(level)


def _is_pino(entry: Fields) -> bool:
    """Return whether an entry has the fields of pino, or of bunyan, and none that only Python's logging has."""
    if any(entry.get(key) is not None for key in PYTHON_KEYS):
        return False
    return any(all(entry.get(key) is not None for key in keys) for keys in (_PINO_PLACE, _PINO_LINE))
