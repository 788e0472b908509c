"""Every level vocabulary on one scale."""

import pytest

from logboom.formats.levels import CANONICAL, SEVERITY, from_severity, name, severity


def test_the_five_levels_are_in_order() -> None:
    order = [severity(level) or 0 for level in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")]
    assert order == sorted(set(order))


@pytest.mark.parametrize(
    ("alias", "level"),
    [
        ("WARN", "WARNING"),
        ("ERR", "ERROR"),
        ("FATAL", "CRITICAL"),
        ("crit", "CRITICAL"),
        ("emerg", "EMERGENCY"),
        ("panic", "EMERGENCY"),
        ("Informational", "INFO"),
        ("verbose", "TRACE"),
        ("  info\t", "INFO"),
        ("10", "DEBUG"),
        ("20", "INFO"),
        (" 30 ", "WARNING"),
        (40, "ERROR"),
        (50, "CRITICAL"),
        (25, "INFO"),
        (0, "EMERGENCY"),
        ("3", "ERROR"),
        (4, "WARNING"),
        ("6", "INFO"),
        (7, "DEBUG"),
        (30.0, "WARNING"),
        ("30.0", "WARNING"),
        (60, "CRITICAL"),
        (9999, "CRITICAL"),
        ("E", "ERROR"),
        ("W", "WARNING"),
        ("I", "INFO"),
        ("d", "DEBUG"),
        ("V", "TRACE"),
        ("WRN", "WARNING"),
        ("ftl", "CRITICAL"),
        ("ERROR+4", "CRITICAL"),
        ("ERROR+1", "ERROR"),
        ("warn+1", "WARNING"),
        ("INFO-2", "DEBUG"),
        ("INFO+2", "INFO"),
        ("DEBUG-4", "TRACE"),
        ("DEBUG-99", "TRACE"),
        ("ERROR+99", "CRITICAL"),
        ("WARN3", "WARNING"),
        ("DEBUG5", "DEBUG"),
    ],
)
def test_takes_aliases_any_case_blanks_and_numbers(alias: object, level: str) -> None:
    assert severity(alias) == severity(level)
    assert name(alias) == level


@pytest.mark.parametrize(
    "low_to_high",
    [
        ("TRACE", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY"),
        (10, 20, 30, 40, 50),
    ],
)
def test_severities_rise(low_to_high: tuple[object, ...]) -> None:
    numbers = [severity(level) or 0 for level in low_to_high]
    assert numbers == sorted(set(numbers))
    assert all(1 <= number <= 24 for number in numbers)


@pytest.mark.parametrize(
    "level",
    [
        "",
        "   ",
        "NOISE",
        "-5",
        "1.5",
        "²",
        None,
        True,
        False,
        -4,
        8,
        "9",
        10.5,
        [],
        {},
        ["INFO"],
        "9" * 5000,
        "NOISE+4",
        "ERROR+999",
    ],
    ids=lambda level: repr(level)[:20],
)
def test_what_is_no_known_level_has_no_severity(level: object) -> None:
    assert severity(level) is None


def test_an_unknown_word_is_shown_as_sent() -> None:
    assert name(" Trade ") == "TRADE"
    assert name("") == ""
    assert name(None) == ""
    assert name([1]) == "[1]"


@pytest.mark.parametrize(
    ("number", "level"),
    [
        (1, "TRACE"),
        (4, "TRACE"),
        (5, "DEBUG"),
        (9, "INFO"),
        (13, "WARNING"),
        (17, "ERROR"),
        (24, "CRITICAL"),
        (0, ""),
        (25, ""),
    ],
)
def test_severity_numbers_have_names(number: int, level: str) -> None:
    assert from_severity(number) == level
    assert not from_severity(0)
    assert not from_severity(25)


def test_every_word_has_a_canonical_name_that_is_a_word() -> None:
    assert SEVERITY.keys() == CANONICAL.keys()
    assert all(CANONICAL[CANONICAL[word]] == CANONICAL[word] for word in CANONICAL)
    assert all(SEVERITY[CANONICAL[word]] == SEVERITY[word] for word in SEVERITY)
