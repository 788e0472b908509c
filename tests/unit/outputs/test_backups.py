import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from logboom.outputs.backups import Backups


def fill(folder: Path, **files: bytes) -> None:
    for name, content in files.items():
        (folder / name.replace("_", ".")).write_bytes(content)


def listing(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_each_takes_the_next_number(tmp_path: Path) -> None:
    for content in (b"a", b"b", b"c", b"d"):
        fill(tmp_path, x=content)
        Backups(tmp_path / "x", 2).take()
    assert listing(tmp_path) == {"x.1": b"d", "x.2": b"c"}


def test_numbers_may_start_at_0(tmp_path: Path) -> None:
    for content in (b"a", b"b", b"c", b"d"):
        fill(tmp_path, x=content)
        Backups(tmp_path / "x", 3, first=0).take()
    assert listing(tmp_path) == {"x.0": b"d", "x.1": b"c", "x.2": b"b"}


def test_none_are_kept(tmp_path: Path) -> None:
    fill(tmp_path, x=b"a", x_1=b"mine")
    backups = Backups(tmp_path / "x", 0, first=5)
    backups.take()
    assert listing(tmp_path) == {"x.1": b"mine"}
    assert backups.files() == []


def test_a_gap_of_an_interrupted_shift_is_filled(tmp_path: Path) -> None:
    fill(tmp_path, x=b"new", x_1=b"b", x_3=b"a")
    Backups(tmp_path / "x", 3).take()
    assert listing(tmp_path) == {"x.1": b"new", "x.2": b"b", "x.3": b"a"}


def test_a_smaller_count_deletes_the_surplus(tmp_path: Path) -> None:
    fill(tmp_path, x=b"e", x_1=b"d", x_2=b"c", x_3=b"b", x_4_gz=b"a", x_2025=b"mine")
    Backups(tmp_path / "x", 2).take()
    assert listing(tmp_path) == {"x.1": b"e", "x.2": b"d", "x.2025": b"mine"}


def test_compressed_ones_are_shifted_too(tmp_path: Path) -> None:
    fill(tmp_path, x=b"c", x_1=b"b", x_2_gz=b"a")
    backups = Backups(tmp_path / "x", 5)
    backups.take()
    assert listing(tmp_path) == {"x.1": b"c", "x.2": b"b", "x.3.gz": b"a"}
    assert [path.name for path in backups.files()] == ["x.1", "x.2", "x.3.gz"]


def test_compression(tmp_path: Path) -> None:
    fill(tmp_path, x=b"now", x_1=b"one" * 999, x_2=b"two")
    (tmp_path / "x.1").chmod(0o640)
    Backups(tmp_path / "x", 5, compress=True).compress()
    found = listing(tmp_path)
    assert found.pop("x") == b"now"
    assert {name: gzip.decompress(data) for name, data in found.items()} == {
        "x.1.gz": b"one" * 999,
        "x.2.gz": b"two",
    }
    assert (tmp_path / "x.1.gz").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("mode", [0o600, 0o666])
def test_whoever_finds_a_compressed_one_finds_its_mode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    """Also after a crash: whichever step is the last, what bears the name has the mode."""
    fill(tmp_path, x_1=b"one")
    (tmp_path / "x.1").chmod(mode)
    found: set[tuple[str, int]] = set()

    def look(*_: object) -> None:
        found.update((path.name, path.stat().st_mode & 0o777) for path in tmp_path.iterdir())

    def watched(act: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **settings: Any) -> Any:
            look()
            outcome = act(*arguments, **settings)
            look()
            return outcome

        return step

    for name in ("chmod", "fsync", "rename", "unlink"):
        monkeypatch.setattr(os, name, watched(getattr(os, name)))
    Backups(tmp_path / "x", 5, compress=True).compress()
    named = {(name, one) for name, one in found if not name.startswith(".")}
    assert named == {("x.1", mode), ("x.1.gz", mode)}
    assert all(one & ~mode == 0 for _, one in found), "at no time more than it"


def test_nothing_is_compressed_unless_wanted(tmp_path: Path) -> None:
    fill(tmp_path, x_1=b"one")
    Backups(tmp_path / "x", 5).compress()
    assert listing(tmp_path) == {"x.1": b"one"}


@pytest.mark.parametrize(
    ("left", "settled"),
    [
        ({"x_1": b"a", "_x_1_gz_new": b"half"}, {"x.1": b"a"}),
        ({"x_1": b"a", "x_1_gz": b"whole"}, {"x.1.gz": b"whole"}),
        ({"x_1_gz": b"whole"}, {"x.1.gz": b"whole"}),
    ],
)
def test_what_a_crash_amid_compression_left(
    tmp_path: Path, left: dict[str, bytes], settled: dict[str, bytes]
) -> None:
    fill(tmp_path, **left)
    Backups(tmp_path / "x", 5, compress=True).settle()
    assert listing(tmp_path) == settled
