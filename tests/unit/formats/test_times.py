"""Times as they stand on the wire and in files."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from logboom.formats.times import EARLIEST, LATEST, iso_from_ns, parse_time

MOMENT = datetime(2025, 10, 2, 17, 58, 37, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment_ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000000+00:00"),
        (999, "1970-01-01T00:00:00.000000+00:00"),
        (1_762_974_538_838_190_999, "2025-11-12T19:08:58.838190+00:00"),
        (1_762_974_538_000_000_000, "2025-11-12T19:08:58.000000+00:00"),
        (253_402_300_799_999_999_999, "9999-12-31T23:59:59.999999+00:00"),
    ],
)
def test_received_at_has_microseconds_and_a_zone(moment_ns: int, text: str) -> None:
    assert iso_from_ns(moment_ns) == text


def test_received_at_agrees_with_the_standard_library() -> None:
    chance = random.Random(3)
    for _ in range(500):
        micros = chance.randrange(4_000_000_000_000_000)
        expected = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
        assert iso_from_ns(micros * 1000) == expected.isoformat(timespec="microseconds")


@pytest.mark.parametrize(
    "value",
    [
        "2025-10-02 17:58:37",
        "2025-10-02T17:58:37",
        "2025-10-02T17:58:37Z",
        "2025-10-02T19:58:37+02:00",
        "  2025-10-02T17:58:37.000000+00:00\n",
        1759427917,
        1759427917.0,
        1759427917_000,
        1759427917_000_000,
        1759427917_000_000_000,
        "1759427917",
        " 1759427917.0 ",
        "1759427917000",
        "1759427917000000",
        "1759427917000000000",
        "1759427917000.0",
        "1.759427917e9",
        1759427917000.0,
        "20251002175837",
    ],
)
def test_reads_every_usual_shape(value: object) -> None:
    assert parse_time(value) == MOMENT


@pytest.mark.parametrize(
    "value",
    [
        "",
        "later",
        "2025-13-01",
        "17:58",
        None,
        True,
        [],
        {},
        float("nan"),
        float("inf"),
        1e300,
        -1e17,
        10**400,
        0,
        "0",
        12.5,
        "86400",
        -1759427917,
        "-1759427917000",
        20_000_000_000,
        99_999_999_999_999,
        "9" * 400,
        "1e99",
        "0001-01-01T00:00:00Z",
        "1970-01-01 00:00:12",
        "1770-10-15T01:23:00",
        "9999-12-31T23:59:59Z",
        {"seconds": 1759427917},
        [1759427917],
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_no_time_is_none(value: object) -> None:
    assert parse_time(value) is None


@pytest.mark.parametrize("scale", [1, 1_000, 1_000_000, 1_000_000_000])
@pytest.mark.parametrize("moment", [EARLIEST, MOMENT, LATEST - timedelta(seconds=1)])
def test_every_epoch_number_of_a_plausible_time_is_read_as_that_time(moment: datetime, scale: int) -> None:
    number = int(moment.timestamp()) * scale
    assert parse_time(number) == parse_time(str(number)) == moment


def test_fractions_are_kept_to_the_microsecond() -> None:
    expected = datetime(2026, 2, 3, 6, 52, 10, 123_456, tzinfo=UTC)
    for value in (
        1770101530.123456,
        "1770101530.123456",
        1770101530123456,
        "1770101530123456",
        1770101530123456789,
    ):
        assert parse_time(value) == expected
