"""The write path as its callers see it: receipts, order, failures, sealing, the lock."""

import os
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from queue import SimpleQueue

import msgspec
import pytest

from logboom.errors import DataDirLockedError, StorageError
from logboom.journal import journal as module
from logboom.journal.journal import AckLevel, Journal
from logboom.journal.retention import Retention
from logboom.journal.segments import Segment
from logboom.model import Batch, Receipt, Source, Verdict
from logboom.testing.crash_kit import WAIT_S, Driver, RecordingDisk, Sync, Write

Open = Callable[..., Driver]


def entries(count: int, start: int = 0) -> list[bytes]:
    return [b'{"n":%d}' % number for number in range(start, start + count)]


# --- storing ---


def test_the_folders_of_a_new_journal_outlive_a_power_cut(
    open_journal: Open, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is acknowledged is in them."""
    synced: set[Path] = set()

    def fsync(descriptor: int) -> None:
        synced.add(Path(f"/proc/self/fd/{descriptor}").readlink())

    monkeypatch.setattr(os, "fsync", fsync)
    open_journal().store(b"{}")
    assert {data_dir.parent, data_dir, data_dir / "journal"} <= synced


def test_entries_get_sequences_in_order_without_a_gap(open_journal: Open) -> None:
    driver = open_journal()
    assert [driver.store(*entries(count)).first_sequence for count in (3, 1, 5)] == [0, 3, 4]
    assert driver.journal.committed.next_sequence == 9
    assert list(driver.read().values()) == entries(3) + entries(1) + entries(5)


def test_a_line_is_an_envelope_around_the_entry_as_sent(open_journal: Open, data_dir: Path) -> None:
    driver = open_journal()
    entry = '{"msg":  "Grüße",\t"n":1.50}'.encode()
    driver.store(entry)
    (path,) = (data_dir / "journal").glob("*.jsonl")
    line = path.read_bytes()
    assert path.name == "00000000000000000000.jsonl"
    assert b'"entry":' + entry + b"," in line
    assert msgspec.json.decode(line) == {
        "received_at": "1970-01-01T00:00:00.000000+00:00",
        "entry": {"msg": "Grüße", "n": 1.5},
        "source": "10.0.0.1",
        "listener": "device",
    }


def test_entries_of_one_batch_may_have_different_sources(open_journal: Open, data_dir: Path) -> None:
    journal = open_journal().journal
    batch = Batch(b"\n".join(entries(4)), bytes(4), size_bytes=40)
    batch.sources = [Source("device", peer) for peer in ("10.0.0.1", "10.0.0.2", 'a "name"', "10.0.0.1")]
    batch.refuse([1], Verdict.FILTERED)
    journal.submit(batch, AckLevel.SYNCED, lambda _receipt: None)
    journal.finish()
    (path,) = (data_dir / "journal").glob("*.jsonl")
    lines = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
    assert [(line["entry"]["n"], line["source"]) for line in lines] == [
        (0, "10.0.0.1"),
        (2, 'a "name"'),
        (3, "10.0.0.1"),
    ]


def test_receipts_come_in_the_order_of_submission_blank_ones_too(open_journal: Open) -> None:
    driver = open_journal()
    seen: list[bytes] = []
    refused = bytes([Verdict.NOT_JSON])
    for number in range(50):
        batch = [] if number % 3 == 0 else entries(number % 4 + 1)
        driver.submit(
            batch, lambda receipt: seen.append(receipt.verdicts), verdicts=None if batch else refused
        )
    driver.settle()
    assert seen == [refused if number % 3 == 0 else bytes(number % 4 + 1) for number in range(50)]


def test_a_mixed_batch_keeps_one_verdict_a_line(open_journal: Open) -> None:
    driver = open_journal()
    seen: list[Receipt] = []
    verdicts = bytes([Verdict.NOT_JSON, Verdict.ACCEPTED, Verdict.LIMITED, Verdict.ACCEPTED])
    driver.submit(entries(2), seen.append, verdicts=verdicts)
    driver.settle()
    assert seen == [Receipt(0, verdicts)]


def test_what_waits_is_known_in_bytes(open_journal: Open) -> None:
    driver = open_journal()
    driver.submit(entries(2), lambda _receipt: None)
    assert driver.journal.pending_bytes == len(b"\n".join(entries(2))) + 1
    driver.settle()
    assert driver.journal.pending_bytes == 0


def test_commits_are_told(open_journal: Open) -> None:
    driver = open_journal()
    told: list[int] = []
    driver.journal.on_commit.append(lambda: told.append(driver.journal.committed.next_sequence))
    driver.store(*entries(2))
    assert told == [2]


def test_closing_stores_what_was_submitted(open_journal: Open) -> None:
    driver = open_journal()
    receipts: list[Receipt] = []
    for number in range(100):
        driver.submit(entries(1, number), receipts.append)
    driver.close()
    driver.close()
    assert [receipt.first_sequence for receipt in receipts] == list(range(100))
    driver.submit(entries(1), receipts.append)
    assert len(receipts) == 100  # never answered, so that its sender sends it again
    assert list(open_journal().read().values()) == entries(100)


# --- ack levels ---


class Diary(RecordingDisk):
    """Also notes receipts among what was asked of the disk."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[str] = []

    def write(self, descriptor: int, data: bytes) -> None:
        self.events.append("write")
        super().write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        self.events.append("sync")
        super().sync(descriptor)


@pytest.mark.parametrize(
    ("ack", "order"),
    [
        (AckLevel.RECEIVED, ["ack", "write", "sync"]),
        (AckLevel.WRITTEN, ["write", "ack", "sync"]),
        (AckLevel.SYNCED, ["write", "sync", "ack"]),
    ],
)
def test_each_level_is_answered_at_its_time(data_dir: Path, ack: AckLevel, order: list[str]) -> None:
    disk = Diary()
    journal = Journal(data_dir, lambda call, *arguments: call(*arguments), free_bytes_min=0, disk=disk)
    batch = Batch(b"{}", b"\0", size_bytes=3)
    journal.submit(batch, ack, lambda _receipt: disk.events.append("ack"))
    journal.close()
    assert disk.events == order


def test_levels_in_one_group_are_each_answered_once(open_journal: Open) -> None:
    driver = open_journal()
    seen: list[tuple[AckLevel, int | None]] = []

    def note(ack: AckLevel, receipt: Receipt) -> None:
        seen.append((ack, receipt.first_sequence))

    for number, ack in enumerate(list(AckLevel) * 20):
        driver.submit(entries(1, number), partial(note, ack), ack=ack)
    driver.settle()
    for ack in AckLevel:
        sequences = [sequence for level, sequence in seen if level is ack]
        expected = range(list(AckLevel).index(ack), 20 * len(AckLevel), len(AckLevel))
        assert sequences == ([None] * 20 if ack is AckLevel.RECEIVED else list(expected))


def test_a_failed_sync_fails_only_those_who_waited_for_it(open_journal: Open) -> None:
    disk = RecordingDisk()
    driver = open_journal(disk=disk)
    disk.broken = True
    assert driver.store(*entries(1), ack=AckLevel.RECEIVED).verdicts == bytes([Verdict.ACCEPTED])
    assert driver.store(*entries(1), ack=AckLevel.WRITTEN).verdicts == bytes([Verdict.ACCEPTED])
    assert driver.store(*entries(1), ack=AckLevel.SYNCED).verdicts == bytes([Verdict.FAILED])


# --- failures ---


@pytest.mark.parametrize(
    ("fault", "reason"), [("full", "No space left"), ("broken", "Input/output error")], ids=["ENOSPC", "EIO"]
)
@pytest.mark.parametrize("stuck", [False, True], ids=["", "cannot truncate"])
@pytest.mark.parametrize("stored_before", [0, 3])
def test_a_failing_disk_fails_the_batch_and_heals_without_a_restart(
    open_journal: Open, fault: str, reason: str, stuck: bool, stored_before: int
) -> None:
    disk = RecordingDisk()
    driver = open_journal(disk=disk)
    if stored_before:
        driver.store(*entries(stored_before))
    setattr(disk, fault, True)
    disk.stuck = stuck
    for _ in range(3):
        receipt = driver.store(*entries(4, 100))
        assert receipt == Receipt(None, bytes([Verdict.FAILED] * 4))
        assert driver.journal.failing is not None
        assert reason in driver.journal.failing
    setattr(disk, fault, False)
    disk.stuck = False
    assert driver.store(*entries(2, 50)).first_sequence == stored_before
    assert driver.journal.failing is None
    expected = entries(stored_before) + entries(2, 50)
    assert list(driver.read().values()) == expected
    driver.close()
    assert list(open_journal().read().values()) == expected


@pytest.mark.parametrize("noticed_by", ["an entry", "a probe"])
def test_trouble_and_its_end_are_each_told_once(open_journal: Open, noticed_by: str) -> None:
    disk = RecordingDisk()
    driver = open_journal(disk=disk)
    disk.full = True
    for _ in range(3):
        driver.store(*entries(1))
    disk.full = False
    if noticed_by == "a probe":
        driver.journal.probe()
    driver.store(*entries(1))
    driver.store(*entries(1))
    told = [driver.reports.get(timeout=WAIT_S) for _ in range(2)]
    assert [kind for kind, _ in told] == ["error", "info"]
    assert "No space left" in told[0][1]
    assert told[1][1] == "the journal stores again"
    assert driver.reports.empty()
    assert driver.journal.failed_groups == 3


def test_refused_lines_keep_their_verdicts_when_the_disk_fails(open_journal: Open) -> None:
    disk = RecordingDisk()
    driver = open_journal(disk=disk)
    disk.full = True
    seen: list[Receipt] = []
    verdicts = bytes([Verdict.NOT_JSON, Verdict.ACCEPTED, Verdict.FILTERED])
    driver.submit(entries(1), seen.append, verdicts=verdicts)
    driver.settle()
    assert seen == [Receipt(None, bytes([Verdict.NOT_JSON, Verdict.FAILED, Verdict.FILTERED]))]


def test_nothing_is_written_below_the_free_space_floor(open_journal: Open) -> None:
    disk = RecordingDisk()
    disk.free = 999
    driver = open_journal(disk=disk, free_bytes_min=1000)
    assert driver.store(*entries(1)).verdicts == bytes([Verdict.FAILED])
    assert driver.journal.failing is not None
    for part in ("999 bytes left", "free_bytes_min is 1000", "free some space"):
        assert part in driver.journal.failing
    assert not any(isinstance(operation, Write) for operation in disk.operations)
    assert driver.journal.free_bytes == 999


def test_the_writer_survives_what_nobody_foresaw(open_journal: Open) -> None:
    class Odd(RecordingDisk):
        odd = True

        def write(self, descriptor: int, data: bytes) -> None:
            if self.odd:
                raise MemoryError("no room")
            super().write(descriptor, data)

    disk = Odd()
    driver = open_journal(disk=disk)
    assert driver.store(*entries(1)).verdicts == bytes([Verdict.FAILED])
    disk.odd = False
    assert driver.store(*entries(1)).first_sequence == 0


def test_one_sync_answers_for_all_who_wait(open_journal: Open) -> None:
    class Slow(RecordingDisk):
        """Holds the first write until told."""

        def __init__(self) -> None:
            super().__init__()
            self.go = threading.Event()
            self.started = threading.Event()

        def write(self, descriptor: int, data: bytes) -> None:
            self.started.set()
            assert self.go.wait(WAIT_S)
            super().write(descriptor, data)

    disk = Slow()
    driver = open_journal(disk=disk)
    seen: list[Receipt] = []
    driver.submit(entries(1), seen.append)
    assert disk.started.wait(WAIT_S)
    for number in range(1, 100):
        driver.submit(entries(1, number), seen.append)
    disk.go.set()
    driver.settle()
    assert [receipt.first_sequence for receipt in seen] == list(range(100))
    assert sum(isinstance(operation, Sync) for operation in disk.operations) == 2


# --- segments ---


def test_a_full_segment_is_sealed_and_the_next_one_named_by_its_first_sequence(
    open_journal: Open, names: Callable[[str], list[str]]
) -> None:
    driver = open_journal(segment_bytes_max=300)
    for number in range(9):
        driver.store(*entries(1, number))
    firsts = [int(name[:20]) for name in names(".jsonl")]
    assert len(firsts) >= 3
    assert firsts[0] == 0
    assert list(driver.read().values()) == entries(9)
    for first in firsts:
        assert next(iter(driver.read(first).values())) == entries(1, first)[0]
    assert len(names(".index")) == len(firsts)


def test_a_restart_goes_on_in_the_same_segment(open_journal: Open, names: Callable[[str], list[str]]) -> None:
    for start in (0, 10, 20):
        driver = open_journal()
        assert driver.journal.recovered.notes == []
        driver.store(*entries(10, start))
        driver.close()
    assert names(".jsonl") == ["00000000000000000000.jsonl"]
    assert list(open_journal().read().values()) == entries(30)


# --- retention on the writer's thread ---


def test_old_segments_go_when_a_segment_is_sealed(
    open_journal: Open, names: Callable[[str], list[str]]
) -> None:
    driver = open_journal(segment_bytes_max=1, retention=Retention(age_max_s=None, bytes_max=1))
    for number in range(5):
        driver.store(*entries(1, number))
    driver.close()
    assert names(".jsonl") == ["00000000000000000004.jsonl"]
    assert open_journal().store(*entries(1)).first_sequence == 5


def test_old_segments_go_without_new_entries_too(
    open_journal: Open, monkeypatch: pytest.MonkeyPatch, data_dir: Path
) -> None:
    driver = open_journal(segment_bytes_max=1)
    for number in range(3):
        driver.store(*entries(1, number))
    driver.close()
    monkeypatch.setattr(module, "RETENTION_INTERVAL_S", 0.0)
    monkeypatch.setattr(module, "TICK_S", 0.001)
    told: SimpleQueue[str] = SimpleQueue()
    retention = Retention(age_max_s=None, bytes_max=1, report=lambda _kind, text: told.put(text))
    open_journal(retention=retention)
    assert "00000000000000000000.jsonl" in told.get(timeout=WAIT_S)


def test_a_retention_that_fails_refuses_no_entry(open_journal: Open) -> None:
    class Broken(Retention):
        def apply(self, folder: Path, next_sequence: int) -> list[Segment]:
            raise PermissionError(13, os.strerror(13))

    driver = open_journal(segment_bytes_max=1, retention=Broken(age_max_s=None, bytes_max=1))
    assert [driver.store(*entries(1, number)).first_sequence for number in range(3)] == [0, 1, 2]
    kind, text = driver.reports.get(timeout=WAIT_S)
    assert kind == "error"
    assert "can't be deleted" in text
    assert driver.journal.failing is None


# --- the data directory ---


def test_a_second_journal_in_the_same_place_is_refused_by_name(open_journal: Open, data_dir: Path) -> None:
    open_journal()
    with pytest.raises(DataDirLockedError, match=f"process {os.getpid()}") as caught:
        open_journal()
    for part in (str(os.getpid()), str(data_dir), "--data-dir"):
        assert part in str(caught.value)


def test_the_place_is_free_after_the_close(open_journal: Open) -> None:
    open_journal().close()
    open_journal()


def test_a_folder_that_cannot_be_made_is_a_clear_error(data_dir: Path) -> None:
    data_dir.write_text("a file")
    with pytest.raises(StorageError, match="can't use the data directory"):
        Driver(data_dir)


def test_a_recovery_that_fails_is_a_clear_error_and_gives_the_place_back(
    open_journal: Open, data_dir: Path
) -> None:
    obstacle = data_dir / "journal" / "00000000000000000000.jsonl"
    obstacle.mkdir(parents=True)
    with pytest.raises(StorageError, match="can't recover the journal"):
        open_journal()
    obstacle.rmdir()
    open_journal()
