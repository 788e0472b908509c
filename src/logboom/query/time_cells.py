"""Cells of time that the times of lines fall into, found by their first characters: many lines share them."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Final, NamedTuple

from logboom.formats.buckets import MICROSECONDS, microseconds
from logboom.remembered import Remembered

TIMES_BYTES_MAX: Final = 1 << 20
"""Receive times and their cells: those of an hour of seconds, since blocks come in order."""

_MINUTE_US: Final = 60 * MICROSECONDS

_UNITS: Final = (
    (24 * 60 * _MINUTE_US, "2025-01-01", "T00:00+00:00"),
    (60 * _MINUTE_US, "2025-01-01T00", ":00+00:00"),
    (_MINUTE_US, "2025-01-01T00:00", "+00:00"),
    (MICROSECONDS, "2025-01-01T00:00:00", "+00:00"),
    (1, "2025-01-01T00:00:00.000000", "+00:00"),
)
"""Units of time in microseconds, the part of a receive time that identifies each, and what completes that to a time."""


class _Unit(NamedTuple):
    """A unit of time, as receive times show it."""

    shown: int
    """Characters of a receive time that identify it."""
    rest: str
    """Text that completes them to a time."""


@lru_cache(maxsize=64)  # one per width that buckets may have
def _unit_of(resolution: int) -> _Unit:
    """The longest unit that is a divisor of a resolution."""
    shown, rest = next((shown, rest) for size, shown, rest in _UNITS if not resolution % size)
    return _Unit(len(shown), rest)


def moment_of(text: bytes) -> int | None:
    """A receive time in microseconds since the epoch; None when it is damaged."""
    try:
        return microseconds(text.decode("ascii"))
    except (ValueError, TypeError):  # the second one for a time without a zone
        return None


def _make_cell(key: tuple[bytes, str, int]) -> int | None:
    """The bar of a receive time; None when it is damaged."""
    shown, rest, resolution = key
    moment = moment_of(shown + rest.encode())
    return None if moment is None else moment // resolution


_cell: Final = Remembered(_make_cell, TIMES_BYTES_MAX)


def runs_of(moments: Sequence[bytes], resolution: int) -> Iterator[tuple[int, int, int]]:
    """Yield the cells of times, each with the range of the neighbours in it; damaged times are left out.

    Args:
        moments: ISO 8601, as the journal has them.
        resolution: width of the cells, microseconds.
    """
    shown, rest = _unit_of(resolution)
    position = 0
    for key, same in groupby([moment[:shown] for moment in moments]):
        end = position + sum(1 for _ in same)
        cell = _cell[key, rest, resolution]
        if cell is not None:
            yield cell, position, end
        position = end


def ends_of(moments: Sequence[bytes]) -> tuple[int, int] | None:
    """Return the least and the greatest of some times, microseconds since the epoch; None: one of them is damaged."""
    low, high = moment_of(min(moments)), moment_of(max(moments))
    return None if low is None or high is None else (low, high)
