"""Evaluation of metrics of LogQL: counts in ranges of time before each moment, and what is computed of them."""

import math
import operator
from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any, Final, NamedTuple

from logboom.formats.stream_labels import LEVEL_NAMES
from logboom.query.filter.conditions import EVERYTHING
from logboom.query.logql.logql_compiler import compile_selection
from logboom.query.logql.logql_syntax import (
    RANGE_FUNCTIONS,
    Aggregation,
    Binary,
    LogqlError,
    Metric,
    Number,
    RangeCount,
    Vector,
)
from logboom.query.logql.samples import Cells
from logboom.query.logql.value_summaries import Summary, computed
from logboom.query.matching import Filter
from logboom.query.stream_counter import Counts, LabelGrouping, Labels

SERIES_MAX: Final = 500
"""Series of one answer, as in Loki; no picture shows more."""

POINTS_MAX: Final = 11_000
"""Moments of one answer, as in Loki."""

CELLS_MAX: Final = 100_000
"""Cells of a range of time that are counted apart: one each for steps and ranges that have no common divisor."""

MERGES_MAX: Final = 1_000_000
"""Summaries and values that are put together for one series: two seconds."""

_OF_STREAMS: Final = {"level", "detected_level", "listener", "source"}
"""Labels of all streams: no parser needs to look for them."""

Points = dict[int, float]
"""Values by number of the moment."""
Series = dict[Labels, Points]


class Moments(NamedTuple):
    """Moments that values are computed for, at equal steps; microseconds since the epoch."""

    first: int
    step: int
    size: int

    def at(self, number: int) -> int:
        """Return one of them."""
        return self.first + number * self.step


class Asked(NamedTuple):
    """Entries that must be counted."""

    wanted: Filter
    """Without limits of time."""
    since: int
    until: int
    width: int
    """Width of the cells, microseconds; for one moment alone, the whole time."""
    grouping: LabelGrouping
    sized: bool = False
    """The bytes are wanted."""


Count = Callable[[Asked], Counts]
Sample = Callable[[Asked, RangeCount], tuple[Cells, float]]
"""Returns summaries of values by cell and labels, and the share of the entries that were looked at."""


class Evaluation:
    """Evaluates metrics.

    Args:
        moments: which values are asked for.
        count: counts entries.
        sample: reads the values of entries, where stages change lines and labels.
    """

    def __init__(self, moments: Moments, count: Count, sample: Sample) -> None:
        self._moments = moments
        self._count = count
        self._sample = sample
        self.is_complete = True
        """False: some entries were not looked at for lack of time."""

    def value(self, metric: Metric) -> float | Series:
        """Return a number, or series. Raises `LogqlError`."""
        if isinstance(metric, Number):
            return metric.value
        if isinstance(metric, Vector):
            return {(): dict.fromkeys(range(self._moments.size), metric.value)}
        if isinstance(metric, RangeCount):
            return self._counted(metric, LabelGrouping())
        if isinstance(metric, Binary):
            return _combined(metric.operator, self.value(metric.left), self.value(metric.right))
        return self._aggregated(metric)

    def _aggregated(self, metric: Aggregation) -> Series:
        inner = metric.inner
        grouping = LabelGrouping(metric.names, metric.without)
        if metric.operator == "sum" and isinstance(inner, RangeCount) and _is_additive(inner):
            return self._counted(inner, grouping)  # by these labels alone
        series = self.value(inner)
        if not isinstance(series, dict):
            raise LogqlError(f"{metric.operator} needs series, found a number")
        if metric.count:
            return _ranked(metric, series, self._moments.size)
        groups: dict[Labels, list[Points]] = {}
        for labels, points in series.items():
            groups.setdefault(grouping.of(dict(labels)), []).append(points)
        combine = _COMBINE[metric.operator]
        return {labels: _joined(parts, combine) for labels, parts in groups.items()}

    def _counted(self, metric: RangeCount, grouping: LabelGrouping) -> Series:
        compiled = compile_selection(metric.selection, metric.unwrap)
        if not compiled.is_filter:
            return self._sampled(metric, compiled.wanted, grouping)
        by_fields = not grouping.without and not set(grouping.names or ()) <= _OF_STREAMS
        grouping = grouping._replace(parsers=compiled.parsers if by_fields else frozenset())
        asked = _asked(metric, self._moments, compiled.wanted, grouping)
        counts = self._count(asked)
        self.is_complete = self.is_complete and counts.progress >= 1
        cells = counts.sizes if asked.sized else counts.entries
        rows: dict[Labels, dict[int, int]] = {}
        for (cell, labels), number in cells.items():
            rows.setdefault(labels, {})[cell] = number
        if len(rows) > SERIES_MAX:
            raise LogqlError(f"maximum of series ({SERIES_MAX}) reached for a single query: use sum by (…)")
        factor = 10**6 / metric.range_us if metric.function in ("rate", "bytes_rate") else 1
        windows = self._windows(metric, asked)
        return {labels: _windowed(row, windows, factor) for labels, row in rows.items()}

    def _sampled(self, metric: RangeCount, wanted: Filter, grouping: LabelGrouping) -> Series:
        """Compute a function of values."""
        if metric.names is not None or metric.without:
            grouping = LabelGrouping(metric.names, metric.without)
        asked = _asked(metric, self._moments, wanted, grouping)
        cells, progress = self._sample(asked, metric)
        self.is_complete = self.is_complete and progress >= 1
        rows: dict[Labels, dict[int, Summary]] = {}
        for (cell, labels), summary in cells.items():
            rows.setdefault(labels, {})[cell] = summary
        if len(rows) > SERIES_MAX:
            raise LogqlError(f"maximum of series ({SERIES_MAX}) reached for a single query: use by (…)")
        windows = self._windows(metric, asked)
        return {labels: _values_in(metric, row, windows) for labels, row in rows.items()}

    def _windows(self, metric: RangeCount, asked: Asked) -> list[tuple[int, int]]:
        """Return the first cell of each moment's range, and the cell after its last."""
        if self._moments.size == 1:
            return [(-(1 << 62), 1 << 62)]
        return [
            (place // asked.width, -(-(place + metric.range_us) // asked.width))
            for place in (
                self._moments.at(number) - metric.offset_us - metric.range_us
                for number in range(self._moments.size)
            )
        ]


def _is_additive(metric: RangeCount) -> bool:
    """Return whether the sum over series is the value of all of their entries together."""
    return metric.function in (*RANGE_FUNCTIONS, "sum_over_time") and metric.names is None


def _values_in(metric: RangeCount, row: dict[int, Summary], windows: Sequence[tuple[int, int]]) -> Points:
    """Return the values of a function in windows; those without any have none. Raises `LogqlError`."""
    cells = sorted(row)
    points: Points = {}
    left = MERGES_MAX
    for number, (start, end) in enumerate(windows):
        inside = cells[bisect_left(cells, start) : bisect_left(cells, end)]
        if not inside:
            continue
        left -= sum(1 + len(row[cell].values) for cell in inside)
        if left < 0:
            raise LogqlError(
                "the ranges of the moments hold too many values: use a larger step or a shorter range"
            )
        whole = Summary()
        for cell in inside:
            whole.add(row[cell])
        points[number] = computed(
            metric.function, whole, range_us=metric.range_us, parameter=metric.parameter
        )
    return points


def _asked(metric: RangeCount, moments: Moments, wanted: Filter, grouping: LabelGrouping) -> Asked:
    """Choose the width of the cells: the largest that divides the steps and the range."""
    since = moments.first - metric.offset_us - metric.range_us
    until = moments.at(moments.size - 1) - metric.offset_us
    sized = metric.function.startswith("bytes")
    if moments.size == 1:
        return Asked(wanted, since, until, max(1, until - since), grouping, sized)
    width = math.gcd(moments.step, metric.range_us, metric.offset_us)
    if (until - since) // width > CELLS_MAX:
        raise LogqlError(
            "the step and the range have no common divisor that is large enough: choose round ones"
        )
    return Asked(wanted, since, until, width, grouping, sized)


def _windowed(row: dict[int, int], windows: Sequence[tuple[int, int]], factor: float) -> Points:
    """The sums of cells in windows; those without any have no value."""
    cells = sorted(row)
    sums = [0, *accumulate(row[cell] for cell in cells)]
    points: Points = {}
    for number, (start, end) in enumerate(windows):
        total = sums[bisect_left(cells, end)] - sums[bisect_left(cells, start)]
        if total:
            points[number] = total * factor
    return points


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


_COMBINE: Final[dict[str, Callable[[Sequence[float]], float]]] = {
    "sum": sum,
    "min": min,
    "max": max,
    "avg": _mean,
    "count": len,
}


def _joined(parts: Sequence[Points], combine: Callable[[Sequence[float]], float]) -> Points:
    numbers = sorted({number for points in parts for number in points})
    return {number: combine([points[number] for points in parts if number in points]) for number in numbers}


def _ranked(metric: Aggregation, series: Series, size: int) -> Series:
    """The largest or smallest series at each moment."""
    found: Series = {}
    is_top = metric.operator == "topk"
    grouping = LabelGrouping(metric.names, metric.without)
    for number in range(size):
        places: dict[Labels, list[tuple[float, Labels]]] = {}
        for labels, points in series.items():
            if number in points:
                group = grouping.of(dict(labels)) if metric.names else ()
                places.setdefault(group, []).append((points[number], labels))
        for rows in places.values():
            for value, labels in sorted(rows, reverse=is_top)[: metric.count]:
                found.setdefault(labels, {})[number] = value
    return found


def _divided(left: float, right: float) -> float:
    return left / right if right else math.nan if not left else math.copysign(math.inf, left)


def _power(left: float, right: float) -> float:
    try:
        value = left**right
    except (OverflowError, ZeroDivisionError):
        return math.inf
    return value if isinstance(value, (int, float)) else math.nan


_ARITHMETIC: Final[dict[str, Callable[[float, float], float]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divided,
    "%": lambda left, right: math.fmod(left, right) if right else math.nan,
    "^": _power,
}
_COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


def _combined(sign: str, left: float | Series, right: float | Series) -> float | Series:
    """Arithmetic, or a comparison: of series it keeps the values for which it is true."""
    if sign in ("or", "and", "unless"):
        return _together(sign, left, right)
    if isinstance(left, dict) and isinstance(right, dict):
        both = left.keys() & right.keys()
        return {labels: _applied(sign, left[labels], right[labels], left[labels]) for labels in both}
    if isinstance(left, dict):
        return {
            labels: _applied(sign, points, dict.fromkeys(points, right), points)
            for labels, points in left.items()
        }
    if isinstance(right, dict):
        return {
            labels: _applied(sign, dict.fromkeys(points, left), points, points)
            for labels, points in right.items()
        }
    return _ARITHMETIC[sign](left, right) if sign in _ARITHMETIC else float(_COMPARISONS[sign](left, right))


def _together(sign: str, left: float | Series, right: float | Series) -> Series:
    """Return the series of both sides, those of the left side that the right one has, or the others."""
    if not (isinstance(left, dict) and isinstance(right, dict)):
        raise LogqlError(f"{sign} needs series on both sides, found a number")
    if sign == "or":
        found = {labels: dict(points) for labels, points in left.items()}
        for labels, points in right.items():
            found[labels] = points | found.get(labels, {})
        return found
    wanted = sign == "and"
    return {
        labels: {
            number: value for number, value in points.items() if (number in right.get(labels, {})) == wanted
        }
        for labels, points in left.items()
    }


def _applied(sign: str, left: Points, right: Any, kept: Points) -> Points:
    """The results where both sides have a value; of a comparison that is true, the value that is kept."""
    numbers = [number for number in left if number in right]
    if sign in _ARITHMETIC:
        return {number: _ARITHMETIC[sign](left[number], right[number]) for number in numbers}
    passes = _COMPARISONS[sign]
    return {number: kept[number] for number in numbers if passes(left[number], right[number])}


def is_plain(asked: Asked) -> bool:
    """Return whether roll-ups can answer: counts by level, of entries that only listener and source choose."""
    grouping = asked.grouping
    by_level = grouping.names is not None and not grouping.without
    return (
        by_level
        and not asked.sized
        and set(grouping.names or ()) <= set(LEVEL_NAMES)
        and asked.wanted.also == EVERYTHING
    )
