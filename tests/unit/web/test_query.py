import time
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import pytest
from multidict import MultiDict

from logboom.formats.levels import severity
from logboom.query.matching import Filter
from logboom.web.query import QueryError, page_query, tail_query


def test_an_empty_query_takes_everything() -> None:
    assert page_query({}) == (Filter(), None, None, 100, "json")
    assert tail_query({}, None) == (Filter(by_arrival=True), None)


def test_every_parameter_is_read() -> None:
    query = page_query(
        {
            "level": "warn",
            "source": "a",
            "listener": "device",
            "q": "Pump",
            "limit": "7",
            "format": "csv",
            "before": "90",
            "after": "-1",
            "since": "2025-01-01T12:00:00+01:00",
            "until": "2025-01-02",
        }
    )
    assert query.wanted == Filter(
        *(severity("WARNING"), "a", "device", "Pump"),
        *("2025-01-01T11:00:00.000000+00:00", "2025-01-02T00:00:00.000000+00:00"),
    )
    assert query[1:] == (90, -1, 7, "csv")


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"limit": "0"}, "limit: found 0"),
        ({"limit": "many"}, "limit: found 'many'"),
        ({"limit": "10001"}, "expected 1 to 10000"),
        ({"before": "1.5"}, "before: found '1.5'"),
        ({"after": "9" * 40}, "after: found"),
        ({"format": "xml"}, "json, jsonl, csv"),
        ({"level": "loud"}, "level: found 'loud'"),
        ({"since": "someday"}, "since: found 'someday'"),
        ({"until": "99999999999999999999999999"}, "until: found"),
        ({"q": "x" * 2001}, "q: at character 2001: found 2001 characters"),
        ({"q": "pump ("}, "q: at character 7: the query ends"),
        ({"sorce": "x"}, "sorce: unknown parameter"),
    ],
)
def test_a_wrong_parameter_is_named(parameters: dict[str, str], named: str) -> None:
    with pytest.raises(QueryError, match=named):
        page_query(parameters)


def test_times_may_be_ages() -> None:
    since = page_query({"since": "2h"}).wanted.since
    age_s = time.time() - datetime.fromisoformat(since).timestamp()
    assert 7190 < age_s < 7290
    assert page_query({"since": "999999999w"}).wanted.since.startswith("1970")


def test_times_may_be_numbers() -> None:
    moment = datetime(2025, 1, 1, tzinfo=UTC).timestamp()
    for text in (str(int(moment)), str(int(moment * 1000))):
        assert page_query({"since": text}).wanted.since == "2025-01-01T00:00:00.000000+00:00"


def test_a_reconnecting_reader_goes_on_where_it_was() -> None:
    assert tail_query({"after": "5"}, "9")[1] == 9
    assert tail_query({"after": "5"}, None)[1] == 5
    assert tail_query({"since": "1h"}, None)[1] == -1
    with pytest.raises(QueryError, match="Last-Event-ID"):
        tail_query({}, "x")
    with pytest.raises(QueryError, match="unknown parameter"):
        tail_query({"before": "3"}, None)


@pytest.mark.parametrize(
    "text", ["limit=1&limit=2", "q=a&q=", "before=1&before=1", "limit=", "before=%20", "after=٣"]
)
def test_a_parameter_is_given_once_and_says_something(text: str) -> None:
    parameters = MultiDict(parse_qsl(text, keep_blank_values=True))
    with pytest.raises(QueryError, match=r"expected once|expected a whole number"):
        page_query(parameters)
