"""The twelve levels of `LoggerMsg`: their numbers on the wire, and their place among all others."""

import pytest

from logboom.formats.levels import WIRE_LEVELS, WIRE_NAMES, name, severity, wire_number


def test_the_twelve_rise_in_the_documents_order() -> None:
    numbers = [severity(level) or 0 for level in WIRE_LEVELS]
    assert numbers == sorted(set(numbers))
    assert len(numbers) == 12


@pytest.mark.parametrize(
    ("low", "high"),
    [("DEBUG", "STREAM"), ("STREAM", "INFO"), ("INFO", "LOGON"), ("REPORT", "WARNING"), ("NOTICE", "TRADE")],
)
def test_they_stand_among_the_common_ones(low: str, high: str) -> None:
    assert (severity(low) or 0) < (severity(high) or 0)


def test_each_keeps_its_name() -> None:
    assert [name(level.lower()) for level in WIRE_LEVELS] == list(WIRE_LEVELS)
    assert [WIRE_NAMES[number] for number in range(12)] == list(WIRE_LEVELS)
    assert [wire_number(level) for level in WIRE_LEVELS] == list(range(12))


@pytest.mark.parametrize("number", [12, 99, 65535])
def test_unknown_numbers_become_words_and_numbers_again(number: int) -> None:
    assert WIRE_NAMES[number] == f"LEVEL_{number}"
    assert wire_number(f"level_{number}") == number
    assert severity(f"LEVEL_{number}") is None
    assert len(WIRE_NAMES) == 12


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("trace", "DEBUG"),
        ("notice", "INFO"),
        ("warn", "WARNING"),
        ("fatal", "CRITICAL"),
        ("emerg", "CRITICAL"),
        (20, "INFO"),
        ("40", "ERROR"),
    ],
)
def test_other_vocabularies_take_the_nearest_common_level(level: object, expected: str) -> None:
    assert wire_number(level) == WIRE_LEVELS.index(expected)


@pytest.mark.parametrize(
    "level", ["odd", "", None, [], "LEVEL_", "LEVEL_65536", "LEVEL_-1", "LEVEL_" + "9" * 5000]
)
def test_unknown_words_have_no_number(level: object) -> None:
    assert wire_number(level) is None
