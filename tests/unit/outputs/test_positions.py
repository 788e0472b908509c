import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from logboom.errors import OutputError
from logboom.journal.disk import Disk
from logboom.outputs.positions import SLOT_BYTES, Position, PositionFile

POSITION = Position(path="/logs/ünï.log", next_sequence=5, inode=7, size=99, tail=3, clean=False)


@pytest.fixture
def file(tmp_path: Path) -> PositionFile:
    return PositionFile(tmp_path / "outputs" / "o.json", Disk())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outputs" / "o.json"


def save_some(file: PositionFile, *sequences: int) -> None:
    for sequence in sequences:
        file.save(replace(POSITION, next_sequence=sequence))
    file.close()


def load_sequence(file: PositionFile) -> int | None:
    found = file.load()
    file.close()
    return None if found is None else found.next_sequence


def test_there_is_none_at_first(file: PositionFile) -> None:
    assert file.load() is None


def test_everything_comes_back(file: PositionFile) -> None:
    file.save(POSITION)
    found = file.load()
    file.close()
    assert found is not None
    assert replace(found, save=0, check=0) == POSITION


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_the_last_one_counts(file: PositionFile, count: int) -> None:
    save_some(file, *range(count))
    assert load_sequence(file) == count - 1
    save_some(file, 50)
    assert load_sequence(file) == 50
    file.load()
    save_some(file, 51, 52)
    assert load_sequence(file) == 52


@pytest.mark.parametrize("cut", [0, 1, 40, 80, 120])
@pytest.mark.parametrize("saves", [3, 4])
def test_a_torn_write_leaves_the_one_before(file: PositionFile, path: Path, saves: int, cut: int) -> None:
    save_some(file, *range(saves))
    before = path.read_bytes()
    file.load()
    save_some(file, 99)
    after = path.read_bytes()
    start = next(n for n in (0, SLOT_BYTES) if before[n : n + SLOT_BYTES] != after[n : n + SLOT_BYTES])
    torn = after[: start + cut] + before[start + cut : start + 100] + b"\0" * 20 + after[start + 120 :]
    path.write_bytes(torn)
    assert load_sequence(file) == saves - 1


def test_both_slots_are_json_lines(file: PositionFile, path: Path) -> None:
    save_some(file, 1, 2)
    assert {json.loads(line)["next_sequence"] for line in path.read_text().splitlines()} == {1, 2}


@pytest.mark.parametrize("damage", [b"", b"nonsense", b"\0" * 2 * SLOT_BYTES, b"{}"])
def test_a_damaged_file_is_set_aside(file: PositionFile, path: Path, damage: bytes) -> None:
    save_some(file, 1)
    path.write_bytes(damage)
    with pytest.raises(OutputError, match="damaged"):
        file.load()
    assert file.load() is None
    assert path.with_name("o.json.damaged").read_bytes() == damage


def test_a_changed_digit_is_damage(file: PositionFile, path: Path) -> None:
    save_some(file, 1)
    path.write_bytes(path.read_bytes().replace(b'"size":99', b'"size":98'))
    with pytest.raises(OutputError, match="damaged"):
        file.load()


def test_a_crash_while_it_was_made_leaves_none(file: PositionFile, path: Path) -> None:
    save_some(file, 1)
    path.rename(path.with_name(".o.json.new"))
    assert file.load() is None
    save_some(file, 2)
    assert load_sequence(file) == 2


def test_a_path_that_fits_no_slot(file: PositionFile) -> None:
    with pytest.raises(OutputError, match="longer than 3072 bytes"):
        file.save(replace(POSITION, path="x" * 3071))
    file.save(replace(POSITION, path="x" * 3070, next_sequence=2**63, inode=2**63, size=2**63))
    assert load_sequence(file) == 2**63
