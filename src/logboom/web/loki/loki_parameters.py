"""Parameters of Loki's API. Unknown ones are ignored, as in Loki: each client has some of its own."""

import re
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

from logboom.formats.buckets import MICROSECONDS, microseconds
from logboom.formats.quantities import duration_us
from logboom.formats.times import iso_from_ns
from logboom.query.logql.evaluation import POINTS_MAX, Moments
from logboom.query.logql.logql_syntax import LogqlError
from logboom.query.matching import Filter

LIMIT_DEFAULT: Final = 100
LIMIT_MAX: Final = 10_000
"""Lines of one answer; their bytes are bounded besides (`search.PAGE_BYTES_MAX`)."""

SPAN_DEFAULT_US: Final = 3600 * MICROSECONDS
"""Time of a query without a start: an hour, as in Loki."""

LABELS_SPAN_DEFAULT_US: Final = 6 * 3600 * MICROSECONDS
"""Time of a question for labels without a start: six hours, as in Loki."""

POINTS_DEFAULT: Final = 250
"""Moments of a metric without a step, as in Loki."""

_DIGITS: Final = re.compile(r"-?[0-9]{1,20}")
_FLOAT: Final = re.compile(r"-?[0-9]{1,12}\.[0-9]{0,12}")
_FRACTION: Final = re.compile(r"(\.\d{6})(\d{1,3})\d*")
_LATEST_NS: Final = 7_258_118_400 * 10**9
"""The year 2200: later times are no times."""


class TimeRange(NamedTuple):
    """A range of time; microseconds since the epoch unless stated otherwise."""

    since: int
    until: int
    """Before this."""

    def limit(self, wanted: Filter) -> Filter:
        """Return a filter for this time."""
        return wanted._replace(since=_iso(self.since), until=_iso(self.until))


def _iso(moment: int) -> str:
    return iso_from_ns(max(0, moment) * 1000)


def moment_of(text: str, name: str, *, rounds_up: bool = False) -> int:
    """Read a time, see `ns_of`; returns microseconds since the epoch. Raises `LogqlError`."""
    moment = ns_of(text, name)
    return -(-moment // 1000) if rounds_up else moment // 1000


def ns_of(text: str, name: str) -> int:
    """Read a time: seconds of up to ten digits, nanoseconds of more, seconds with a point, or RFC 3339.

    Returns nanoseconds since the epoch. Raises `LogqlError`.
    """
    if _DIGITS.fullmatch(text):
        number = int(text)
        return _bounded(number * 10**9 if len(text.lstrip("-")) <= 10 else number)
    if _FLOAT.fullmatch(text):
        return _bounded(round(float(text) * MICROSECONDS) * 1000)
    more = _FRACTION.search(text)
    try:
        moment = datetime.fromisoformat(_FRACTION.sub(r"\1", text))
        rest = int(more[2].ljust(3, "0")) if more else 0
        return _bounded(microseconds(moment.isoformat()) * 1000 + rest)
    except (ValueError, TypeError):
        raise LogqlError(f"{name}: found {text[:40]!r}, expected nanoseconds, seconds or RFC 3339") from None


def _bounded(moment: int) -> int:
    return min(max(0, moment), _LATEST_NS)


def exact_span_of(parameters: Mapping[str, str]) -> TimeRange:
    """Read `start` and `end` as nanoseconds; what is not given is no limit. Raises `LogqlError`."""
    start, end = parameters.get("start"), parameters.get("end")
    return TimeRange(ns_of(start, "start") if start else 0, ns_of(end, "end") if end else _LATEST_NS)


def span_of(parameters: Mapping[str, str], default: int = SPAN_DEFAULT_US) -> TimeRange:
    """Read `start`, `end` and `since`. Raises `LogqlError`."""
    now = time.time_ns() // 1000
    end, start = parameters.get("end"), parameters.get("start")
    until = moment_of(end, "end", rounds_up=True) if end else now
    age = _duration(parameters, "since") or default
    since = moment_of(start, "start") if start else min(until, now) - age
    if since > until:
        raise LogqlError("end timestamp must not be before or equal to start time")
    return TimeRange(max(0, since), until)


def moments_of(parameters: Mapping[str, str]) -> Moments:
    """Read the moments of a metric: multiples of the step. Raises `LogqlError`."""
    span = span_of(parameters)
    default = max(MICROSECONDS, (span.until - span.since) // POINTS_DEFAULT)
    step = _duration(parameters, "step") or default // MICROSECONDS * MICROSECONDS
    if step > MICROSECONDS:
        step -= step % 1000
    first = span.since // step * step
    size = (span.until - first) // step + 1
    if size > POINTS_MAX:
        raise LogqlError(
            f"exceeded maximum resolution of {POINTS_MAX} points per time series: use a larger step"
        )
    return Moments(first, step, size)


def instant_of(parameters: Mapping[str, str]) -> Moments:
    """Read the moment of an instant query. Raises `LogqlError`."""
    text = parameters.get("time")
    return Moments(moment_of(text, "time", rounds_up=True) if text else time.time_ns() // 1000, 1, 1)


def limit_of(parameters: Mapping[str, str]) -> int:
    """Read `limit`. Raises `LogqlError`."""
    text = parameters.get("limit") or str(LIMIT_DEFAULT)
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 0 < int(text) <= LIMIT_MAX:
        raise LogqlError(f"max entries limit per query exceeded, limit > max_entries_limit ({LIMIT_MAX})")
    return int(text)


def reads_forward(parameters: Mapping[str, str]) -> bool:
    """Read `direction`. Raises `LogqlError`."""
    text = parameters.get("direction", "backward").lower()
    if text not in ("forward", "backward"):
        raise LogqlError(f"direction: found {text[:40]!r}, expected forward or backward")
    return text == "forward"


def _duration(parameters: Mapping[str, str], name: str) -> int | None:
    """Read a duration, or a number of seconds; None: there is none. Raises `LogqlError`."""
    text = parameters.get(name)
    if not text:
        return None
    number = (
        float(text) * MICROSECONDS if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{0,9})?", text) else duration_us(text)
    )
    if not number or number < 1000:
        raise LogqlError(f"{name}: found {text[:40]!r}, expected a duration of at least 1ms")
    return int(number)
