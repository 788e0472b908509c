"""Queries of URLs for devices, refused lines, and the fate of a line."""

from collections.abc import Mapping
from typing import Final

from logboom.query.line_question import TEXT_CHARS_MAX, LineQuestion
from logboom.web.query import (
    SOURCES_DEFAULT,
    SOURCES_MAX,
    QueryError,
    check_names,
    integer,
    moment_of,
    within,
)

WHY_PARAMETERS: Final = ("source", "boot", "seq", "text", "time")
REFUSED_PARAMETERS: Final = ("limit", "source")
DEVICE_PARAMETERS: Final = ("limit", "name", "listener")


def devices_query(parameters: Mapping[str, str]) -> tuple[int, str, str]:
    """Read the query of `GET /api/devices`: the limit, and a name and a listener. Raises `QueryError`."""
    check_names(parameters, DEVICE_PARAMETERS)
    limit = within(parameters, "limit", SOURCES_MAX, SOURCES_MAX)
    return limit, parameters.get("name", ""), parameters.get("listener", "")


def refused_query(parameters: Mapping[str, str]) -> tuple[int, str]:
    """Read the query of `GET /api/refused`: the limit, and a source. Raises `QueryError`."""
    check_names(parameters, REFUSED_PARAMETERS)
    return within(parameters, "limit", SOURCES_DEFAULT, SOURCES_MAX), parameters.get("source", "")


def why_query(parameters: Mapping[str, str]) -> LineQuestion:
    """Read the query of `GET /api/why`. Raises `QueryError`."""
    check_names(parameters, WHY_PARAMETERS)
    return LineQuestion(
        parameters.get("source", ""),
        _number(parameters, "boot"),
        _number(parameters, "seq"),
        _text(parameters),
        moment_of(parameters, "time"),
    )


def _text(parameters: Mapping[str, str]) -> str:
    text = parameters.get("text", "").strip()
    if "\0" in text:
        raise QueryError("text", "found a NUL character, which no text can have")
    if text and not LineQuestion(text=text).begin:
        raise QueryError(
            "text", f"found a word of more than {TEXT_CHARS_MAX} characters, expected a shorter one"
        )
    return text


def _number(parameters: Mapping[str, str], name: str) -> int | None:
    number = integer(parameters, name)
    if number is not None and number < 0:
        raise QueryError(name, f"found {number}, expected 0 or more")
    return number
