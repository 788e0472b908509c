"""The growth of the journal, and the day on which the disk will be full."""

import pytest

from logboom.journal.segment_packing import StorageSizes
from logboom.ops.storage import DAY_S, HISTORY_S_MIN, Growth, days_left, growth_of

GB = 10**9


def sizes(recent_bytes: int, *, packed: int = 0, lines: int = 0) -> StorageSizes:
    return StorageSizes(1, recent_bytes, 1, packed, lines, recent_bytes)


@pytest.mark.parametrize(
    ("history_days", "packed", "packs", "expected"),
    [
        (30, 0, True, (1 * GB, 1 * GB)),  # nothing is packed yet
        (30, GB, True, (1 * GB, 0.1 * GB)),
        (30, GB, False, (1 * GB, 1 * GB)),
        (2, GB, True, (3.5 * GB, 0.35 * GB)),  # all of it came within two days
    ],
)
def test_growth_is_that_of_the_last_week(
    history_days: float, packed: int, packs: bool, expected: tuple[float, float]
) -> None:
    found = growth_of(sizes(7 * GB, packed=packed, lines=10 * packed), history_days * DAY_S, packs=packs)
    assert found == pytest.approx(expected)


def test_a_young_journal_has_no_forecast() -> None:
    assert growth_of(sizes(GB), HISTORY_S_MIN - 1, packs=True) is None


@pytest.mark.parametrize(
    ("free", "journal", "age_days", "bytes_max", "expected"),
    [
        (10 * GB, GB, 0, 0, 10),
        (-1, GB, 0, 0, 0),  # below what has to stay free
        (10 * GB, GB, 5, 0, None),  # five days are kept
        (10 * GB, GB, 30, 0, 10),  # thirty days do not fit
        (10 * GB, GB, 0, 11 * GB, None),
        (10 * GB, GB, 0, 12 * GB, 10),
        (10 * GB, GB, 30, 3 * GB, None),  # whichever is reached first
    ],
)
def test_the_disk_is_full_unless_retention_deletes_before(
    free: int, journal: int, age_days: float, bytes_max: int, expected: float | None
) -> None:
    found = days_left(Growth(5 * GB, GB), free, journal, age_s=age_days * DAY_S, bytes_max=bytes_max)
    assert found == expected


def test_a_journal_that_does_not_grow_fills_no_disk() -> None:
    assert days_left(Growth(0, 0), GB, GB) is None
