"""Numbers of CSV cells and of messages have the digits that were sent."""

import csv
import io

import pytest

from logboom.formats.csv_rows import csv_rows
from logboom.formats.records import records_of
from logboom.formats.sent import sent_message, sent_value
from logboom.journal.segments import prefix, suffix
from logboom.testing.output_kit import FIRST_NS

NUMBERS = ("1234567890123456789", "-0.10", "24.10", "0.12345678901234567890123", "1E5", "1e400", "7.0")


def line_of(entry: str) -> bytes:
    return prefix(FIRST_NS) + entry.encode() + suffix("10.0.0.1", "device")


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_are_as_they_were_sent(number: str) -> None:
    for entry, message in (
        (f'{{"n":{number},"a":{{"b":{number},"c":[{number}]}}}}', None),
        (f'{{"msg":{number},"n":{number},"a":{{"b":{number},"c":[{number}]}}}}', number),
        (f'{{"message":[1,{number}],"n":{number},"a":{{"b":{number},"c":[{number}]}}}}', f"[1,{number}]"),
    ):
        data = line_of(entry)
        [record] = records_of([0], data)
        assert sent_message(record, entry.encode()) == (message or entry)
        assert sent_value(record, entry.encode(), "n") == number
        assert sent_value(record, entry.encode(), "a.b") == number
        assert sent_value(record, entry.encode(), "a.c") == f"[{number}]"
        for columns in (("message", "n", "a.b", "a.c"),):
            text = csv_rows([0], data, columns).decode()
            assert next(csv.reader(io.StringIO(text))) == [message or entry, number, number, f"[{number}]"]
        usual = next(csv.reader(io.StringIO(csv_rows([0], data).decode())))
        assert usual[-2:] == [message or entry, entry]


def test_values_may_be_nested_deeply() -> None:
    entry = '{"a":' * 500 + "1.50" + "}" * 500
    [record] = records_of([0], line_of(entry))
    assert sent_message(record, entry.encode()) == entry


def test_other_values_are_as_before() -> None:
    entry = '{"msg":["a","b"],"t":"caf\\u00e9","n":null,"o": {"x": 1},"lux":127,"temp":1,"rh":2}'
    [record] = records_of([0], line_of(entry))
    assert sent_message(record, entry.encode()) == "a\nb"
    values = [
        sent_value(record, entry.encode(), name) for name in ("t", "n", "o", "irradiance", "none", "o.x")
    ]
    assert values == ["café", None, '{"x":1}', "1.0", None, "1"]
