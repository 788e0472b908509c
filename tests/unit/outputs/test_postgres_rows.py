import json
from typing import Any

import pytest

from logboom.journal.log import Block
from logboom.outputs.postgres_rows import (
    DELIMITER,
    NAME_CHARS_MAX,
    last_resort,
    readings_of,
    rows_of,
    safe_rows_of,
)
from logboom.outputs.selection import Lines
from tests.kit.block_kit import block
from tests.kit.postgres_kit import reading

PLAIN = {"\\\\": "\\", "\\n": "\n", "\\r": "\r", "\\x1f": "\x1f"}


def lines_of(found: Block) -> Lines:
    return Lines(range(found.first_sequence, found.next_sequence), found.data)


def columns(text: str) -> list[str | None]:
    """What COPY makes of a row."""
    assert text.endswith("\n")
    assert text.count("\n") == 1
    values: list[str | None] = []
    for value in text[:-1].split(DELIMITER):
        if value == r"\N":
            values.append(None)
            continue
        plain, position = "", 0
        while position < len(value):
            size = 1 if value[position] != "\\" else 4 if value[position + 1] == "x" else 2
            piece = value[position : position + size]
            plain += PLAIN[piece] if size > 1 else piece
            position += size
        values.append(plain)
    return values


def entry_of(*entries: bytes, **more: Any) -> list[str | None]:
    [row] = rows_of(7, lines_of(block(*entries, **more)))
    return columns(row.text)


def reading_of(entry: bytes) -> list[str | None] | None:
    rows = rows_of(7, lines_of(block(entry)))
    found = readings_of(7, [row.candidate for row in rows if row.candidate is not None])
    return columns(found[0]) if found else None


def test_an_entry() -> None:
    assert entry_of(
        b'{"level":"warn", "msg":"hot \\u00fc","ts":"2025-10-02 17:58:37","n":24.10}', first=5
    ) == [
        "7",
        "5",
        "2025-11-12T19:09:03.838190+00:00",
        "2025-10-02T17:58:37+00:00",
        "10.0.0.1",
        "gateway",
        "WARNING",
        "13",
        "hot ü",
        '{"level":"warn", "msg":"hot \\u00fc","ts":"2025-10-02 17:58:37","n":24.10}',
        None,
    ]


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ('"2025-10-02T17:58:37.5+02:00"', "2025-10-02T15:58:37.500000+00:00"),
        ("1759427917", "2025-10-02T17:58:37+00:00"),
        ('"yesterday"', "2025-11-12T19:08:58.838190+00:00"),
        ("null", "2025-11-12T19:08:58.838190+00:00"),
    ],
)
def test_the_time_is_the_senders_where_it_can_be_read(time: str, expected: str) -> None:
    assert entry_of(b'{"ts":%b}' % time.encode())[3] == expected


def test_a_receive_time_that_somebody_spoilt() -> None:
    line = b'{"received_at": "soon", "entry": {"msg": "x"}, "source": "s", "listener": "l"}\n'
    [row] = rows_of(7, Lines([3], line))
    assert columns(row.text)[1:4] == ["3", "1970-01-01T00:00:00+00:00", "1970-01-01T00:00:00+00:00"]
    assert columns(row.text)[8:] == ["x", '{"msg":"x"}', None]


@pytest.mark.parametrize(
    "entry",
    [
        rb'{"msg":"tab \t, \n, \\ and \u001f, \\N","a":"\\."}',
        b'{"msg":\t"blanks",\r"n":1}',
        '{"msg":"† ünï \U0001f680 \u2028"}'.encode(),
    ],
)
@pytest.mark.parametrize("peer", ["10.0.0.1", 'a "b" \\ ü'])
def test_whatever_is_in_a_text_comes_out_again(entry: bytes, peer: str) -> None:
    row = entry_of(entry, peer=peer)
    assert row[4] == peer
    assert row[8] == json.loads(entry)["msg"]
    assert row[9] == entry.decode()


@pytest.mark.parametrize(
    ("entry", "numbers"),
    [
        (b'{"temp":24.10,"rh":50.5,"lux":254.0}', ["24.1", "50.5", "254.0", "2.0"]),
        (b'{"temp":"24.10","rh":" 50.5 ","lux":254,"irradiance":"3"}', ["24.1", "50.5", "254.0", "3.0"]),
        (b'{"temp":1,"rh":2,"lux":0,"irradiance":"?"}', ["1.0", "2.0", "0.0", "0.0"]),
        (b'{"temp":1,"rh":2,"lux":0,"irradiance":null}', ["1.0", "2.0", "0.0", "0.0"]),
        (b'{"temp":"nan","rh":"-Infinity","lux":1e400}', [None, None, None, None]),
        (b'{"temp":"nan","rh":2,"lux":254}', [None, "2.0", "254.0", "2.0"]),
        (b'{"temp":1e308,"rh":1e308,"lux":254}', ["1e+308", "1e+308", "254.0", "2.0"]),
    ],
)
def test_a_reading(entry: bytes, numbers: list[str | None]) -> None:
    row = reading_of(entry)
    assert row is not None
    assert row[:4] == ["7", "0", "unknown", "2025-11-12T19:08:58.838190+00:00"]
    assert row[4:] == [*numbers, entry.decode()]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ('"e4643048d7292c2e"', "e4643048d7292c2e"),
        ("17", "17"),
        ("null", "unknown"),
        ('"a\\tb\\\\"', "a\tb\\"),
    ],
)
def test_a_sensors_name(name: str, expected: str) -> None:
    row = reading_of(b'{"id":%b,"temp":1,"rh":2,"lux":3}' % name.encode())
    assert row is not None
    assert row[2] == expected


@pytest.mark.parametrize(
    "entry",
    [
        b'{"temp":24.1,"rh":50.5}',
        b'{"temp":"warm","rh":50.5,"lux":1}',
        b'{"temp":[24],"rh":50.5,"lux":1}',
        b'{"temp":1%b,"rh":50.5,"lux":1}' % (b"0" * 400),
    ],
)
def test_no_reading(entry: bytes) -> None:
    assert reading_of(entry) is None


@pytest.mark.parametrize(
    ("entry", "safe"),
    [
        (r'{"msg":"a\u0000b"}', '{"msg":"a\ufffdb"}'),
        (r'{"msg":"a\\u0000b"}', None),
        (r'{"a\u0000":"\\\u0000"}', '{"a\ufffd":"\\\\\ufffd"}'),
        (r'{"n":1e200000,"m":[-1E-99999,1e400]}', '{"n":"1e200000","m":["-1E-99999",1e400]}'),
        (r'{"n":"1e200000","e4643":1.5e3}', None),
    ],
)
def test_what_jsonb_refuses_is_replaced_and_kept_beside_it(entry: str, safe: str | None) -> None:
    [row] = safe_rows_of(7, lines_of(block(entry.encode())))
    found = columns(row.text)
    assert found[9:] == ([entry, None] if safe is None else [safe, entry])
    assert "\0" not in (found[8] or "")


def test_the_last_resort_has_the_entry_as_text_only() -> None:
    found = block(reading(0), b'{"msg":"x","n":1.10}', b"{}")
    row = last_resort(7, lines_of(found), 1)
    assert (row.sequence, row.candidate) == (1, None)
    assert columns(row.text)[8:] == ["x", "{}", '{"msg":"x","n":1.10}']


@pytest.mark.parametrize("make", [rows_of, safe_rows_of])
def test_damaged_lines_are_left_out_and_others_keep_their_digits(make: Any) -> None:
    good = block(b'{"n":1.10}', b'{"n":2.20}').data.splitlines(keepends=True)
    rows = make(7, Lines(range(4), good[0] + b"\0\0\n" + good[1] + b'{"entry":\n'))
    assert [columns(row.text)[9] for row in rows] == ['{"n":1.10}', '{"n":2.20}']
    assert [row.sequence for row in rows] == [0, 2]


def test_names_fit_an_index() -> None:
    row = entry_of(b'{"level":"%b","id":"x"}' % (b"y" * 9000), peer="z" * 9000)
    assert (row[4], row[6]) == ("z" * NAME_CHARS_MAX, "Y" * NAME_CHARS_MAX)
