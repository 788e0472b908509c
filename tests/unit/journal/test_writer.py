"""The file mechanics: sealing by age, files that can't be opened."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from logboom.errors import StorageError
from logboom.journal import writer as module
from logboom.journal.segments import list_segments
from logboom.journal.writer import SegmentWriter
from logboom.testing.crash_kit import RecordingDisk
from tests.kit.clock import Clock

LINE = b'{"received_at":"","entry":{},"source":"","listener":""}\n'


@pytest.fixture
def clock() -> Clock:
    return Clock(0.0)


@pytest.fixture
def disk() -> RecordingDisk:
    return RecordingDisk()


@pytest.fixture
def writer(tmp_path: Path, clock: Clock, disk: RecordingDisk) -> SegmentWriter:
    return SegmentWriter(
        tmp_path,
        0,
        disk=disk,
        segment_bytes_max=10_000,
        segment_age_max_s=60.0,
        free_bytes_min=0,
        clock=clock,
    )


def store(writer: SegmentWriter, count: int = 1) -> None:
    writer.write(LINE * count)
    writer.commit(len(LINE) * count, count, 0)


def test_a_segment_is_sealed_at_its_age(writer: SegmentWriter, clock: Clock, tmp_path: Path) -> None:
    store(writer)
    clock.now = 59.9
    assert not writer.seal_if_due()
    clock.now = 60.0
    assert writer.seal_if_due()
    assert not writer.seal_if_due()
    store(writer)
    assert [segment.first for segment in list_segments(tmp_path)] == [0, 1]
    clock.now = 119.9
    assert not writer.seal_if_due()
    writer.close()


def test_a_segment_is_sealed_at_its_size(writer: SegmentWriter) -> None:
    store(writer, 10_000 // len(LINE))
    assert not writer.seal_if_due()
    store(writer)
    assert writer.seal_if_due()
    writer.close()


def test_an_idle_writer_makes_no_files(writer: SegmentWriter, clock: Clock, tmp_path: Path) -> None:
    clock.now = 1000.0
    assert not writer.seal_if_due()
    writer.close()
    assert list(tmp_path.iterdir()) == []


def test_committed_moves_only_with_a_commit(writer: SegmentWriter) -> None:
    writer.write(LINE)
    assert writer.committed == (0, 0, 0)
    writer.commit(len(LINE), 1, 0)
    assert writer.committed == (1, 0, len(LINE))
    writer.close()


def test_free_space_is_looked_at_now_and_then_only(
    writer: SegmentWriter, clock: Clock, disk: RecordingDisk
) -> None:
    store(writer)
    disk.free = -1  # below every floor
    store(writer)
    clock.now += module.FREE_CHECK_INTERVAL_S
    for _ in range(2):
        with pytest.raises(StorageError, match=r"-1 bytes left .* free_bytes_min is 0"):
            store(writer)
    disk.free = 0
    store(writer)
    writer.close()


def failing_open(suffix: str) -> Callable[..., int]:
    real = os.open

    def fake(path: Path, *arguments: int) -> int:
        if str(path).endswith(suffix):
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return real(path, *arguments)

    return fake


@pytest.mark.parametrize("suffix", [".index", ".jsonl"])
def test_a_segment_that_cannot_be_opened_leaves_no_trace(
    writer: SegmentWriter, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    store(writer, 5)
    clock.now = 60.0
    assert writer.seal_if_due()
    before = len(list(Path("/proc/self/fd").iterdir()))
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", failing_open(suffix))
        for _ in range(3):
            with pytest.raises(OSError, match="Too many open files"):
                writer.write(LINE)
            writer.abandon()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert all(segment.path.stat().st_size == 0 for segment in list_segments(tmp_path)[1:])
    store(writer)
    assert writer.committed == (6, 5, len(LINE))
    writer.close()


def test_an_index_that_cannot_be_written_fails_the_commit(
    writer: SegmentWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write

    def fake(descriptor: int, data: bytes) -> int:
        if len(data) == 24:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fake)
        writer.write(LINE)
        with pytest.raises(OSError, match="No space"):
            writer.commit(len(LINE), 1, 0)
        writer.abandon()
    assert writer.committed.next_sequence == 0
    store(writer)
    assert writer.committed == (1, 0, len(LINE))
    writer.close()


def test_a_segment_that_never_got_a_line_is_deleted_for_good(
    writer: SegmentWriter, disk: RecordingDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it came back after a power cut, it would bound the segment that went on in its place."""
    left: list[int] = []
    monkeypatch.setattr(module, "sync_folder", lambda folder: left.append(len(list_segments(folder))))
    disk.full = True
    with pytest.raises(OSError, match="No space"):
        writer.write(LINE)
    writer.abandon()
    assert left == [1, 0]  # after it was made, and after it was deleted
    assert list(tmp_path.iterdir()) == []


def test_closing_twice_is_fine(writer: SegmentWriter) -> None:
    store(writer)
    writer.close()
    writer.close()
