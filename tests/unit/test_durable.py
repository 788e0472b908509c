"""What outlives a power cut: the whole of a file, and its name."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from logboom.durable import bytes_of, create_file, make_folder, replace_file, unfinished


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The calls that a power cut may come between, as names of files."""
    made: list[str] = []
    really_rename = os.rename

    def fsync(descriptor: int) -> None:
        made.append(f"sync {Path(f'/proc/self/fd/{descriptor}').readlink().name}")

    def rename(old: Path, new: Path, **more: Any) -> None:
        made.append(f"rename {Path(old).name} {Path(new).name}")
        really_rename(old, new, **more)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "rename", rename)
    return made


def test_the_content_is_durable_before_the_name_and_the_name_before_the_return(
    tmp_path: Path, calls: list[str]
) -> None:
    replace_file(tmp_path / "a", [b"one ", b"two"])
    assert (tmp_path / "a").read_bytes() == b"one two"
    assert calls == ["sync .a.new", "rename .a.new a", f"sync {tmp_path.name}"]


def test_what_need_not_be_durable_costs_no_sync(tmp_path: Path, calls: list[str]) -> None:
    replace_file(tmp_path / "a", [b"x"], sync=None)
    assert calls == ["rename .a.new a"]


def failing_pieces() -> Iterator[bytes]:
    yield b"half"
    raise OSError(28, "No space left on device")


def no_sync(_descriptor: int) -> None:
    raise OSError(5, "Input/output error")


@pytest.mark.parametrize("trouble", [{"pieces": failing_pieces()}, {"pieces": [b"x"], "sync": no_sync}])
def test_trouble_leaves_the_old_file_and_no_half_of_a_new_one(
    tmp_path: Path, trouble: dict[str, Any]
) -> None:
    replace_file(tmp_path / "a", [b"old"])
    with pytest.raises(OSError, match=r"No space|Input/output"):
        replace_file(tmp_path / "a", **trouble)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"old")]


def test_what_a_crash_left_lends_its_permissions_and_content_to_nobody(tmp_path: Path) -> None:
    left = unfinished(tmp_path / "secret")
    left.write_bytes(b"a longer text than the next one")
    left.chmod(0o666)
    with left.open("rb") as reader:
        replace_file(tmp_path / "secret", [b"key"], mode=0o600)
        assert reader.read() == b"a longer text than the next one"
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("secret", b"key")]


def test_others_may_not_read_what_is_written(tmp_path: Path) -> None:
    replace_file(tmp_path / "a", [b"x"])
    assert (tmp_path / "a").stat().st_mode & 0o007 == 0


def test_a_file_that_is_there_is_not_created_again(tmp_path: Path) -> None:
    create_file(tmp_path / "a", [b"first"])
    with pytest.raises(FileExistsError, match="File exists"):
        create_file(tmp_path / "a", [b"second"])
    assert (tmp_path / "a").read_bytes() == b"first"


def test_every_new_folder_is_durable_in_the_one_above(tmp_path: Path, calls: list[str]) -> None:
    make_folder(tmp_path / "a" / "b")
    assert calls == [f"sync {tmp_path.name}", "sync a"]
    make_folder(tmp_path / "a" / "b")
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("offset", "size", "found"), [(0, 3, b"abc"), (2, 2, b"cd"), (4, 99, b"ef"), (6, 1, b"")]
)
def test_a_range_ends_with_its_file(tmp_path: Path, offset: int, size: int, found: bytes) -> None:
    (tmp_path / "a").write_bytes(b"abcdef")
    with (tmp_path / "a").open("rb") as file:
        assert b"".join(bytes_of(file.fileno(), offset, size)) == found


def test_root_without_the_right_to_give_files_away_writes_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "fchown", refuse)
    replace_file(tmp_path / "a", [b"x"])
    assert (tmp_path / "a").read_bytes() == b"x"
