"""Queries of URLs for devices, refused lines, and the fate of a line."""

import re
from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

import msgspec

from logboom.query.device_question import ORDERS, STATES, DeviceQuestion
from logboom.query.line_question import TEXT_CHARS_MAX, LineQuestion
from logboom.web.query import (
    PLAIN,
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
DEVICE_PARAMETERS: Final = ("limit", "name", "listener", "find", "state", "order", "offset")

GIVEN_CHARS_MAX: Final = 64
"""Longest name that is given to a device, characters: it stands in one column of a table."""

NAME_BODY_BYTES_MAX: Final = 4096
"""Longest body of `PUT /api/devices/name`: three texts."""

GIVEN_PATTERN: Final = f"{PLAIN}*"

T = TypeVar("T", bound=str)


def devices_query(parameters: Mapping[str, str]) -> DeviceQuestion:
    """Read the query of `GET /api/devices`. Raises `QueryError`."""
    check_names(parameters, DEVICE_PARAMETERS)
    return DeviceQuestion(
        within(parameters, "limit", SOURCES_MAX, SOURCES_MAX),
        parameters.get("name", ""),
        parameters.get("listener", ""),
        parameters.get("find", ""),
        _one_of(parameters, "state", ("", *STATES)),
        _one_of(parameters, "order", ORDERS),
        _number(parameters, "offset") or 0,
    )


def _one_of(parameters: Mapping[str, str], name: str, known: Sequence[T]) -> T:
    """Return one of some words, the first of which is the default."""
    text = parameters.get(name, known[0])
    for word in known:
        if text == word:
            return word
    raise QueryError(name, f"found {text[:40]!r}, expected one of {', '.join(filter(None, known))}")


class NamedDevice(msgspec.Struct, forbid_unknown_fields=True):
    """Body of `PUT /api/devices/name`."""

    listener: str
    name: str
    given_name: str


def given_name(text: str) -> str:
    """Return a name for a device, without blanks around it. Raises `QueryError`."""
    if len(text) > GIVEN_CHARS_MAX:
        raise QueryError(
            "given_name", f"found {len(text)} characters, expected {GIVEN_CHARS_MAX} at most: shorten it"
        )
    if not re.fullmatch(GIVEN_PATTERN, text):
        raise QueryError("given_name", f"found {text!r}, expected text without control characters")
    return text.strip()


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
