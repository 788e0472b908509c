"""Median, range and percentiles of small samples."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle of some trials, and how far they lie apart."""

    median: float
    low: float
    high: float
    trials: int

    def show(self, digits: int = 2, scale: float = 1.0) -> str:
        """`median (low..high)`, each divided by `scale`."""
        middle, low, high = (f"{value / scale:.{digits}f}" for value in (self.median, self.low, self.high))
        return f"{middle} ({low}..{high})"


def spread(values: Sequence[float]) -> Spread | None:
    """The spread of the values; None when there are none."""
    if not values:
        return None
    return Spread(statistics.median(values), min(values), max(values), len(values))


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of all values do not exceed (nearest rank).

    Args:
        ordered: at least one value, ascending.
        percent: above 0, up to 100.
    """
    if not ordered:
        raise ValueError("no values, expected at least one")
    if not 0 < percent <= 100:
        raise ValueError(f"percent {percent}, expected above 0 and up to 100")
    return ordered[math.ceil(percent / 100 * len(ordered)) - 1]


def paired_ratio(ours: Sequence[float | None], theirs: Sequence[float | None]) -> Spread | None:
    """The spread of ours / theirs over trials that ran side by side, where both sides have a figure."""
    return spread([a / b for a, b in zip(ours, theirs, strict=True) if a is not None and b])
