"""Histograms of durations; an observation costs a bisection and two additions, cheap enough for every batch."""

from bisect import bisect_left
from typing import Final

LATENCY_BOUNDS_S: Final = (
    0.0001,
    0.00025,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    10.0,
)
"""Upper bounds of the buckets, seconds: a sync takes a tenth of a millisecond on flash, seconds on a dying disk."""


class Histogram:
    """Histogram for Prometheus. One thread observes; any thread may read."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...] = LATENCY_BOUNDS_S) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        """Observations per bucket, not cumulative; the last bucket is above all bounds."""
        self.total = 0.0
        """Sum of all observations."""

    def observe(self, value: float) -> None:
        """Count one observation."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value
