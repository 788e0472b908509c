import csv
import io
import json

from logboom.formats.csv_rows import COLUMNS
from logboom.model import Record
from logboom.query.matching import Found
from logboom.web.rendering import csv_of, json_lines, json_of

ENTRY = b'{"message":"say \\"x\\",\\n2","big":1e400,\r"temp":24.10}'
RECORD = Record(
    7, "2025-01-01T00:00:00.000000+00:00", "2025-01-01", "10.0.0.1", "http", "INFO", 'say "x",\n2', {}
)
FOUND = Found(RECORD, ENTRY)


def test_json_holds_the_entry_as_it_was_sent_on_one_line() -> None:
    line = json_of(FOUND)
    assert b'"entry":' + ENTRY.replace(b"\r", b" ") + b"}" in line
    assert not set(line) & set(b"\r\n")
    document = json.loads(line)
    assert list(document) == [*Record._fields[:7], "entry"]
    assert (document["sequence"], document["message"]) == (7, 'say "x",\n2')


def test_json_lines_are_lines() -> None:
    assert json_lines([FOUND, FOUND]) == (json_of(FOUND) + b"\n") * 2
    assert json_lines([]) == b""


def test_csv_reads_back() -> None:
    rows = list(csv.reader(io.StringIO(csv_of([FOUND]).decode(), newline="")))
    assert rows[0] == list(COLUMNS)
    assert rows[1] == ["7", *RECORD[1:4], "10.0.0.1", *RECORD[4:7], ENTRY.decode()]
