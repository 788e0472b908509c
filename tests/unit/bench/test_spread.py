import pytest

from bench.spread import paired_ratio, percentile, spread


def test_spread_shows_the_median_between_its_extremes() -> None:
    found = spread([3.0, 1.0, 2.0])
    assert found is not None
    assert (found.median, found.low, found.high, found.trials) == (2.0, 1.0, 3.0, 3)
    assert found.show(1) == "2.0 (1.0..3.0)"
    assert found.show(3, 1000) == "0.002 (0.001..0.003)"


def test_no_values_have_no_spread() -> None:
    assert spread([]) is None


@pytest.mark.parametrize(("percent", "expected"), [(1, 1), (50, 50), (99, 99), (99.5, 100), (100, 100)])
def test_percentile_is_the_nearest_rank(percent: float, expected: int) -> None:
    assert percentile(range(1, 101), percent) == expected


def test_percentile_of_one_value_is_that_value() -> None:
    assert percentile([7.0], 50) == percentile([7.0], 99.9) == 7.0


def test_percentile_refuses_what_has_no_answer() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)
    with pytest.raises(ValueError, match="above 0"):
        percentile([1.0], 0)


def test_pairs_with_a_failed_side_are_left_out() -> None:
    ratio = paired_ratio([2.0, None, 6.0], [1.0, 5.0, None])
    assert ratio is not None
    assert (ratio.median, ratio.trials) == (2.0, 1)
    assert paired_ratio([None], [1.0]) is None
