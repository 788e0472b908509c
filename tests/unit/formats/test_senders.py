"""Who sent an entry, and which numbers it holds."""

import json
import math
from typing import Any

import pytest

from logboom.formats.records import field_of, irradiance_of, number_of, numeric_fields, reading_of, sender
from logboom.model import Verdict
from logboom.receivers.gateway.protocol import judge

READING = {"id": "e46", "temp": "24.1", "rh": 50, "lux": 254}


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ({}, "10.0.0.1"),
        ({"source": "whaleon-1", "hostname": "h"}, "whaleon-1"),
        ({"source": "", "device_id": "d-7"}, "d-7"),
        ({"source": None, "sensor_id": 12}, "12"),
        ({"service_name": "shop", "hostname": "h"}, "shop"),
        ({"serviceName": "", "hostname": "web-1", "loggerName": "x"}, "web-1"),
        ({"id": "e46", "msg": "an id of anything"}, "10.0.0.1"),
        (READING, "e46"),
        ({**READING, "lux": "dark"}, "10.0.0.1"),
        ({"source": True, "device": ["x"], "service": {"name": "y"}}, "10.0.0.1"),
        ({"source": "x" * 200}, "x" * 128),
        ({"source": 10**400}, "10.0.0.1"),
    ],
)
def test_the_sender_is_the_entrys_own_name_else_its_address(entry: dict[str, Any], name: str) -> None:
    assert sender(entry, "10.0.0.1") == name


@pytest.mark.parametrize(
    ("value", "number"),
    [
        *((1, 1.0), (2.5, 2.5), ("3.5", 3.5), (" -4e2 ", -400.0), (".5", 0.5), (True, None), (None, None)),
        *(
            ("", None),
            ("1_000", None),
            ("nan", None),
            ("inf", None),
            ("1e999", None),
            ("0x10", None),
            (10**400, None),
        ),
        *(([1], None), ("2025-01-01", None), ("1" * 65, None), ("\u0661", None)),
    ],
)
def test_numbers_are_what_is_written_as_one(value: object, number: float | None) -> None:
    assert number_of(value) == number


def test_numeric_fields_reach_one_level_down() -> None:
    entry = {"a": "1", "b": {"c": 2, "d": {"e": 3}, "f": "x", "g": True}, "b.c": 9, "h": [4], "i": "i"}
    assert numeric_fields(entry) == {"a": 1.0, "b.c": 9.0}
    assert numeric_fields({"b": {"c": 2}}) == {"b.c": 2.0}


def test_a_readings_irradiance_is_derived_unless_it_was_sent() -> None:
    assert numeric_fields(READING) == {"temp": 24.1, "rh": 50.0, "lux": 254.0, "irradiance": 2.0}
    assert numeric_fields({**READING, "irradiance": 7})["irradiance"] == 7.0
    assert "irradiance" not in numeric_fields({"lux": 254})


@pytest.mark.parametrize(
    ("entry", "reading"),
    [
        ({"temp": 24.1, "rh": "50", "lux": 254}, (24.1, 50.0, 254.0, 2.0)),
        ({"temp": True, "rh": False, "lux": 127}, (1.0, 0.0, 127.0, 1.0)),
        ({"temp": "1_0", "rh": " +5 ", "lux": 127, "irradiance": "3"}, (10.0, 5.0, 127.0, 3.0)),
        ({"temp": 1, "rh": 2, "lux": 127, "irradiance": "?"}, (1.0, 2.0, 127.0, 1.0)),
        ({"temp": 1, "rh": 2, "lux": 127, "irradiance": 10**400}, (1.0, 2.0, 127.0, 1.0)),
        ({"temp": 1, "rh": 2, "lux": "-inf"}, (1.0, 2.0, float("-inf"), float("-inf"))),
        ({"temp": 1, "rh": 2}, None),
        ({"temp": 1, "rh": 2, "lux": None}, None),
        ({"temp": 1, "rh": [2], "lux": 3}, None),
        ({"temp": 1, "rh": "warm", "lux": 3}, None),
        ({"temp": 10**400, "rh": 2, "lux": 3}, None),
    ],
)
def test_a_reading_is_one_for_the_gateway_the_database_the_charts_and_the_senders_name(
    entry: dict[str, Any], reading: tuple[float, ...] | None
) -> None:
    """docs/contracts/gateway.md: its values are what Python's `float()` takes."""
    assert reading_of(entry) == reading
    assert sender({**entry, "id": "e46"}, "10.0.0.1") == ("10.0.0.1" if reading is None else "e46")
    accepted = judge([json.dumps({**entry, "time": "t"}).encode()]).verdicts == bytes([Verdict.ACCEPTED])
    assert accepted == (reading is not None)
    if reading is not None:
        assert irradiance_of(entry) == (reading[3] if math.isfinite(reading[3]) else None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("a", 1),
        ("b.c", 2),
        ("d.e", "whole"),
        ("b.x", None),
        ("a.b", None),
        ("irradiance", 2.0),
        ("none", None),
    ],
)
def test_a_field_is_named_as_numeric_fields_names_it(name: str, value: object) -> None:
    entry = {"a": 1, "b": {"c": 2}, "d": {"e": "nested"}, "d.e": "whole", **READING}
    assert field_of(entry, name) == value
