"""Division of time into equal buckets at round times, so that the same data always gives the same chart."""

from datetime import UTC, datetime
from typing import Final, NamedTuple

MICROSECONDS: Final = 1_000_000

_WIDTHS_MS: Final = (
    *(100, 200, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000),
    *(minutes * 60_000 for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440)),
)
"""Readable widths; beyond a day, whole days are used."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_US: Final = 86_400 * MICROSECONDS


class Buckets(NamedTuple):
    """Equal buckets that cover a range of time. All times are microseconds since the epoch."""

    since: int
    """Start of the range, within the first bucket."""
    until: int
    """End of the range, within the last bucket."""
    width: int

    @property
    def first(self) -> int:
        """Number of the first bucket, counted from the epoch."""
        return self.since // self.width

    @property
    def size(self) -> int:
        """Number of buckets; at least one."""
        return max(self.first + 1, -(-self.until // self.width)) - self.first

    @property
    def starts_s(self) -> list[float]:
        """Starts of the buckets, seconds since the epoch."""
        first, width = self.first, self.width
        return [(first + number) * width / MICROSECONDS for number in range(self.size)]


def buckets_of(since: int, until: int, wanted: int) -> Buckets:
    """Make buckets of the smallest width that gives at most `wanted` + 1 of them, since both ends may be partial.

    Args:
        since: microseconds since the epoch.
        until: the same; `since` is used when it is earlier.
        wanted: at least one.
    """
    until = max(since, until)
    span = until - since
    for width_ms in _WIDTHS_MS:
        if span <= width_ms * 1000 * wanted:
            return Buckets(since, until, width_ms * 1000)
    return Buckets(since, until, -(-span // (wanted * _DAY_US)) * _DAY_US)


def microseconds(moment: str) -> int:
    """Convert a time of the journal (`formats.times.iso_from_ns`), or any ISO 8601 time with a zone.

    Raises:
        ValueError: it is not a valid time.
    """
    passed = datetime.fromisoformat(moment) - _EPOCH
    return (passed.days * 86_400 + passed.seconds) * MICROSECONDS + passed.microseconds
