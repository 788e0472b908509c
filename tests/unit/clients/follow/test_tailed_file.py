"""Lines of one file, whatever is done to it."""

import re
from pathlib import Path

import pytest

from logboom.clients.follow import tailed_file
from logboom.clients.follow.multiline import GROUP_LINES_MAX, FileLine, Grouping, group
from logboom.clients.follow.position import FileIdentity, is_there
from logboom.clients.follow.rotation import Names, RotatedFile, in_order
from logboom.clients.follow.tailed_file import TailedFile

PLAIN = Grouping()
TRACES = Grouping(joins_traces=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


def texts(lines: list[FileLine]) -> list[bytes]:
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
    long = b"x" * (tailed_file.READ_BYTES + 10)
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
    lines = [
        FileLine(text, number) for number, text in enumerate([b"x", b"2024 a", b"b", b"c", b"2025 d"], 1)
    ]
    groups, _ = group(lines, Grouping(start=re.compile(rb"^\d{4} ")))
    assert groups == [FileLine(b"x", 1), FileLine(b"2024 a\nb\nc", 4), FileLine(b"2025 d", 5)]


def test_a_file_is_the_same_as_long_as_it_only_grows(path: Path) -> None:
    path.write_bytes(b"one\ntwo\n")
    file = TailedFile(path)
    file.read(PLAIN)
    file.move(8)
    append(path, b"three\n")
    states = [file.is_intact]
    for data in (b"other\nlines\nlonger than before\n", b""):
        path.write_bytes(data)
        states.append(file.is_intact)
    assert states == [True, False, False]


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_other_encodings_become_utf8(path: Path, codec: str) -> None:
    text = "one ünd more\r\nzwei \U0001f600\n\u0a00\u000a\nlast\n"
    path.write_bytes(text.encode(codec) + "u".encode(codec))
    file = TailedFile(path)
    lines = file.read(PLAIN)
    assert texts(lines) == [line.removesuffix("\r").encode() for line in text.split("\n")[:-1]]
    file.move(lines[1].end)
    assert texts(file.read(PLAIN)) == texts(lines)[2:]


def test_utf16_that_grows_in_the_middle_of_a_unit(path: Path) -> None:
    data = "one\ntwo\nthree\n".encode("utf-16")
    path.write_bytes(data[:11])
    file = TailedFile(path)
    found = []
    for cut in range(11, len(data) + 1):
        path.write_bytes(data[:cut])
        lines = file.read(PLAIN)
        found += texts(lines)
        if lines:
            file.move(lines[-1].end)
    assert found == [b"one", b"two", b"three"]


def test_bytes_that_are_not_utf8_are_replaced(path: Path) -> None:
    path.write_bytes(b'{"message":"caf\xe9"}\nfine \xc3\xbc\nto\xe2\x82\n')
    file = TailedFile(path)
    lines = file.read(PLAIN)
    assert texts(lines) == ['{"message":"caf\ufffd"}'.encode(), "fine ü".encode(), "to\ufffd".encode()]
    assert lines[-1].end == path.stat().st_size


def test_what_was_read_is_the_place_even_when_the_file_is_another_by_then(path: Path) -> None:
    path.write_bytes(b"one\ntwo\n")
    file = TailedFile(path)
    lines = file.read(PLAIN)
    path.write_bytes(b"other bytes, and more of them than before\n")
    place = file.place_at(lines[-1].end)
    path.write_bytes(b"one\ntwo\nthree\n")
    assert is_there(path, place, renamed=True)


def test_a_copy_is_recognised(path: Path) -> None:
    path.write_bytes(b"one\ntwo\n")
    file = TailedFile(path)
    file.read(PLAIN)
    file.move(4)
    copy = path.with_name("copy")
    copy.write_bytes(b"one\ntwo\nthree\n")
    assert TailedFile(copy).holds(file)
    assert not TailedFile(copy).begins(file)
    copy.write_bytes(b"one\ntw")
    assert TailedFile(copy).begins(file)
    copy.write_bytes(b"two\none\n")
    assert not TailedFile(copy).holds(file)


# names


@pytest.mark.parametrize(
    "name",
    [
        *("app.log.1", "app.log-20250101", "app.log.2025-01-01", "app.log.2", "app.log.old", "app.log.bak"),
        *("app.log_20250101-120000", "app.log.1.old", "app.log~", "app-20250101.log", "app.2025-01-01.log"),
        *("app.old.log", "app.log.2025-01-01T10:00:00Z"),
    ],
)
def test_names_that_rotation_gives(path: Path, name: str) -> None:
    assert Names(path).match(name)
    assert Names(path).match_compressed(f"{name}.gz")
    assert not Names(path).match(f"{name}.gz")


@pytest.mark.parametrize(
    "name", ["app.log", "app-2.log", "x.1", "app.logs.1", "app-errors.log", "app.log.lock"]
)
def test_names_of_other_files(path: Path, name: str) -> None:
    assert not Names(path).match(name)


@pytest.mark.parametrize(
    ("earlier", "name", "matches"),
    [
        ("app.log.2", "app.log.1", True),
        ("app.log.2", "app-20250101.log", False),
        ("app-1.log", "app-2.log", True),
        ("app_2025-01-01.txt", "app_2025-01-02.txt", True),
        ("app_2025-01-01.txt", "other_2025-01-02.txt", False),
    ],
)
def test_files_are_named_as_the_one_before(path: Path, earlier: str, name: str, matches: bool) -> None:
    assert Names(path, path.with_name(earlier)).match(name) == matches


def test_the_order_of_files_of_one_moment(path: Path) -> None:
    def order(*names: str) -> list[str]:
        found = [RotatedFile(path.with_name(name), FileIdentity(1, 1), 1, 1) for name in names]
        return [one.path.name for one in in_order(found)]

    assert order("app.log.1", "app.log.10", "app.log.2") == ["app.log.10", "app.log.2", "app.log.1"]
    assert order("app-20250102.log", "app-20250101.log") == ["app-20250101.log", "app-20250102.log"]
