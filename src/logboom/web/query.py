"""What readers ask for in the query of a URL."""

import re
import time
from collections.abc import Mapping
from typing import Final, NamedTuple

from logboom.formats.levels import severity
from logboom.formats.times import iso_from_ns, parse_time
from logboom.journal.matching import TEXT_CHARS_MAX, Filter

LIMIT_DEFAULT: Final = 100
LIMIT_MAX: Final = 10_000
"""Entries on a page; its bytes are bounded besides (`search.PAGE_BYTES_MAX`)."""

FORMATS: Final = ("json", "jsonl", "csv")

FILTER_PARAMETERS: Final = ("level", "source", "listener", "q")
PAGE_PARAMETERS: Final = (*FILTER_PARAMETERS, "since", "until", "before", "after", "limit", "format")
TAIL_PARAMETERS: Final = (*FILTER_PARAMETERS, "since", "after")

_AGO: Final = re.compile(r"(\d{1,9})\s*([smhdw])")
_UNIT_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


class QueryError(ValueError):
    """A parameter is wrong. The text names it, what was found and what is expected."""


class PageQuery(NamedTuple):
    """A page of entries."""

    wanted: Filter
    before: int | None
    """Only sequences below this one."""
    after: int | None
    """Only sequences above this one; without `before`, the page reads forward from there."""
    limit: int
    format: str


def page_query(parameters: Mapping[str, str]) -> PageQuery:
    """Read the query of `GET /api/entries`. Raises `QueryError`."""
    _check_names(parameters, PAGE_PARAMETERS)
    asked = _integer(parameters, "limit")
    limit = LIMIT_DEFAULT if asked is None else asked
    if not 1 <= limit <= LIMIT_MAX:
        raise QueryError(f"limit: found {limit}, expected 1 to {LIMIT_MAX}")
    chosen = parameters.get("format", "json")
    if chosen not in FORMATS:
        raise QueryError(f"format: found {chosen!r}, expected one of {', '.join(FORMATS)}")
    before, after = _integer(parameters, "before"), _integer(parameters, "after")
    return PageQuery(filter_of(parameters), before, after, limit, chosen)


def tail_query(parameters: Mapping[str, str], last_event_id: str | None) -> tuple[Filter, int | None]:
    """Read the query of `/api/tail`: the filter, and the sequence to go on after. Raises `QueryError`.

    Args:
        parameters: of the URL.
        last_event_id: the header that a reconnecting EventSource sends; it is newer than the URL.
    """
    _check_names(parameters, TAIL_PARAMETERS)
    if last_event_id:
        return filter_of(parameters), _integer({"Last-Event-ID": last_event_id}, "Last-Event-ID")
    after = _integer(parameters, "after")
    if after is None and parameters.get("since"):
        after = -1
    return filter_of(parameters), after


def filter_of(parameters: Mapping[str, str]) -> Filter:
    """The filter of a query. Raises `QueryError`."""
    text = parameters.get("q", "")
    if len(text) > TEXT_CHARS_MAX:
        raise QueryError(f"q: found {len(text)} characters, expected {TEXT_CHARS_MAX} at most")
    level = parameters.get("level", "")
    level_min = severity(level) if level else None
    if level and level_min is None:
        raise QueryError(f"level: found {level!r}, expected a level such as DEBUG, INFO, WARNING or ERROR")
    return Filter(
        level_min,
        parameters.get("source", ""),
        parameters.get("listener", ""),
        text,
        moment_of(parameters, "since"),
        moment_of(parameters, "until"),
    )


def moment_of(parameters: Mapping[str, str], name: str) -> str:
    """A time as the journal writes it, or nothing. Raises `QueryError`.

    ISO 8601, seconds (or ms, µs, ns) since the epoch, or how long ago: `90s`, `15m`, `2h`, `7d`, `1w`.
    """
    text = parameters.get(name, "").strip()
    if not text:
        return ""
    ago = _AGO.fullmatch(text)
    if ago:
        return iso_from_ns(max(0, time.time_ns() - int(ago[1]) * _UNIT_S[ago[2]] * 1_000_000_000))
    moment = parse_time(float(text) if re.fullmatch(r"-?\d+(\.\d+)?", text) else text)
    if moment is None:
        raise QueryError(
            f"{name}: found {text!r}, expected ISO 8601, seconds since the epoch, or 15m, 2h, 7d"
        )
    return moment.isoformat(timespec="microseconds")


def _check_names(parameters: Mapping[str, str], allowed: tuple[str, ...]) -> None:
    unknown = next((name for name in parameters if name not in allowed), None)
    if unknown is not None:
        raise QueryError(f"{unknown}: unknown parameter, expected {', '.join(allowed)}")


def _integer(parameters: Mapping[str, str], name: str) -> int | None:
    text = parameters.get(name, "").strip()
    if not text:
        return None
    if not re.fullmatch(r"-?\d{1,18}", text):
        raise QueryError(f"{name}: found {text[:40]!r}, expected a whole number")
    return int(text)
