"""The manifest: hashes of sealed segments, chained."""

import errno
import os
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

from logboom.journal import manifest as module
from logboom.journal import retention as retention_module
from logboom.journal import sealer as sealer_module
from logboom.journal.audit import audit
from logboom.journal.manifest import (
    MANIFEST_NAME,
    NO_CHAIN,
    SegmentEvent,
    append_events,
    read_manifest,
    trim_manifest,
)
from logboom.journal.retention import Retention
from logboom.journal.segments import Segment, list_segments
from logboom.testing.crash_kit import WAIT_S, Driver, RecordingDisk

Open = Callable[..., Driver]


def entries(count: int, start: int = 0) -> list[bytes]:
    return [b'{"n":%d}' % number for number in range(start, start + count)]


@pytest.fixture
def folder(open_journal: Open) -> Path:
    """Three sealed segments of two entries, and the start of a fourth, closed."""
    driver = open_journal(segment_bytes_max=1)
    for number in range(0, 8, 2):
        driver.store(*entries(2, number))
    driver.close()
    return driver.journal.folder


def test_each_sealed_segment_has_a_line_that_standard_tools_agree_with(folder: Path) -> None:
    chain = NO_CHAIN
    segments = list_segments(folder)
    lines = (folder / MANIFEST_NAME).read_bytes().splitlines()
    assert len(lines) == len(segments) - 1 == 3
    for segment, line in zip(segments, lines, strict=False):
        told = msgspec.json.decode(line)
        data = segment.path.read_bytes()
        assert (told["event"], told["segment"]) == ("sealed", segment.path.name)
        assert (told["entries"], told["bytes"]) == (2, len(data))
        assert told["hash"] == sha256(data).hexdigest()
        body, _, _ = line.partition(b',"chain"')
        chain = sha256(chain.encode() + body).hexdigest()
        assert told["chain"] == chain
    assert read_manifest(folder).head == chain


def test_a_segment_that_was_sealed_before_a_crash_is_added_at_the_next_start(
    folder: Path, open_journal: Open
) -> None:
    path = folder / MANIFEST_NAME
    first, *_ = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first)
    assert audit(folder).waiting == 2
    open_journal().close()
    assert list(read_manifest(folder).hashes()) == [0, 2, 4]
    assert audit(folder).waiting == 0


def test_a_journal_of_before_the_manifest_gets_one(folder: Path, open_journal: Open) -> None:
    (folder / MANIFEST_NAME).unlink()
    for segment in list_segments(folder):
        segment.sums_path.unlink()
    open_journal().close()
    assert list(read_manifest(folder).hashes()) == [0, 2, 4]
    assert audit(folder).good


def test_lines_of_a_failed_write_are_not_hashed(open_journal: Open) -> None:
    disk = RecordingDisk()
    driver = open_journal(disk=disk)
    driver.store(*entries(3))
    size = driver.journal.committed.offset
    disk.broken = disk.stuck = True
    driver.store(*entries(50))
    disk.broken = disk.stuck = False
    driver.store(*entries(3, 3))
    first, _ = list_segments(driver.journal.folder)
    first.sums_path.unlink()  # then lines are counted
    driver.close()
    _, event = read_manifest(driver.journal.folder).hashes()[0]
    assert first.path.stat().st_size > size
    assert (event.entries, event.bytes) == (3, size)
    assert event.hash == sha256(first.path.read_bytes()[:size]).hexdigest()


def test_what_may_still_grow_is_not_sealed(open_journal: Open) -> None:
    """A segment is sealed, and nothing is stored yet after it: a crash would make it the newest again."""
    driver = open_journal(segment_bytes_max=1)
    driver.store(*entries(2))
    driver.close()
    assert read_manifest(driver.journal.folder).lines == []
    driver = open_journal()
    driver.store(*entries(2, 2))
    driver.close()
    assert len(list_segments(driver.journal.folder)) == 1


def test_a_running_server_seals_in_the_background(
    open_journal: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[SegmentEvent] = []
    done = threading.Event()

    def note(folder: Path, events: list[SegmentEvent]) -> None:
        append_events(folder, events)
        told.extend(events)
        if len(told) == 2:
            done.set()

    monkeypatch.setattr(sealer_module, "append_events", note)
    driver = open_journal(segment_bytes_max=1)
    for number in range(3):
        driver.store(*entries(1, number))
    driver.journal._sealer.wake()
    assert done.wait(WAIT_S)
    assert [event.segment[18:20] for event in told] == ["00", "01"]


def test_a_manifest_that_cannot_be_written_refuses_no_entry_and_is_caught_up_with(
    open_journal: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(sealer_module, "append_events", fail)
        driver = open_journal(segment_bytes_max=1)
        assert [driver.store(*entries(1, number)).first_sequence for number in range(4)] == [0, 1, 2, 3]
        driver.close()
    kind, text = driver.reports.get(timeout=WAIT_S)
    assert (kind, driver.reports.empty()) == ("error", True)
    assert "the manifest of the journal can't be written" in text
    open_journal().close()
    assert list(read_manifest(driver.journal.folder).hashes()) == [0, 1, 2]


def test_retention_says_what_it_deletes_before_it_does(folder: Path) -> None:
    Retention(age_max_s=None, bytes_max=1).apply(folder, 8)
    found = audit(folder)
    assert found.good
    assert found.expired == 3
    assert len(found.manifest.lines) == 6


def test_a_full_disk_does_not_stop_retention(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    told: list[str] = []
    before = (folder / MANIFEST_NAME).read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", fail)
        Retention(age_max_s=None, bytes_max=1, report=lambda _, text: told.append(text)).apply(folder, 8)
    assert len(list_segments(folder)) == 1
    assert "No space left" in told[0]
    assert (folder / MANIFEST_NAME).read_bytes() == before
    assert [event.first for event in audit(folder).missing] == [0, 2, 4]


def test_what_a_full_disk_left_unsaid_is_said_once_there_is_room(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really_write, tried = os.pwrite, list[int]()
    fails = {1, 2}

    def write(*arguments: Any) -> int:
        tried.append(1)
        if len(tried) in fails:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return really_write(*arguments)

    monkeypatch.setattr(os, "pwrite", write)
    retention = Retention(age_max_s=None, bytes_max=1)
    assert len(retention.apply(folder, 8)) == 3
    assert len(audit(folder).missing) == 3
    retention.apply(folder, 8)  # at the next look
    assert (audit(folder).good, audit(folder).expired) == (True, 3)


def test_a_note_that_failed_is_made_up_for_when_the_room_is_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really_append, tried = append_events, list[int]()

    def append(where: Path, events: list[SegmentEvent]) -> None:
        tried.append(1)
        if len(tried) == 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        really_append(where, events)

    monkeypatch.setattr(retention_module, "append_events", append)
    Retention(age_max_s=None, bytes_max=1).apply(folder, 8)
    assert (audit(folder).good, audit(folder).expired) == (True, 3)


def test_a_segment_that_can_not_be_deleted_is_noted_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_segment: Segment) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    before = len(read_manifest(folder).lines)
    with monkeypatch.context() as patch:
        patch.setattr(Segment, "delete", refuse)
        for _ in range(2):  # a server is started anew
            retention = Retention(age_max_s=None, bytes_max=1)
            for _ in range(3):
                with pytest.raises(PermissionError, match="Operation not permitted"):
                    retention.apply(folder, 8)
    assert len(read_manifest(folder).lines) == before + 3
    Retention(age_max_s=None, bytes_max=1).apply(folder, 8)
    assert (audit(folder).good, audit(folder).expired) == (True, 3)


def test_a_hash_that_is_noted_after_its_segment_expired_misses_nothing(folder: Path) -> None:
    """Servers did so, whose sealer was still reading what retention deleted."""
    path = folder / MANIFEST_NAME
    events = [event for _, event in read_manifest(folder).events()]
    path.unlink()
    append_events(folder, [SegmentEvent("expired", event.segment) for event in events[:2]])
    append_events(folder, events)
    for segment in list_segments(folder)[:2]:
        segment.delete()
    found = audit(folder)
    assert (found.good, found.missing, found.expired) == (True, [], 2)


def test_what_was_sealed_anew_after_it_was_said_to_be_gone_must_be_there(folder: Path) -> None:
    path = folder / MANIFEST_NAME
    events = [event for _, event in read_manifest(folder).events()]
    path.unlink()
    append_events(folder, [SegmentEvent("missing", events[0].segment), *events])
    assert audit(folder).good
    list_segments(folder)[0].delete()
    assert [event.first for event in audit(folder).missing] == [0]


def test_what_goes_while_its_hash_is_taken_is_not_sealed(
    folder: Path, open_journal: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    really_hash = sealer_module.Sealer._hash

    def hash_and_lose(sealer: Any, segment: Segment, extent: Any) -> SegmentEvent | None:
        event = really_hash(sealer, segment, extent)
        if segment.first < 4:
            segment.delete()
        return event

    (folder / MANIFEST_NAME).unlink()
    monkeypatch.setattr(sealer_module.Sealer, "_hash", hash_and_lose)
    open_journal().close()
    assert list(read_manifest(folder).hashes()) == [4]


def test_no_sequence_that_ever_had_a_hash_is_given_again(folder: Path) -> None:
    """A repair may leave a segment shorter than it was sealed."""
    last = read_manifest(folder).hashes()[4][1]
    append_events(folder, [SegmentEvent("repaired", last.segment, 1, last.bytes // 2, "0" * 64)])
    assert read_manifest(folder).end == 6


# --- damage ---


def test_every_flipped_bit_is_found(folder: Path) -> None:
    path = folder / MANIFEST_NAME
    whole = path.read_bytes()
    for place in range(len(whole)):
        data = bytearray(whole)
        data[place] ^= 1 << place % 8
        path.write_bytes(data)
        assert not audit(folder).good, place


@pytest.mark.parametrize("kept", range(0, 900, 37))
def test_a_torn_end_is_mended_and_the_chain_goes_on(folder: Path, open_journal: Open, kept: int) -> None:
    path = folder / MANIFEST_NAME
    whole = path.read_bytes()
    path.write_bytes(whole[:kept])
    open_journal().close()
    found = audit(folder)
    assert found.good
    assert list(found.manifest.hashes()) == [0, 2, 4]
    assert found.manifest.lines[0].data == whole.splitlines()[0] or kept <= len(whole.splitlines()[0])


@pytest.mark.parametrize(
    "junk", [b"\n", b"\0" * 700, b"garbage\nmore\n", b"\xff\n\xff", b"[" * 9000, b'{"event":1}\n']
)
def test_junk_at_the_end_is_set_aside(folder: Path, tmp_path: Path, junk: bytes) -> None:
    path = folder / MANIFEST_NAME
    whole = path.read_bytes()
    path.write_bytes(whole + junk)
    note = trim_manifest(folder, tmp_path)
    assert note is not None
    assert f"cut {len(junk)} torn bytes at {len(whole)}" in note
    assert path.read_bytes() == whole
    assert (tmp_path / f"{MANIFEST_NAME}.{len(whole)}.torn").read_bytes() == junk
    assert trim_manifest(folder, tmp_path) is None


def test_a_damaged_line_makes_no_line_untrue_behind_the_next(folder: Path, open_journal: Open) -> None:
    path = folder / MANIFEST_NAME
    lines = path.read_bytes().splitlines(keepends=True)
    lines[0] = lines[0].replace(b'"entries":2', b'"entries":9')
    path.write_bytes(b"".join(lines))
    assert [line.good for line in read_manifest(folder).lines] == [False, True, True]
    open_journal().close()
    assert path.read_bytes() == b"".join(lines)  # no new hash for the old one: that would hide what happened
    assert [line.number for line in audit(folder).broken] == [1]


def test_half_a_line_of_a_failed_write_is_taken_back(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: real(fd, data[:20], offset))
    before = (folder / MANIFEST_NAME).read_bytes()
    with pytest.raises(OSError, match="an incomplete line"):
        append_events(folder, [SegmentEvent("expired", "00000000000000000000.jsonl")])
    assert (folder / MANIFEST_NAME).read_bytes() == before


def test_nobody_appends_behind_what_is_no_manifest(tmp_path: Path) -> None:
    (tmp_path / MANIFEST_NAME).write_bytes(b"x" * 2 * module._LINE_BYTES_MAX)
    with pytest.raises(OSError, match="no valid line"):
        append_events(tmp_path, [SegmentEvent("expired", "00000000000000000000.jsonl")])
