import pytest

from logboom.formats.buckets import MICROSECONDS, buckets_of, microseconds

HOUR = 3600 * MICROSECONDS


@pytest.mark.parametrize(
    ("span_s", "wanted", "width_s"),
    [
        *((3600, 60, 60), (3599, 60, 60), (3601, 60, 120), (900, 60, 15), (10, 60, 0.2), (86400, 60, 1800)),
        *((30 * 86400, 60, 43200), (400 * 86400, 60, 7 * 86400), (0, 60, 0.1)),
    ],
)
def test_widths_are_round_and_few_enough(span_s: int, wanted: int, width_s: float) -> None:
    since = 1_762_974_538 * MICROSECONDS + 838_190
    buckets = buckets_of(since, since + span_s * MICROSECONDS, wanted)
    assert buckets.width == width_s * MICROSECONDS
    assert 1 <= buckets.size <= wanted + 1
    starts = buckets.starts_s
    assert len(starts) == buckets.size
    assert starts[0] * MICROSECONDS <= since < (starts[0] + width_s) * MICROSECONDS
    assert starts[-1] <= (since + span_s * MICROSECONDS) / MICROSECONDS


def test_a_span_that_ends_before_it_begins_has_one_bucket() -> None:
    assert buckets_of(HOUR, 0, 60).size == 1


def test_times_are_exact() -> None:
    assert microseconds("2025-11-12T19:08:58.838190+00:00") == 1_762_974_538_838_190
    assert microseconds("2025-11-12T20:08+01:00") == 1_762_974_480_000_000
