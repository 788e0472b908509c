"""Packed segments: the same bytes for every reader, whatever they are and wherever a crash happens."""

import json
import os
import shutil
import subprocess
from contextlib import closing, suppress
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logboom.durable import FILE_MODE
from logboom.errors import StorageError
from logboom.journal.audit import audit
from logboom.journal.folder_log import FolderLog
from logboom.journal.log import blocks
from logboom.journal.manifest import append_events, hash_event, read_manifest
from logboom.journal.reader import JournalReader
from logboom.journal.repair import repair
from logboom.journal.retention import Retention
from logboom.journal.seekable import SeekableFile, write_frames
from logboom.journal.segment_packing import (
    ColumnPacker,
    clean_up,
    delete_plain,
    pack,
    packable,
    storage_of,
    unpack,
)
from logboom.journal.segments import Segment, list_segments
from logboom.journal.sums import Origin, cover, write_sums
from logboom.journal.verify import verify
from logboom.query.sql.column_writer import pack_columns
from logboom.testing.output_kit import sample_entries, write_journal

SEGMENT_LINES = 1500
FORMS = pytest.mark.parametrize("columns", [None, pack_columns], ids=["frames", "columns"])
LINES = 3 * SEGMENT_LINES + 10


@pytest.fixture(scope="module")
def sealed_journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of four segments, of which three are sealed."""
    root = tmp_path_factory.mktemp("sealed")
    write_journal(root, sample_entries(LINES), segment_lines=SEGMENT_LINES)
    folder = root / "journal"
    for segment in list_segments(folder)[:3]:
        write_sums(segment, cover(segment, [], segment.path.stat().st_size, Origin.WRITTEN))
        append_events(folder, [hash_event(segment, "sealed", lines_max=SEGMENT_LINES, note="")])
    return root


@pytest.fixture
def folder(sealed_journal: Path, tmp_path: Path) -> Path:
    shutil.copytree(sealed_journal / "journal", tmp_path / "journal")
    return tmp_path / "journal"


def pack_all(folder: Path, columns: ColumnPacker | None = None) -> list[Segment]:
    done = []
    for segment, sealed in packable(folder, 0.0):
        pack(segment, sealed, columns=columns)
        delete_plain(segment)
        done.append(segment)
    return done


def everything(folder: Path, position: int = 0, bytes_max: int = 100_000) -> bytes:
    with closing(JournalReader(folder, position)) as reader:
        return b"".join(block.data for block in iter(lambda: reader.read(bytes_max), None))


def plain_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob("*.jsonl")))


# --- exactness ---


@FORMS
def test_readers_get_the_same_bytes_from_packed_segments(folder: Path, columns: ColumnPacker | None) -> None:
    before, size = plain_bytes(folder), storage_of(folder).plain_bytes
    assert len(pack_all(folder, columns)) == 3
    assert [segment.is_packed for segment in list_segments(folder)] == [True, True, True, False]
    assert everything(folder) == before
    for position in (1, SEGMENT_LINES - 1, SEGMENT_LINES, SEGMENT_LINES + 1234, LINES - 1):
        assert everything(folder, position) == b"".join(before.splitlines(keepends=True)[position:])
    log = FolderLog(folder)
    assert (log.oldest(), log.end) == (0, LINES)
    assert b"".join(block.data for block in blocks(log, 0, LINES)) == before
    steps = list(log.steps_back(0, LINES))
    assert (
        b"".join(b"".join(block.data for block in log.blocks_of(step)) for step in reversed(steps)) == before
    )
    assert log.first_arrival() == FolderLog(folder).first_arrival() is not None
    storage = storage_of(folder)
    assert (storage.packed_segments, storage.plain_segments) == (3, 1)
    assert storage.unpacked_bytes + storage.plain_bytes == size
    assert storage.ratio is not None
    assert storage.ratio > 3


def test_common_tools_read_a_packed_segment(folder: Path) -> None:
    segment = list_segments(folder)[0]
    before = segment.path.read_bytes()
    pack_all(folder)
    zstd = shutil.which("zstd")
    if zstd is None:
        pytest.skip("there is no zstd; Debian has it in the package zstd")
    found = subprocess.run([zstd, "-dc", segment.packed_path], capture_output=True, check=True)
    assert found.stdout == before


@FORMS
def test_unpacking_gives_the_same_files(folder: Path, columns: ColumnPacker | None) -> None:
    before = {path.name: (path.read_bytes(), path.stat().st_mtime) for path in folder.glob("*.jsonl")}
    for segment in pack_all(folder, columns):
        unpack(segment)
    after = {path.name: (path.read_bytes(), path.stat().st_mtime) for path in folder.glob("*.jsonl")}
    assert after == before
    assert not [*folder.glob("*.zst*"), *folder.glob("*.parquet*")]


@given(parts=st.lists(st.binary(max_size=300).map(lambda data: data + b"\n"), max_size=8), data=st.data())
def test_any_range_of_any_bytes_is_read(parts: list[bytes], data: st.DataObject) -> None:
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"logboom-frames-{os.getpid()}.zst"
    try:
        with path.open("wb") as file:
            write_frames(file, parts, 3)
        whole = b"".join(parts)
        with closing(SeekableFile(path)) as packed:
            assert packed.size == len(whole)
            assert packed.read_at(0, len(whole) + 10) == whole
            start = data.draw(st.integers(0, len(whole) + 2))
            size = data.draw(st.integers(0, len(whole) + 2))
            assert packed.read_at(start, size) == whole[start : start + size]
            assert not packed.damaged
    finally:
        path.unlink(missing_ok=True)


# --- what must not be packed ---


def test_the_newest_and_the_unsealed_stay_plain(folder: Path) -> None:
    due = [segment.first for segment, _ in packable(folder, 0.0)]
    assert due == [0, SEGMENT_LINES, 2 * SEGMENT_LINES]
    assert packable(folder, 3600.0) == []
    (folder / "segments.manifest").unlink()
    assert packable(folder, 0.0) == []


def test_a_segment_that_has_changed_stays_plain(folder: Path) -> None:
    segment, sealed = packable(folder, 0.0)[0]
    data = bytearray(segment.path.read_bytes())
    data[100] ^= 1
    segment.path.write_bytes(data)
    with pytest.raises(StorageError, match="is not packed: its bytes do not have the hash"):
        pack(segment, sealed)
    assert segment.path.read_bytes() == data
    assert sorted(folder.glob("*.zst*")) == []


# --- crashes ---


class PulledPlugError(Exception):
    """Stands for the end of the process."""


STEPS = ("fsync", "replace", "unlink", "fchmod", "utime")


@FORMS
@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("name", STEPS)
def test_a_crash_at_any_step_loses_and_doubles_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, number: int, columns: ColumnPacker | None
) -> None:
    """The process ends before the n-th call of a kind, and nothing is cleaned up."""
    before = plain_bytes(folder)
    real, calls = getattr(os, name), count()

    def pulled(*arguments: object, **named: object) -> object:
        if next(calls) >= number:
            raise PulledPlugError
        return real(*arguments, **named)

    with monkeypatch.context() as patch, suppress(PulledPlugError):
        patch.setattr(os, name, pulled)
        pack_all(folder, columns)
    assert everything(folder) == before
    clean_up(folder)
    assert everything(folder) == before
    assert not list(folder.glob("*.part"))
    pack_all(folder, columns)
    assert everything(folder) == before
    assert audit(folder).good
    assert all(finding.good for finding in verify(folder))


def test_with_both_forms_the_plain_one_counts_and_is_packed_again(folder: Path) -> None:
    segment, sealed = packable(folder, 0.0)[0]
    pack(segment, sealed)
    segment.packed_path.write_bytes(b"half of it")
    assert everything(folder) == plain_bytes(folder)
    clean_up(folder)
    assert not segment.packed_path.exists()


# --- checks and damage ---


@FORMS
def test_verify_and_audit_find_packed_segments_in_order(folder: Path, columns: ColumnPacker | None) -> None:
    pack_all(folder, columns)
    findings = list(verify(folder))
    assert [(finding.good, finding.lines) for finding in findings] == [(True, SEGMENT_LINES)] * 3 + [
        (True, 10)
    ]
    assert audit(folder).good
    events = [event.event for _, event in read_manifest(folder).events()]
    assert events == ["sealed"] * 3 + ["packed"] * 3
    assert (list_segments(folder)[0].packed_path.stat().st_mode & 0o777) == FILE_MODE


def test_a_damaged_frame_costs_its_own_lines_only(folder: Path) -> None:
    before = everything(folder).splitlines()
    segment = pack_all(folder)[1]
    with closing(SeekableFile(segment.packed_path)) as file:
        frames = file.frames
    with segment.packed_path.open("r+b") as file:
        file.seek(frames[-1].offset + frames[-1].size // 2)
        file.write(b"\xff" * 8)
    lost = frames[-1].lines
    after = everything(folder).splitlines()
    assert len(after) == len(before)
    first = 2 * SEGMENT_LINES - lost
    assert after[:first] == before[:first]
    assert after[2 * SEGMENT_LINES :] == before[2 * SEGMENT_LINES :]
    finding = next(one for one in verify(folder) if one.segment == segment)
    assert not finding.good
    assert any("can't be unpacked" in text for text in finding.problems)
    repair(finding, folder.parent / "set-aside")
    good = [json.loads(line) for line in everything(folder).splitlines()]
    assert len(good) == LINES - lost


def test_a_packed_file_without_its_table_is_reported(folder: Path) -> None:
    segment = pack_all(folder)[0]
    os.truncate(segment.packed_path, segment.packed_path.stat().st_size - 3)
    finding = next(iter(verify(folder)))
    assert finding.problems == [
        f"can't be read: {segment.packed_path.name} has no valid table of its frames at its end"
    ]


# --- retention ---


def test_retention_goes_by_the_size_and_the_age_of_packed_files(folder: Path) -> None:
    pack_all(folder)
    whole = sum(segment.form.stat().st_size for segment in list_segments(folder))
    assert Retention(age_max_s=None, bytes_max=whole).apply(folder, LINES) == []
    gone = Retention(age_max_s=None, bytes_max=whole - 1).apply(folder, LINES)
    assert [segment.first for segment in gone] == [0]
    assert not gone[0].packed_path.exists()
    os.utime(list_segments(folder)[0].packed_path, (0, 0))
    old = Retention(age_max_s=3600.0, bytes_max=None).apply(folder, LINES)
    assert [segment.first for segment in old] == [SEGMENT_LINES]
    assert audit(folder).good


def test_a_damaged_packed_file_is_measured_by_its_own_size(folder: Path) -> None:
    (first, sealed), *_ = packable(folder, 0.0)
    pack(first, sealed)
    delete_plain(first)
    os.truncate(first.packed_path, 100)
    found = storage_of(folder)
    assert (found.packed_segments, found.packed_bytes, found.unpacked_bytes) == (1, 100, 100)
    assert found.plain_segments == 3
