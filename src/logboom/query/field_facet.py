"""The values of one field: the most frequent ones, the number of different ones, and statistics of its numbers.

Memory is bounded, whatever senders put into a field: beyond the bounds, rare values are dropped, and numbers of
different values and percentiles are estimates.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from math import ceil
from random import Random
from typing import Any, Final, NamedTuple

import xxhash

from logboom.formats.records import number_of

COUNTS_MAX: Final = 400
"""Values with a count of their own per field. When there are more, the less frequent half is dropped."""

VALUE_CHARS_MAX: Final = 128
"""Longest text that is a value; longer ones are messages, which no user picks from a list."""

HASHES_MAX: Final = 512
"""Hashes that estimate the number of different values; the standard error is 1 / sqrt(512), about 4 %."""

SAMPLE_MAX: Final = 2048
"""Numbers that estimate percentiles: p99 is within 98.4 and 99.5 in 19 of 20 cases."""

NUMBER_MAX: Final = 1 << 63
"""Numbers from this on are no values: integers lose digits in most programs."""

LIST_VALUES_MAX: Final = 20
"""Values of one list that are counted."""

_ALL_HASHES: Final = 1 << 64

Scalar = str | int | float
"""A value; true and false are their texts, as in queries."""


class NumberSummary(NamedTuple):
    """Statistics of the numbers of a field."""

    count: int  # type: ignore[assignment]  # hides tuple.count, which no summary needs
    low: float
    high: float
    mean: float
    p50: float
    p90: float
    p99: float
    is_exact: bool
    """False: the percentiles are estimates."""


class DistinctValues:
    """Number of different values: exact for few, beyond that estimated from the smallest hashes."""

    def __init__(self) -> None:
        self._hashes: set[int] = set()
        self._limit = _ALL_HASHES

    def add(self, values: Iterable[Scalar]) -> None:
        """Count values."""
        limit, digest = self._limit, xxhash.xxh3_64_intdigest
        texts = [str(value).encode("utf-8", "surrogatepass") for value in values]
        self._hashes.update([one for one in map(digest, texts) if one < limit])
        if len(self._hashes) > 2 * HASHES_MAX:
            kept = sorted(self._hashes)[: HASHES_MAX + 1]
            self._limit = kept.pop()
            self._hashes = set(kept)

    @property
    def is_exact(self) -> bool:
        """Return whether the number is exact."""
        return self._limit == _ALL_HASHES

    @property
    def number(self) -> int:
        """Return the number of different values."""
        return round(len(self._hashes) * _ALL_HASHES / self._limit)


class NumberSample:
    """Statistics of numbers: exact, but for percentiles of many, which come from a random sample."""

    def __init__(self) -> None:
        self._count = 0
        self._total = 0.0
        self._low: float = 0
        self._high: float = 0
        self._sample = array("d")
        self._rate = 1.0
        """Share of the numbers that the sample takes."""
        self._chance = Random(0)  # noqa: S311 - a sample, not a secret

    def add(self, counts: Sequence[tuple[float, int]]) -> None:
        """Add numbers, each with how often it came."""
        counts = [(value if abs(value) < NUMBER_MAX else float(value), count) for value, count in counts]
        values = [value for value, _ in counts]
        low, high = min(values), max(values)
        self._low = min(low, self._low) if self._count else low
        self._high = max(high, self._high) if self._count else high
        self._count += sum([count for _, count in counts])
        self._total += sum([float(value) * count for value, count in counts])
        every: Iterable[float] = chain.from_iterable([value] * count for value, count in counts)
        if self._rate < 1:
            rate, chance = self._rate, self._chance.random
            every = (value for value in every if chance() < rate)
        self._sample.extend(map(float, every))
        while len(self._sample) > 2 * SAMPLE_MAX:
            half = len(self._sample) // 2
            self._sample = array("d", self._chance.sample(self._sample, half))
            self._rate /= 2

    def summary(self) -> NumberSummary | None:
        """Return the statistics; None: there was no number."""
        if not self._count:
            return None
        ordered = sorted(self._sample) or [self._low]
        p50, p90, p99 = (ordered[ceil(share * len(ordered)) - 1] for share in (0.5, 0.9, 0.99))
        mean = self._total / self._count
        return NumberSummary(self._count, self._low, self._high, mean, p50, p90, p99, self._rate == 1)


class FieldFacet:
    """Counts of the values of one field."""

    def __init__(self) -> None:
        self.count = 0
        """Number of entries that have the field."""
        self.is_exact = True
        """False: rare values were dropped, and counts may be too low."""
        self.counts: Counter[Scalar] = Counter()
        """The most frequent values."""
        self.distinct = DistinctValues()
        self.numbers = NumberSample()

    def add(self, values: Sequence[Any]) -> None:
        """Add the values of some entries as JSON has them: texts, numbers, booleans, and lists of these."""
        self.count += len(values)
        kinds = set(map(type, values))
        if len(kinds) == 1 and kinds <= {str, int, float}:
            self.add_counts(Counter(values))
            return
        for kind in sorted(kinds, key=str):
            same: list[Any] = [value for value in values if type(value) is kind]
            if kind is list:
                same = list(chain.from_iterable(map(_values_in, same)))
            self.add_counts(Counter(map(_scalar, same) if kind in (list, bool) else same))

    def add_counts(self, counts: Mapping[Scalar, int]) -> None:
        """Add values, each with how often it came."""
        numbers = [
            (number, count) for value, count in counts.items() if (number := number_of(value)) is not None
        ]
        if numbers:
            self.numbers.add(numbers)
        known = self.counts
        self.distinct.add([value for value in counts if value not in known])
        for value, count in counts.items():
            if _is_listed(value):
                known[value] += count
        if len(known) > COUNTS_MAX:
            self.counts = Counter(dict(known.most_common(COUNTS_MAX // 2)))
            self.is_exact = False

    def join(self, other: "FieldFacet") -> None:
        """Add what was counted of other entries."""
        self.count += other.count
        self.is_exact &= other.is_exact
        self.add_counts(other.counts)

    def top(self, limit: int) -> list[tuple[Scalar, int]]:
        """Return the most frequent values with their counts, in a fixed order."""
        ordered = sorted(self.counts.items(), key=lambda pair: (-pair[1], str(pair[0])))
        return ordered[:limit]


def _is_listed(value: Scalar) -> bool:
    """Return whether a value is one that a user picks from a list, and that JSON can have."""
    if isinstance(value, str):
        return len(value) <= VALUE_CHARS_MAX
    return -NUMBER_MAX < value < NUMBER_MAX


def _values_in(values: list[Any]) -> list[Scalar]:
    """The different plain values of a list."""
    plain = [_scalar(one) for one in values[:LIST_VALUES_MAX] if isinstance(one, (str, int, float))]
    return list(dict.fromkeys(plain))


def _scalar(value: Any) -> Scalar:
    plain: Scalar = value
    return ("true" if value else "false") if isinstance(value, bool) else plain
