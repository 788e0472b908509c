"""Segments as columns: whatever the lines are, each is given back byte for byte."""

import json
import os
import subprocess
import sys
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from logboom.errors import StorageError
from logboom.journal.columns import column_file
from logboom.journal.columns.column_engine import connect
from logboom.journal.columns.column_file import ColumnFile
from logboom.journal.columns.layout import ROWS
from logboom.journal.columns.shapes import VALUES_MAX
from logboom.journal.manifest import SegmentEvent
from logboom.journal.segment_packing import delete_plain, pack
from logboom.journal.segments import Segment
from logboom.query.sql import column_writer
from logboom.query.sql.column_writer import pack_columns

RECEIVED = "2026-11-30T12:00:00.123456+00:00"


def line_of(entry: str, source: str = '"10.0.0.1"') -> bytes:
    return f'{{"received_at":"{RECEIVED}","entry":{entry},"source":{source},"listener":"device"}}\n'.encode()


def packed(folder: Path, lines: list[bytes], first: int = 0) -> ColumnFile:
    """The lines as a packed segment; fails if it was not packed as columns."""
    segment, data = Segment.at(folder, first), b"".join(lines)
    segment.columns_path.unlink(missing_ok=True)
    segment.path.write_bytes(data)
    sealed = SegmentEvent("sealed", segment.name, hash=sha256(data).hexdigest(), bytes=len(data))
    done = pack(segment, sealed, columns=pack_columns)
    assert not done.not_columns
    delete_plain(segment)
    return ColumnFile(segment.columns_path)


def given_back(folder: Path, lines: list[bytes]) -> list[bytes]:
    with closing(packed(folder, lines)) as file:
        found = file.read_at(0, file.size)
        assert not file.damaged
    return found.splitlines(keepends=True)


ODD = (
    '{"a":1,"b":[1,2,{"c":"]"}],"d":{"e":null,"f":true}}',
    '{"a":1,"a":2}',
    '{ "a" : 1.50 , "b":-0, "c":1e5,"d":1E+5, "e":0.1000 }',
    '{"big":123456789012345678901234567890,"huge":1e400,"wide":9007199254740993,"exact":24.10}',
    '{"text":"\\u00e9 \\/ \\ud83d\\ude00 \\"q\\" \\\\ é \u2028"}',
    '{"":"empty key","a.b":1,"a":{"b":2},"A":3}',
    '{"level":"INFO","time":"2026-11-30T12:00:00Z","shape":1,"line":"x","sequence":"9","source":"s"}',
    '{"kind":1,"object":2,"rebuilt":3,"arrived":4,"peer":5,"entry":6,"word":7,"first":8,"found_0":9,"value 0":0}',
    '{"t":"2026-11-30T12:00:00.123456+00:00"}',
    '{"t":"2026-11-30T12:00:00.1+00:00"}',
    '{"t":"2026-02-30 12:00:00"}',
    '[1,"two",null]',
    '"a text"',
    "17",
    "null",
    "{}",
    "[]",
    '{"deep":' + "[" * 60 + "]" * 60 + "}",
    "{" + ",".join(f'"k{number}":{number}' for number in range(VALUES_MAX + 50)) + "}",
    '{"a\'b\\"c":"it\'s $1 {x} [y] (z) . * + ? | ^ \\\\"}',
)


def test_odd_lines_are_given_back(tmp_path: Path) -> None:
    lines = [line_of(entry) for entry in ODD] + [
        line_of("{}", '"[::1]"'),
        line_of("{}", "null"),
        b"not JSON\n",
    ]
    assert given_back(tmp_path, lines * 3) == lines * 3


def test_lines_unlike_the_sample_are_given_back(tmp_path: Path) -> None:
    """The sample is every second line, so that types and shapes are wrong for the others."""
    usual = [line_of(f'{{"n":{number},"v":{number}.25,"on":true}}') for number in range(ROWS)]
    other = [
        b"",
        line_of('{"n":1e3,"v":007,"on":null}'),
        line_of('{"n":17,"v":1.5,"on":true}'),
        line_of("[3]"),
    ]
    lines = [line for number, one in enumerate(usual) for line in (one, other[number % 3 + 1])]
    assert given_back(tmp_path, lines) == lines


TEXTS = st.text(max_size=8) | st.sampled_from(["INFO", "2026-11-30 12:00:00", "a\\b", '"', "'", "\x00", "💥"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
ENTRIES = st.builds(
    json.dumps,
    st.dictionaries(st.sampled_from(["a", "b", "level", "msg", "é", "x.y"]) | TEXTS, VALUES, max_size=5)
    | VALUES,
    ensure_ascii=st.booleans(),
    separators=st.sampled_from([(",", ":"), (", ", ": ")]),
)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(entries=st.lists(ENTRIES, min_size=1, max_size=40), data=st.data())
def test_any_entries_are_given_back(tmp_path: Path, entries: list[str], data: st.DataObject) -> None:
    lines = [line_of(entry) for entry in entries]
    with closing(packed(tmp_path, lines, first=1000)) as file:
        whole = b"".join(lines)
        start, size = data.draw(st.integers(0, len(whole))), data.draw(st.integers(0, len(whole)))
        assert file.read_at(start, size) == whole[start : start + size]
        assert (file.read_at(0, file.size), file.damaged) == (whole, set())


def test_other_programs_read_the_columns(tmp_path: Path) -> None:
    entries = ['{"level":"warn","service":"shop","ms":12.5,"n":3,"msg":"paid"}', '{"service":"x","on":true}']
    packed(tmp_path, [line_of(entry) for entry in entries]).close()
    query = f"SELECT sequence, time, level, source, service, ms, n, msg, \"on\" FROM '{tmp_path}/*.parquet'"
    with duckdb.connect() as engine:
        engine.execute("SET TimeZone = 'UTC'")
        first, second = [tuple(map(str, row)) for row in engine.execute(query).fetchall()]
    assert first == (
        *("0", RECEIVED.replace("T", " "), "WARNING", "10.0.0.1", "shop", "12.5", "3", "paid", "None"),
    )
    assert (second[4], second[8]) == ("x", "True")


def test_a_damaged_part_costs_its_own_lines_only(tmp_path: Path) -> None:
    lines = [line_of(f'{{"n":{number},"text":"{os.urandom(20).hex()}"}}') for number in range(ROWS + 100)]
    with closing(packed(tmp_path, lines)) as file:
        path = Segment.at(tmp_path, 0).columns_path
        data = bytearray(path.read_bytes())
        data[1000:1400] = bytes(400)  # within the first row group
        path.write_bytes(data)
        found = file.read_at(0, file.size).splitlines(keepends=True)
        assert file.damaged == {0}
    assert (len(found), found[ROWS:]) == (len(lines), lines[ROWS:])
    assert set(found[0]) == {ord("?"), ord("\n")}


@pytest.mark.parametrize("harm", ["cut", "empty", "foreign"])
def test_a_file_that_is_no_column_file_is_reported(tmp_path: Path, harm: str) -> None:
    packed(tmp_path, [line_of("{}")]).close()
    path = Segment.at(tmp_path, 0).columns_path
    match harm:
        case "cut":
            os.truncate(path, path.stat().st_size - 5)
        case "empty":
            os.truncate(path, 0)
        case "foreign":
            duckdb.sql(f"COPY (SELECT 1 AS x) TO '{path}' (FORMAT parquet)")
    with pytest.raises(OSError, match=r"^0+\.parquet: the column file can't be read: it is damaged, or"):
        ColumnFile(path)


def test_without_the_engine_the_reader_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed(tmp_path, [line_of("{}")]).close()
    column_file._group.cache_clear()
    monkeypatch.setattr("logboom.journal.columns.column_engine.is_missing", lambda _: True)
    monkeypatch.setattr("logboom.journal.columns.column_engine._reader", lambda: connect(64))
    with (
        closing(ColumnFile(Segment.at(tmp_path, 0).columns_path)) as file,
        pytest.raises(OSError, match=r"parquet: reading and writing column files: .*'logboom\[archive\]'"),
    ):
        file.read_at(0, 1)


def test_memory_does_not_grow_with_the_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    segment, line = Segment.at(tmp_path, 0), line_of(json.dumps({"n": 1, "msg": "x" * 200}))
    with segment.path.open("wb") as file:
        for _ in range(300):
            file.write(line * 1000)
    monkeypatch.setattr(column_writer, "MEMORY_MIB", 120)
    column_writer.write_columns(segment.path, 0, segment.columns_path, 1)
    with closing(ColumnFile(segment.columns_path)) as packed_file:
        assert packed_file.size == segment.path.stat().st_size > 80 << 20
    assert {path.name for path in tmp_path.iterdir()} == {segment.name, segment.columns_path.name}


def test_what_can_not_become_columns_becomes_frames(tmp_path: Path) -> None:
    segment, data = Segment.at(tmp_path, 0), b"\xff\xfe not UTF-8\n" * 3
    segment.path.write_bytes(data)
    sealed = SegmentEvent("sealed", segment.name, hash=sha256(data).hexdigest(), bytes=len(data))
    done = pack(segment, sealed, columns=pack_columns)
    assert done.not_columns
    assert (segment.frames_path.exists(), segment.columns_path.exists()) == (True, False)
    changed = SegmentEvent("sealed", segment.name, hash="0" * 64, bytes=len(data))
    with pytest.raises(StorageError, match="its bytes do not have the hash in the manifest"):
        pack(segment, changed, columns=pack_columns)


def test_the_size_of_the_lines_needs_no_engine(tmp_path: Path) -> None:
    lines = [line_of(f'{{"n": {number}}}') for number in range(100)]
    packed(tmp_path, lines).close()
    program = (
        "import sys; from pathlib import Path; from logboom.journal.segment_file import lines_size; "
        "from logboom.journal.segments import Segment; "
        f"print(lines_size(Segment.at(Path({str(tmp_path)!r}), 0)), 'duckdb' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.split() == [str(sum(map(len, lines))), "False"]


@pytest.mark.parametrize("end", [b"PAR1", b"\xff\xff\xff\xffPAR1", b"\x10\0\0\0PAR1", b"PAR1" * 4])
def test_a_footer_that_is_none_is_reported(tmp_path: Path, end: bytes) -> None:
    segment = Segment.at(tmp_path, 0)
    segment.columns_path.write_bytes(b"\x18\x07logboom\x18" + b"\xff" * 100 + end)
    with pytest.raises(OSError, match="the column file can't be read"):
        ColumnFile(segment.columns_path)
