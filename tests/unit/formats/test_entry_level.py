"""The level of entries of many loggers."""

from typing import Any

import pytest

from logboom.formats.entry_level import level_of, word_name

PINO = {"time": 1770101530123, "pid": 7, "hostname": "shop-1", "msg": "m"}
BUNYAN = {**PINO, "name": "shop", "time": "2026-02-03T06:52:10.123Z", "v": 0}
PYTHON = {"message": "m", "asctime": "2026-02-03 06:52:10,123"}
OTEL = {"body": "m", "severity_text": "Warn", "severity_number": 14}


@pytest.mark.parametrize(
    ("entry", "level"),
    [
        ({"level": "I", "message": "ESP-IDF"}, "INFO"),
        ({"level": "ERROR+4", "msg": "slog"}, "CRITICAL"),
        ({"log.level": "error", "message": "ECS"}, "ERROR"),
        ({"log": {"level": "warn", "logger": "x"}, "message": "ECS"}, "WARNING"),
        ({"log": "a line of a container", "stream": "stdout"}, ""),
        ({"loglevel": "warn"}, "WARNING"),
        ({"@l": "Warning", "@m": "Serilog"}, "WARNING"),
        ({"level": 3, "short_message": "GELF"}, "ERROR"),
        ({"severity": "6"}, "INFO"),
        ({**PINO, "level": 10}, "TRACE"),
        ({**PINO, "level": 30}, "INFO"),
        ({**PINO, "level": "40"}, "WARNING"),
        ({**PINO, "level": 50}, "ERROR"),
        ({**PINO, "level": 60}, "CRITICAL"),
        ({**BUNYAN, "level": 20}, "DEBUG"),
        ({"level": 30, "time": 1770101530123, "msg": "pino without its base"}, "INFO"),
        ({"level": 30, "pid": 7, "hostname": "h", "message": "pino with another messageKey"}, "INFO"),
        ({**PYTHON, "level": 30}, "WARNING"),
        ({**PYTHON, "level": 50}, "CRITICAL"),
        ({"level": 40, "msg": "m", "time": "t", "lineno": 5}, "ERROR"),
        ({"level": 30, "levelname": "AUDIT", "levelno": 30}, "WARNING"),
        ({"level": 400, "level_name": "ERROR", "message": "Monolog"}, "ERROR"),
        (OTEL, "WARNING"),
        ({**OTEL, "severity_text": "HOCH", "severity_number": 17}, "ERROR"),
        ({"SeverityNumber": 9, "Body": "m"}, "INFO"),
        ({"severityNumber": "21"}, "CRITICAL"),
        ({"severity_number": 99}, ""),
        ({"level": {"name": "WARNING", "no": 30}}, "WARNING"),
        ({"level": {"levelStr": "x"}}, "{'levelStr': 'x'}"),
        ({"level": "", "severity": "error"}, "ERROR"),
        ({"level": None, "lvl": "dbg"}, "DEBUG"),
        ({"level": 8}, "8"),
        ({"level": -4}, "-4"),
        ({"level": True}, "TRUE"),
        ({"level": [1]}, "[1]"),
        ({"type": "error"}, "ERROR"),
        ({"type": "e"}, ""),
        ({"type": {"a": 1}}, ""),
        ({}, ""),
    ],
    ids=str,
)
def test_the_level_of_an_entry(entry: dict[str, Any], level: str) -> None:
    assert level_of(entry) == level


@pytest.mark.parametrize(
    ("word", "level"), [("warn", "WARNING"), (" Info ", "INFO"), ("ERROR+4", "CRITICAL")]
)
def test_a_word_says_it_all(word: str, level: str) -> None:
    assert word_name(word) == level


@pytest.mark.parametrize("word", ["30", "30.0", " 7 ", "", "NOISE"])
def test_for_others_the_entry_must_be_asked(word: str) -> None:
    assert not word_name(word)
