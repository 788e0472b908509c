import os
from pathlib import Path
from typing import Any

import pytest

from logboom.errors import OutputError
from logboom.journal.disk import Disk
from logboom.outputs.backups import Backups
from logboom.outputs.files import RotatingFile
from tests.kit.clock import Clock

DAY_S = 86400.0


def make_file(path: Path, **settings: Any) -> RotatingFile:
    file = RotatingFile(path, Backups(path, 5), disk=Disk(), **settings)
    file.open()
    return file


def test_folders_are_made_and_files_continued(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "x"
    for line in (b"one\n", b"two\n"):
        file = make_file(path)
        file.write(line)
        file.sync()
        file.close()
    assert path.read_bytes() == b"one\ntwo\n"
    assert file.size == 8


@pytest.mark.parametrize(
    ("limit", "size", "fits"),
    [
        (0, 999, 9),  # no limit
        (9, 0, 9),
        (8, 0, 6),
        (6, 0, 6),
        (5, 0, 3),
        (12, 3, 9),
        (11, 3, 6),
        (6, 3, 3),
        (5, 3, 0),
        (3, 3, 0),
        (2, 3, 0),  # grew under a larger limit
        (1, 0, 3),  # a line larger than the limit, alone in its file
    ],
)
def test_what_fits(tmp_path: Path, limit: int, size: int, fits: int) -> None:
    (tmp_path / "x").write_bytes(b"x" * size)
    file = make_file(tmp_path / "x", file_bytes_max=limit)
    for start in (0, 5):
        data = b"....\n"[:start] + b"aa\nbb\ncc\n"
        assert file.room_end(data, start) == start + fits
    file.close()


def test_rotation_leaves_an_empty_file(tmp_path: Path) -> None:
    file = make_file(tmp_path / "x")
    old = file.inode
    file.write(b"one\n")
    file.rotate()
    assert (file.size, (tmp_path / "x").read_bytes(), (tmp_path / "x.1").read_bytes()) == (0, b"", b"one\n")
    assert file.inode != old
    file.close()


def test_who_may_read_the_file_may_read_the_next(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    (tmp_path / "out").chmod(0o644)
    file = make_file(tmp_path / "out")
    file.write(b"x\n")
    file.rotate()
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o644
    file.close()


def test_rotation_is_due_at_multiples_in_utc(tmp_path: Path) -> None:
    clock = Clock(10 * DAY_S - 1)
    file = make_file(tmp_path / "x", rotate_interval_s=DAY_S, clock=clock)
    file.write(b"one\n")
    assert not file.is_due()
    clock.now = 10 * DAY_S
    assert file.is_due()
    file.rotate()
    assert not file.is_due()
    file.write(b"two\n")
    assert not file.is_due()
    clock.now = 9 * DAY_S
    assert not file.is_due()  # the clock was set back
    file.close()


def test_an_empty_file_is_never_due(tmp_path: Path) -> None:
    clock = Clock(10 * DAY_S)
    file = make_file(tmp_path / "x", rotate_interval_s=DAY_S, clock=clock)
    clock.now = 20 * DAY_S
    assert not file.is_due()
    file.write(b"first\n")
    assert not file.is_due()
    file.close()


@pytest.mark.parametrize(("written_s", "due"), [(10 * DAY_S - 1, True), (10 * DAY_S, False)])
def test_a_continued_file_is_of_its_last_write(tmp_path: Path, written_s: float, due: bool) -> None:
    (tmp_path / "x").write_bytes(b"old\n")
    os.utime(tmp_path / "x", (written_s, written_s))
    file = make_file(tmp_path / "x", rotate_interval_s=DAY_S, clock=Clock(10.5 * DAY_S))
    assert file.is_due() is due
    file.close()


@pytest.mark.parametrize(("content", "after"), [(b"open", b"open\n"), (b"closed\n", b"closed\n"), (b"", b"")])
def test_an_open_line_is_ended(tmp_path: Path, content: bytes, after: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    file = make_file(tmp_path / "x")
    file.end_line()
    assert (tmp_path / "x").read_bytes() == after
    file.close()


def test_it_notices_when_its_path_names_another_file(tmp_path: Path) -> None:
    file = make_file(tmp_path / "x")
    assert file.is_current()
    (tmp_path / "x").rename(tmp_path / "moved")
    assert not file.is_current()
    (tmp_path / "x").write_bytes(b"")
    assert not file.is_current()
    file.close()


def test_only_regular_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x")
    with pytest.raises(OutputError, match="not a regular file"):
        make_file(tmp_path / "x")


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(OSError, match="a"):
        make_file(tmp_path / "a" / "x")
