import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from logboom.errors import OutputError
from logboom.journal.disk import Disk
from logboom.outputs.backups import Backups
from logboom.outputs.rotating_file import FileState, Modes, RotatingFile
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


def modes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}


@pytest.mark.parametrize("kept", [0, 5])
@pytest.mark.parametrize("mode", [0o600, 0o666])
def test_a_crash_amid_a_rotation_leaves_no_file_with_another_mode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int, mode: int
) -> None:
    steps = 0

    def crash_at(wanted: int) -> int:
        """Rotate until the `wanted`th call that changes a file, which does not happen; how many there were."""
        nonlocal steps
        steps = 0
        with monkeypatch.context() as patched:
            for name in ("rename", "chmod", "touch", "unlink"):
                patched.setattr(Path, name, counted(getattr(Path, name), wanted))
            with suppress(KeyboardInterrupt):
                file.rotate()
        return steps

    def counted(act: Callable[..., Any], wanted: int) -> Callable[..., Any]:
        def step(*arguments: Any, **settings: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps == wanted:
                raise KeyboardInterrupt
            return act(*arguments, **settings)

        return step

    path = tmp_path / "out"
    path.touch()
    path.chmod(mode)
    for wanted in range(1, 99):
        file = RotatingFile(path, Backups(path, kept), disk=Disk())
        file.open()
        file.write(b"x\n")
        done = crash_at(wanted) < wanted
        found = {name: one for name, one in modes(tmp_path).items() if not name.startswith(".")}
        assert set(found.values()) <= {mode}
        file.close()
        if not kept and not found:  # nobody knows any more
            path.touch()
            path.chmod(mode)
        again = RotatingFile(path, Backups(path, kept), disk=Disk())
        again.open()
        again.close()
        assert modes(tmp_path)["out"] == mode
        if done:
            break
    assert done
    assert wanted > 3


def test_a_file_of_somebody_elses_rotation_keeps_the_mode_that_it_was_given(tmp_path: Path) -> None:
    (tmp_path / "out.1").touch()
    (tmp_path / "out.1").chmod(0o644)
    (tmp_path / "out").touch()
    (tmp_path / "out").chmod(0o600)
    make_file(tmp_path / "out").close()
    assert modes(tmp_path) == {"out": 0o600, "out.1": 0o644}


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
    assert file.look() is FileState.HERE
    (tmp_path / "x").rename(tmp_path / "moved")
    assert file.look() is FileState.MOVED
    (tmp_path / "x").write_bytes(b"")
    assert file.look() is FileState.MOVED
    (tmp_path / "moved").unlink()
    assert file.look() is FileState.DELETED
    file.close()


def test_it_notices_when_it_was_cut(tmp_path: Path) -> None:
    file = make_file(tmp_path / "x")
    for line in (b"1234\n", b"567\n"):
        file.write(line)
    (tmp_path / "x").write_bytes(b"1234\n567\nmore\n")
    assert (file.look(), file.size) == (FileState.HERE, 14)
    os.truncate(tmp_path / "x", 9)
    assert (file.look(), file.still_has(4), file.still_has(9), file.still_has(10)) == (
        FileState.CUT,
        True,
        True,
        False,
    )
    os.truncate(tmp_path / "x", 8)
    assert (file.look(), file.still_has(4), file.still_has(0)) == (FileState.CUT, False, True)
    assert file.look() is FileState.HERE
    file.close()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_new_file_has_its_mode_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        make_file(tmp_path / "a" / "b" / "x", modes=Modes(0o664, 0o775)).close()
    finally:
        os.umask(before)
    assert modes(tmp_path / "a" / "b") == {"x": 0o664}
    assert modes(tmp_path) == {"a": 0o775}


@pytest.mark.parametrize("target", ["x", "link"])
def test_an_existing_file_keeps_its_mode_unless_one_is_asked_for(tmp_path: Path, target: str) -> None:
    (tmp_path / "link").symlink_to("x")
    make_file(tmp_path / target, modes=Modes(0o644, 0o755)).close()
    assert modes(tmp_path)["x"] == 0o644
    make_file(tmp_path / target, modes=Modes(0o666, 0o777)).close()
    assert modes(tmp_path)["x"] == 0o644
    make_file(tmp_path / target, modes=Modes(0o600, 0o700, strict=True)).close()
    assert modes(tmp_path)["x"] == 0o600


def test_only_regular_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x")
    with pytest.raises(OutputError, match="not a regular file"):
        make_file(tmp_path / "x")


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(OSError, match="a"):
        make_file(tmp_path / "a" / "x")
