"""What waits for the server is bounded, and in order."""

import os
from pathlib import Path

import pytest

from logboom.clients.backlog import CHUNK_OVERHEAD_BYTES, Backlog, Chunk

LINE = b"x" * 100
ONE = len(LINE) + CHUNK_OVERHEAD_BYTES
"""What one chunk of one line takes in memory."""


def put(backlog: Backlog, *numbers: int) -> None:
    for number in numbers:
        backlog.put(1, number, LINE)


def take_all(backlog: Backlog) -> list[Chunk]:
    found = []
    while chunks := backlog.take():
        found += chunks
        backlog.settle(sum(chunk.lines for chunk in chunks))
    return found


def test_order_is_kept_through_memory_and_file() -> None:
    backlog = Backlog(10_000, memory_bytes_max=3 * ONE)
    put(backlog, *range(10))
    assert backlog.lines == 10
    first = backlog.take()
    assert [chunk.moment_us for chunk in first] == [0, 1, 2]
    put(backlog, 10, 11)
    assert [chunk.moment_us for chunk in take_all(backlog)] == list(range(3, 12))
    backlog.settle(3)
    assert backlog.lines == backlog.dropped == 0


def test_the_file_goes_round_and_round() -> None:
    backlog = Backlog(1000, memory_bytes_max=ONE)
    taken = []
    for number in range(200):
        put(backlog, number)
        if number % 3 == 2:
            taken += [chunk.moment_us for chunk in take_all(backlog)]
    taken += [chunk.moment_us for chunk in take_all(backlog)]
    assert taken == list(range(200))


def test_new_lines_are_dropped_and_the_place_is_marked() -> None:
    backlog = Backlog(0, memory_bytes_max=2 * ONE)
    put(backlog, 1, 2, 3)
    backlog.put(2, 4, b"two\nlines")
    assert (backlog.lines, backlog.dropped) == (2, 3)
    assert [chunk.dropped for chunk in take_all(backlog)] == [0, 0]
    put(backlog, 5)
    assert take_all(backlog) == [Chunk(1, 5, LINE, 3)]
    assert backlog.take_untold() == 0


def test_what_no_chunk_tells_of_can_be_asked_for() -> None:
    backlog = Backlog(0, memory_bytes_max=0)
    put(backlog, 1)
    backlog.count_dropped(2)
    assert (backlog.take_untold(), backlog.take_untold(), backlog.dropped) == (3, 0, 3)


def test_a_full_disk_drops(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    backlog = Backlog(10_000, memory_bytes_max=ONE)
    put(backlog, 1, 2)
    assert (backlog.lines, backlog.dropped) == (1, 1)


def test_a_disk_that_cannot_be_read_drops(monkeypatch: pytest.MonkeyPatch) -> None:
    backlog = Backlog(10_000, memory_bytes_max=ONE)
    put(backlog, 1, 2, 3)
    monkeypatch.setattr(os, "pread", lambda *_: b"")
    assert [chunk.moment_us for chunk in take_all(backlog)] == [1]
    assert (backlog.lines, backlog.dropped, backlog.take_untold()) == (0, 2, 2)


def test_the_file_has_no_name_and_is_given_back(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    backlog = Backlog(10_000, tmp_path, memory_bytes_max=0)
    put(backlog, 1)
    assert list(tmp_path.iterdir()) == []
    backlog.close()
    backlog.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    put(backlog, 2)
    assert backlog.dropped == 1
