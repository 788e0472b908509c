"""Tests of levels: names and the scale that all vocabularies share."""

from logboom.formats.levels import name, severity
from logboom.query.filter.conditions import Between, Equals
from logboom.query.filter.filter_error import FilterError
from logboom.query.filter.text_words import fold


def level_is(text: str) -> Equals:
    """The test for one level: as records show it, whatever word was sent for it."""
    return Equals(fold(name(text)))


def level_between(low: str, high: str, position: int) -> Between:
    """The test for a range of levels, both ends included.

    Raises:
        FilterError: one of them is unknown, or the first is more severe.
    """
    least, most = severity_at(low, position), severity_at(high, position)
    if least > most:
        raise FilterError(
            f"the range is empty: expected the less severe level first, {high}..{low}", position
        )
    return Between(least, most)


def severity_at(text: str, position: int) -> float:
    """The severity of a level of a query. Raises `FilterError` for an unknown one."""
    found = severity(text)
    if found is None:
        raise FilterError(
            f'found "{text[:40]}", expected a level such as debug, info, warning or error', position
        )
    return found
