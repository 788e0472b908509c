"""Times as people write them."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from logboom.formats.asked_times import asked_time, shown_time, zone_of

NOW = datetime(2026, 11, 30, 14, 30, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("now", timedelta()),
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("15 min ago", timedelta(minutes=15)),
        ("2h", timedelta(hours=2)),
        ("2 hours ago", timedelta(hours=2)),
        ("  2  Hours   AGO ", timedelta(hours=2)),
        ("1h30m", timedelta(minutes=90)),
        ("1 hour 30 minutes ago", timedelta(minutes=90)),
        ("1.5h", timedelta(minutes=90)),
        ("7d", timedelta(days=7)),
        ("last 3 d", timedelta(days=3)),
        ("last hour", timedelta(hours=1)),
        ("an hour ago", timedelta(hours=1)),
        ("a week ago", timedelta(weeks=1)),
        ("1w", timedelta(weeks=1)),
    ],
)
def test_some_time_ago(text: str, ago: timedelta) -> None:
    assert asked_time(text, NOW, UTC) == NOW - ago


@pytest.mark.parametrize(
    ("text", "begin", "end"),
    [
        ("today", utc(2026, 11, 29, 23), utc(2026, 11, 30, 23)),
        ("yesterday", utc(2026, 11, 28, 23), utc(2026, 11, 29, 23)),
        ("2026-11-30", utc(2026, 11, 29, 23), utc(2026, 11, 30, 23)),
        ("20261130", utc(2026, 11, 29, 23), utc(2026, 11, 30, 23)),
        ("2026-03-29", utc(2026, 3, 28, 23), utc(2026, 3, 29, 22)),  # the clocks go forward on this day
    ],
)
def test_a_day_is_that_of_the_zone_and_as_an_end_its_own(text: str, begin: datetime, end: datetime) -> None:
    assert asked_time(text, NOW, BERLIN) == begin
    assert asked_time(text, NOW, BERLIN, is_end=True) == end


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("14:00", utc(2026, 11, 30, 13)),
        ("9:30", utc(2026, 11, 30, 8, 30)),
        ("today 9:30", utc(2026, 11, 30, 8, 30)),
        ("yesterday 14:00", utc(2026, 11, 29, 13)),
        ("yesterday at 14:00:05", utc(2026, 11, 29, 13, 0, 5)),
        ("2026-11-30 14:00", utc(2026, 11, 30, 13)),
        ("2026-07-30 14:00", utc(2026, 7, 30, 12)),
        ("2026-11-30T14:00:00", utc(2026, 11, 30, 13)),
        ("2026-11-30T14:00:00Z", utc(2026, 11, 30, 14)),
        ("2026-11-30 14:00 UTC", utc(2026, 11, 30, 14)),
        ("2026-11-30 14:00:00+05:00", utc(2026, 11, 30, 9)),
        ("1770101530", utc(2026, 2, 3, 6, 52, 10)),
        ("1770101530000", utc(2026, 2, 3, 6, 52, 10)),
        ("1770101530.5", utc(2026, 2, 3, 6, 52, 10, 500_000)),
        ("0", utc(1970, 1, 1)),
        ("-5", utc(1970, 1, 1)),
        ("99999w", utc(1970, 1, 1)),
        ("1900-01-01", utc(1970, 1, 1)),
    ],
)
def test_a_moment_is_the_same_as_an_end(text: str, moment: datetime) -> None:
    assert asked_time(text, NOW, BERLIN) == moment
    if text != "1900-01-01":
        assert asked_time(text, NOW, BERLIN, is_end=True) == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "2 fortnights ago",
        "yesterday noon",
        "25:00",
        "2026-13-01",
        "5 ago",
        "ago",
        "1" * 30,
        "h",
        "\ud800",
        "1h" * 5000,
        "yesterday " * 5000,
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_what_is_no_time_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected a time such as 15m, 2 hours ago") as caught:
        asked_time(text, NOW, UTC)
    assert len(str(caught.value)) < 400


@pytest.fixture
def in_new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("in_new_york")
def test_without_a_zone_it_is_that_of_the_machine() -> None:
    assert asked_time("2026-11-30 14:00", NOW, None) == utc(2026, 11, 30, 19)
    assert asked_time("2026-07-30", NOW, None, is_end=True) == utc(2026, 7, 31, 4)
    assert shown_time("2026-11-30T19:00:00.000000+00:00", None) == "2026-11-30 14:00:00"


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("", None),
        ("local", None),
        ("utc", UTC),
        ("Europe/Berlin", BERLIN),
        ("+02:00", timezone(timedelta(hours=2))),
    ],
)
def test_zones_have_names(name: str, zone: object) -> None:
    assert zone_of(name) == zone


@pytest.mark.parametrize("name", ["Mars/Base", "../../etc/passwd", "\0", "x" * 5000, "/etc/localtime"])
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="expected a time zone such as Europe/Berlin"):
        zone_of(name)


def test_times_are_shown_in_a_zone_and_damage_as_it_is() -> None:
    assert shown_time("2026-11-30T14:00:00.123456+00:00", BERLIN) == "2026-11-30 15:00:00"
    assert shown_time("2026-11-30T14:00:00", BERLIN) == "2026-11-30 15:00:00"
    assert shown_time("2026-11-3xT14:00:00.123456+00:00", BERLIN) == "2026-11-3x 14:00:00"


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_whose_year_in_utc_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a time such as 15m"):
        asked_time(text, NOW, UTC)
