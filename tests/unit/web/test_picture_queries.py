import time
from collections.abc import Callable

import pytest

from logboom.formats.buckets import MICROSECONDS
from logboom.formats.levels import severity
from logboom.web.query import QueryError, export_query, fields_query, series_query, volume_query


def test_a_picture_shows_the_last_hour_unless_told_otherwise() -> None:
    span = volume_query({"level": "error"})
    assert span.wanted.level_min == severity("ERROR")
    assert span.wanted.since
    assert not span.wanted.until
    assert span.buckets.until - span.buckets.since == 3600 * MICROSECONDS
    assert abs(span.buckets.until / MICROSECONDS - time.time()) < 60
    assert span.buckets.width == 60 * MICROSECONDS
    earlier = series_query({"until": "2025-01-01T12:00:00", "points": "60"}, ["temp", "rh", "temp"])
    assert earlier.wanted.since == "2025-01-01T11:00:00.000000+00:00"
    assert earlier.fields == ("temp", "rh")
    wanted, before = fields_query({"since": "2025-01-01", "before": "7"})
    assert (wanted.since, before) == ("2025-01-01T00:00:00.000000+00:00", 7)


def test_an_export_takes_everything_unless_told_otherwise() -> None:
    query = export_query({})
    assert (query.wanted.since, query.wanted.until, query.before, query.after) == ("", "", None, None)
    assert (query.fields, query.compress) == ((), "")


@pytest.mark.parametrize(
    ("parameters", "until"),
    [
        ({"to": "2025-10-02"}, "2025-10-03T00:00:00.000000+00:00"),
        ({"to": "2025-10-02T00:00:00"}, "2025-10-02T00:00:00.000000+00:00"),
        ({"to": "2025-10-02 12:00:00+02:00"}, "2025-10-02T10:00:00.000000+00:00"),
        ({"until": "2025-10-02"}, "2025-10-02T00:00:00.000000+00:00"),
        ({"to": "9999-12-31"}, "9999-12-31T23:59:59.999999+00:00"),
    ],
)
def test_a_date_alone_includes_its_day(parameters: dict[str, str], until: str) -> None:
    query = export_query({"from": "2025-10-01", **parameters})
    assert query.wanted.since == "2025-10-01T00:00:00.000000+00:00"
    assert query.wanted.until == until


def test_columns_and_bounds_are_read() -> None:
    query = export_query({"columns": "sequence, temp,system.heap_free", "after": "5", "before": "9"})
    assert query[1:] == (9, 5, ("sequence", "temp", "system.heap_free"), "")
    query = export_query({"fields": "temp", "compress": "zstd"})
    assert query[3:] == (("temp",), "zstd")


@pytest.mark.parametrize(
    ("read", "parameters", "named"),
    [
        (volume_query, {"buckets": "0"}, "buckets: found 0"),
        (volume_query, {"buckets": "2001"}, "expected 1 to 2000"),
        (volume_query, {"points": "5"}, "points: unknown"),
        (fields_query, {"limit": "5"}, "limit: unknown"),
        (export_query, {"columns": "a,,b"}, "columns: found ''"),
        (export_query, {"columns": "a\nb"}, "columns: found"),
        (export_query, {"columns": ",".join(map(str, range(65)))}, "found 65 names"),
        (export_query, {"to": "soon"}, "to: found 'soon'"),
        (export_query, {"from": "soon"}, "from: found 'soon'"),
        (lambda parameters: series_query(parameters, []), {}, "field: found 0"),
        (lambda parameters: series_query(parameters, [""]), {}, "field: expected"),
        (lambda parameters: series_query(parameters, list("abcdefghi")), {}, "field: found 9"),
    ],
)
def test_a_wrong_parameter_of_a_picture_is_named(
    read: Callable[[dict[str, str]], object], parameters: dict[str, str], named: str
) -> None:
    with pytest.raises(QueryError, match=named):
        read(parameters)


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", "a\x00"])
def test_a_field_that_no_type_can_have_is_refused_not_a_fault(name: str) -> None:
    with pytest.raises(QueryError, match="can't be drawn"):
        series_query({}, ["temp", name])
