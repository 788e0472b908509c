"""CSV rows, held against the standard library's writer over full records."""

import csv
import io
from collections.abc import Sequence

import pytest

from logboom.formats.csv_rows import COLUMNS, csv_rows, header
from logboom.formats.records import records_of, sender
from logboom.formats.times import iso_from_ns
from logboom.journal.segments import prefix, suffix
from logboom.testing.output_kit import FIRST_NS, SOURCES, sample_entries

ODD = [
    *(
        b"{}",
        b'{"level":"a,b","msg":"x"}',
        b'{"msg":null,"message":"second"}',
        b'{"msg":{"a":"\\u00fc"}}',
        b"{ }",
    ),
    *(b'{"level":["x"],"lvl":3}', b'{"type":"error"}', b'{"type":"heartbeat"}', b'{"msg":"\\ud800 alone"}'),
    *(
        b'{"ts":"2025-11-12T19:08:58.837902+00:00"}',
        b'{"ts":"2025-W46-3T19:08:58.837902+00:00","msg":"=1+1"}',
    ),
    *(
        b'{"ts":"2025-13-12T19:08:58.837902+00:00"}',
        b'{"@timestamp":"2025-11-12 19:08:58"}',
        b'{"time":1762974538}',
    ),
    *(b'{"device":7}', b'{"device":7.0}', b'{"device":true,"host":"a,b"}', b'{"service":["x"],"host":"h"}'),
    *(
        b'{"id":"e46","temp":1,"rh":2,"lux":"3"}',
        b'{"id":"e46","temp":1}',
        b'{"id":8,"temp":1,"rh":2,"lux":3}',
    ),
    *(b'{"ts":null,"time":"x","msg":""}', b'{"msg":"a\\r\\nb, \\"c\\""}', b'{"level":50,"msg":["a","b"]}'),
]


def lines_of(entries: Sequence[bytes]) -> bytes:
    return b"".join(
        prefix(FIRST_NS) + entry + suffix(*SOURCES[number % len(SOURCES)])
        for number, entry in enumerate(entries)
    )


def parsed(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline="")))


def by_the_book(entries: Sequence[bytes], data: bytes) -> bytes:
    text = io.StringIO(newline="")
    records = records_of(range(len(entries)), data)
    csv.writer(text).writerows(
        (
            *record[:4],
            sender(record.entry, record.source),
            *record[4:7],
            entries[record.sequence].decode(errors="replace"),
        )
        for record in records
    )
    return text.getvalue().encode(errors="replace")


@pytest.mark.parametrize("entries", [ODD, sample_entries(200, seed=3), ODD[:1], []], ids=len)
def test_usual_columns_are_what_the_standard_writer_writes(entries: list[bytes]) -> None:
    data = lines_of(entries)
    assert csv_rows(range(len(entries)), data) == by_the_book(entries, data)


def test_damaged_lines_are_left_out() -> None:
    data = lines_of([b'{"msg":"a"}']) + b'{"received_at":"x\n' + lines_of([b'{"msg":1e400}'])
    assert [row[0] for row in parsed(csv_rows([5, 6, 7], data))] == ["5", "7"]
    assert parsed(csv_rows([5, 6, 7], data, ("sequence", "entry"))) == [
        ["5", '{"msg":"a"}'],
        ["7", '{"msg":1e400}'],
    ]


def test_columns_may_be_fields() -> None:
    entries = [b'{"temp":"24.1","on":true,"n":null,"rh":5,"lux":127,"s":{"a":1,"b":[1,2]}}', b'{"msg":"x"}']
    columns = ("sequence", "received_at", "sender", "temp", "on", "n", "irradiance", "s.a", "s.b", "s", "msg")
    assert header(columns) == b"sequence,received_at,sender,temp,on,n,irradiance,s.a,s.b,s,msg\r\n"
    assert parsed(csv_rows([8, 9], lines_of(entries), columns)) == [
        [
            "8",
            iso_from_ns(FIRST_NS),
            SOURCES[0][0],
            "24.1",
            "true",
            "",
            "1.0",
            "1",
            "[1,2]",
            '{"a":1,"b":[1,2]}',
            "",
        ],
        ["9", iso_from_ns(FIRST_NS), SOURCES[1][0], "", "", "", "", "", "", "", "x"],
    ]


def test_the_header_names_the_usual_columns() -> None:
    assert header() == (",".join(COLUMNS) + "\r\n").encode()
