"""Lines that wait, on disk and in memory."""

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logboom.clients import spool as spool_module
from logboom.clients.spool import FilePart, Spool

MANY = 1 << 20
ROOM = 1 << 30


def lines(*numbers: int) -> list[bytes]:
    return [b'{"n":%d}' % number for number in numbers]


def drain(spool: Spool, count_max: int = 3) -> list[bytes]:
    """Take everything, as a delivery does."""
    found = []
    while (taken := spool.peek(count_max, MANY)).lines:
        assert len(taken.lines) <= count_max
        assert taken.size_bytes == sum(len(line) + 1 for line in taken.lines)
        found += taken.lines
        spool.drop(taken.size_bytes)
    assert spool.size_bytes == 0
    return found


@pytest.fixture(params=["disk", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "spool" if request.param == "disk" else None


def test_lines_come_out_as_they_went_in(folder: Path | None) -> None:
    spool = Spool(folder, "k", ROOM)
    assert spool.append(lines(*range(10))) == 10
    assert spool.peek(4, MANY).lines == lines(*range(4))
    assert spool.peek(4, 17).lines == lines(0, 1)
    assert spool.append(lines(10)) == 1
    assert drain(spool) == lines(*range(11))
    assert spool.append(lines(11)) == 1
    assert drain(spool) == lines(11)
    spool.close()


def test_a_line_longer_than_a_read_comes_whole(folder: Path | None) -> None:
    spool = Spool(folder, "k", ROOM)
    long = [b"x" * 5000, b"y" * 10]
    spool.append(long)
    assert spool.peek(10, 100).lines == long[:1]
    assert drain(spool) == long


def test_there_is_no_more_room_than_allowed(folder: Path | None) -> None:
    spool = Spool(folder, "k", 40)
    assert spool.append(lines(*range(9))) == 5
    assert spool.append(lines(9)) == 0
    spool.drop(spool.peek(2, MANY).size_bytes)
    assert spool.append(lines(9, 8, 7)) == 2
    assert drain(spool) == lines(2, 3, 4, 9, 8)


def test_an_empty_spool_leaves_no_file(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "k", ROOM)
    spool.append(lines(1))
    assert len(list(tmp_path.iterdir())) == 1
    drain(spool)
    spool.close()
    spool.close()
    assert not list(tmp_path.iterdir())


def test_delivered_lines_give_their_room_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "FILE_BYTES_MAX", 200)
    monkeypatch.setattr(spool_module, "RESET_BYTES", 100)
    spool = Spool(tmp_path, "k", ROOM)
    for number in range(100):
        spool.append(lines(number))
    assert len(list(tmp_path.iterdir())) > 4
    assert drain(spool) == lines(*range(100))
    [left] = tmp_path.iterdir()
    assert left.stat().st_size <= 200


def test_the_next_process_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    first = Spool(tmp_path, "k", ROOM)
    first.append(lines(*range(6)))
    first.drop(first.peek(2, MANY).size_bytes)
    first.close()
    second = Spool(tmp_path, "k", ROOM)
    second.append(lines(99))
    assert second.adopt() == 1
    assert second.adopt() == 0
    assert drain(second) == lines(2, 3, 4, 5, 99)
    second.close()
    assert not list(tmp_path.iterdir())


def test_the_oldest_orphan_comes_first(tmp_path: Path) -> None:
    for number in range(5):
        orphan = Spool(tmp_path, "k", ROOM)
        orphan.append(lines(number))
        orphan.close()
    spool = Spool(tmp_path, "k", ROOM)
    assert spool.adopt() == 5
    assert drain(spool) == lines(*range(5))


def test_what_a_living_process_holds_is_left_alone(tmp_path: Path) -> None:
    living = Spool(tmp_path, "k", ROOM)
    living.append(lines(1))
    other = Spool(tmp_path, "k", ROOM)
    assert other.adopt() == 0
    assert drain(other) == []
    assert drain(living) == lines(1)


def test_lines_for_another_server_are_left_alone(tmp_path: Path) -> None:
    orphan = Spool(tmp_path, "a", ROOM)
    orphan.append(lines(1))
    orphan.close()
    assert Spool(tmp_path, "b", ROOM).adopt() == 0


@given(st.integers(0, 120))
def test_a_torn_file_gives_its_whole_lines(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    folder = tmp_path_factory.mktemp("torn")
    spool = Spool(folder, "k", ROOM)
    spool.append(lines(*range(10)))
    spool.close()
    [path] = folder.iterdir()
    content = path.read_bytes()
    path.write_bytes(content[:cut])
    whole = content[:cut].count(b"\n") - 1
    second = Spool(folder, "k", ROOM)
    second.adopt()
    assert drain(second) == lines(*range(max(whole, 0)))
    second.close()
    assert not path.exists()


def test_a_foreign_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "k-1.spool"
    path.write_bytes(b"something else altogether, and longer than a header\n")
    assert Spool(tmp_path, "k", ROOM).adopt() == 0
    assert path.read_bytes().startswith(b"something else")


def test_a_full_disk_is_stood_in_for_by_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path, "k", ROOM)
    spool.append(lines(0))

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "no space, says the test")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        assert spool.append(lines(1)) == 1
        assert spool.append(lines(2)) == 1
    assert not spool.durable
    assert "no space" in str(spool.trouble)
    assert drain(spool) == lines(0, 1, 2)
    spool.append(lines(3))
    assert (spool.durable, spool.trouble) == (True, None)
    assert drain(spool) == lines(3)


def test_memory_has_its_own_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "MEMORY_BYTES_MAX", 20)
    (tmp_path / "file").touch()
    spool = Spool(tmp_path / "file", "k", ROOM)
    assert [spool.append(lines(number)) for number in range(3)] == [1, 1, 0]
    assert drain(spool) == lines(0, 1)


def test_a_file_that_shrinks_is_noticed_and_put_aside(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "k", ROOM)
    spool.append(lines(1))
    [path] = tmp_path.iterdir()
    os.truncate(path, 0)
    with pytest.raises(OSError, match="shorter than it was"):
        spool.peek(1, MANY)
    spool.skip()
    spool.append(lines(2))
    assert drain(spool) == lines(2)


def test_a_forks_child_leaves_the_parents_lock(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "k", ROOM)
    spool.append(lines(1))
    [part] = spool._own
    assert isinstance(part, FilePart)
    copy = os.dup(part._descriptor)  # what a fork makes
    spool.abandon()
    other = Spool(tmp_path, "k", ROOM)
    assert other.adopt() == 0
    os.close(copy)
    assert other.adopt() == 1
    assert drain(other) == lines(1)
