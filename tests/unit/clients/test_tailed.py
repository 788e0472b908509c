"""Lines of one file, whatever is done to it."""

import os
import re
from pathlib import Path

import pytest

from logboom.clients import tailed
from logboom.clients.multiline import GROUP_LINES_MAX, Grouping, Line, group
from logboom.clients.position import find, place_at, rotated
from logboom.clients.tailed import TailedFile

PLAIN = Grouping()
TRACES = Grouping(joins_traces=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


def texts(lines: list[Line]) -> list[bytes]:
    return [line.data for line in lines]


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_lines_stay_the_next_ones_until_they_are_done_with(path: Path) -> None:
    path.write_bytes(b"one\ntwo\r\n\nfour\n")
    file = TailedFile(path)
    lines = file.read(PLAIN)
    assert texts(lines) == [b"one", b"two", b"", b"four"]
    assert file.read(PLAIN) == lines
    file.move(lines[1].end)
    assert texts(file.read(PLAIN)) == [b"", b"four"]


def test_an_unfinished_line_waits_for_its_end(path: Path) -> None:
    path.write_bytes(b"one\ntw")
    file = TailedFile(path)
    assert texts(file.read(PLAIN)) == [b"one"]
    append(path, b"o\n")
    assert texts(file.read(PLAIN)) == [b"one", b"two"]


def test_an_unfinished_line_counts_when_nothing_more_will_come(path: Path) -> None:
    path.write_bytes(b"one\ntw")
    assert texts(TailedFile(path).read(PLAIN, last=True)) == [b"one", b"tw"]


def test_a_line_longer_than_a_read_comes_whole(path: Path) -> None:
    long = b"x" * (tailed.READ_BYTES + 10)
    path.write_bytes(long + b"\nnext\n")
    assert texts(TailedFile(path).read(PLAIN))[0] == long


def test_a_line_that_is_too_long_is_left_out_and_counted(path: Path) -> None:
    path.write_bytes(b"x" * (3 << 20))
    file = TailedFile(path)
    assert file.read(PLAIN) == []
    append(path, b"rest of it\nnext\n")
    assert texts(file.read(PLAIN)) == [b"next"]
    assert file.skipped == 1


def test_zeros_of_a_writer_that_does_not_append_are_left_out(path: Path) -> None:
    path.write_bytes(b"\0" * 1000 + b"after the hole\n")
    assert texts(TailedFile(path).read(PLAIN)) == [b"after the hole"]


def test_what_was_cut_once_is_cut_the_same_way_again(path: Path) -> None:
    path.write_bytes(b"one\nerror\r\n  at a\n\ntwo\n")
    lines = TailedFile(path).read(TRACES, quiet=True)
    assert texts(lines) == [b"one", b"error\n  at a", b"two"]
    assert TailedFile(path).read_to([line.end for line in lines]) == lines


def test_the_last_group_waits_until_the_file_is_quiet(path: Path) -> None:
    path.write_bytes(b"one\ntwo\n  more\n")
    file = TailedFile(path)
    assert texts(file.read(TRACES)) == [b"one"]
    append(path, b"  and more\n")
    assert texts(file.read(TRACES)) == [b"one"]
    assert texts(file.read(TRACES, quiet=True)) == [b"one", b"two\n  more\n  and more"]
    assert texts(file.read(TRACES, last=True)) == [b"one", b"two\n  more\n  and more"]


def test_a_file_whose_every_line_is_indented_does_not_become_one_message(path: Path) -> None:
    path.write_bytes(b"  x\n" * (GROUP_LINES_MAX * 2 + 1))
    counts = [line.data.count(b"\n") + 1 for line in TailedFile(path).read(TRACES)]
    assert counts == [GROUP_LINES_MAX] * 2


PYTHON = b"""ERROR it broke
Traceback (most recent call last):
  File "a.py", line 1, in <module>
    f()
KeyError: 'x'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "a.py", line 2, in <module>
    g()
mine.Trouble: no such luck
INFO all is well
"""
JAVA = b"""ERROR it broke
\tat com.example.A.f(A.java:1)
Caused by: java.lang.Exception: why
\tat com.example.B.g(B.java:2)
\t... 12 more
INFO all is well
"""


@pytest.mark.parametrize("trace", [PYTHON, JAVA], ids=["python", "java"])
def test_a_stack_trace_is_one_text(path: Path, trace: bytes) -> None:
    path.write_bytes(trace)
    found = texts(TailedFile(path).read(TRACES, quiet=True))
    assert found == [trace[: trace.index(b"INFO")].rstrip(b"\n"), b"INFO all is well"]


def test_a_pattern_begins_groups() -> None:
    lines = [Line(text, number) for number, text in enumerate([b"x", b"2024 a", b"b", b"c", b"2025 d"], 1)]
    groups, _ = group(lines, Grouping(start=re.compile(rb"^\d{4} ")))
    assert groups == [Line(b"x", 1), Line(b"2024 a\nb\nc", 4), Line(b"2025 d", 5)]


def test_a_file_is_the_same_as_long_as_it_only_grows(path: Path) -> None:
    path.write_bytes(b"one\ntwo\n")
    file = TailedFile(path)
    file.move(8)
    append(path, b"three\n")
    states = [file.is_intact]
    for data in (b"other\nlines\nlonger than before\n", b""):
        path.write_bytes(data)
        states.append(file.is_intact)
    assert states == [True, False, False]


def test_a_place_is_found_after_a_rename_and_in_a_copy(path: Path) -> None:
    path.write_bytes(b"one\ntwo\n")
    with path.open("rb") as file:
        place = place_at(file.fileno(), 4)
    assert find(path, place) == path
    moved = path.rename(path.with_name("app.log.1"))
    path.write_bytes(b"one\ntwo\n")  # the same bytes, but another file
    assert find(path, place) == moved
    moved.unlink()
    path.rename(path.with_name("app.log-20250101"))
    assert find(path, place) == path.with_name("app.log-20250101")
    path.with_name("app.log-20250101").unlink()
    assert find(path, place) is None


def test_only_what_rotation_makes_is_looked_at(path: Path) -> None:
    names = [
        "app.log.1",
        "app.log-20250101",
        "app.log.2025-01-01",
        "app.log.2",
        "app.log.1.gz",
        "app.log.bak",
        "x.1",
    ]
    for age, name in enumerate(names):
        path.with_name(name).write_bytes(b"")
        os.utime(path.with_name(name), (1000 - age, 1000 - age))
    assert [found.name for found in rotated(path)] == names[:4]
