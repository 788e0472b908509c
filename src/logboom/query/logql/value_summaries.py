"""Summaries of values, and what the functions of LogQL compute of them."""

import math
from collections.abc import Callable
from typing import Final


class Summary:
    """Count, sum, extremes and ends of some values."""

    __slots__ = ("count", "first", "high", "last", "low", "squares", "total", "values")

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0
        self.squares = 0.0
        self.low = math.inf
        self.high = -math.inf
        self.first = (1 << 62, 0.0)
        """Time and value of the first one."""
        self.last = (-1, 0.0)
        self.values: list[float] = []
        """All of them, only where they are needed: for quantiles."""

    def note(self, moment: int, value: float, *, keeps: bool) -> None:
        """Add a value, with its time in microseconds."""
        self.count += 1
        self.total += value
        self.squares += value * value
        self.low, self.high = min(self.low, value), max(self.high, value)
        self.first, self.last = min(self.first, (moment, value)), max(self.last, (moment, value))
        if keeps:
            self.values.append(value)

    def add(self, other: "Summary") -> None:
        """Add the values of another summary."""
        self.count += other.count
        self.total += other.total
        self.squares += other.squares
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.first, self.last = min(self.first, other.first), max(self.last, other.last)
        self.values += other.values

    def variance(self) -> float:
        """Return the variance of the whole population."""
        mean = self.total / self.count
        return max(0.0, self.squares / self.count - mean * mean)


def computed(function: str, summary: Summary, *, range_us: int, parameter: float) -> float:
    """Return the value of a function of LogQL.

    Args:
        function: its name.
        summary: of the values in the range; at least one.
        range_us: length of the range.
        parameter: the quantile.
    """
    if function in ("rate", "bytes_rate"):
        return summary.total * 10**6 / range_us
    if function == "quantile_over_time":
        return _quantile(sorted(summary.values), parameter)
    return _FUNCTIONS[function](summary)


_FUNCTIONS: Final[dict[str, Callable[[Summary], float]]] = {
    "count_over_time": lambda summary: summary.total,
    "bytes_over_time": lambda summary: summary.total,
    "sum_over_time": lambda summary: summary.total,
    "avg_over_time": lambda summary: summary.total / summary.count,
    "min_over_time": lambda summary: summary.low,
    "max_over_time": lambda summary: summary.high,
    "first_over_time": lambda summary: summary.first[1],
    "last_over_time": lambda summary: summary.last[1],
    "stdvar_over_time": Summary.variance,
    "stddev_over_time": lambda summary: math.sqrt(summary.variance()),
}


def _quantile(values: list[float], share: float) -> float:
    """Return a quantile, between neighbours in proportion."""
    if not 0 <= share <= 1:
        return -math.inf if share < 0 else math.inf
    place = share * (len(values) - 1)
    low = math.floor(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (place - low)
