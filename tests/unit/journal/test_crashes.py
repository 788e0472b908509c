"""Power cuts at every moment, with a disk that fails now and then (the journal's `crash_file` oracle)."""

import random
from functools import partial
from pathlib import Path

import pytest

from logboom.journal import index, recovery, writer
from logboom.model import Receipt, Verdict
from logboom.testing.crash_kit import (
    Driver,
    RecordingDisk,
    Sync,
    Truncate,
    Write,
    check_journal,
    crash_file,
    crash_journal,
)

SEEDS = range(40)
CRASHES = 12
"""Crashes a history."""


class History:
    """What a journal was given, what it answered, and when."""

    def __init__(self) -> None:
        self.disk = RecordingDisk()
        self.submitted: list[bytes] = []
        self.acknowledged: list[tuple[int, int, bytes]] = []
        """The number of disk operations at the time of the answer, the sequence, the entry."""

    def note(self, entries: list[bytes], receipt: Receipt) -> None:
        if receipt.first_sequence is None:
            return
        assert set(receipt.verdicts) == {Verdict.ACCEPTED}
        moment = len(self.disk.operations)
        for sequence, entry in enumerate(entries, receipt.first_sequence):
            self.acknowledged.append((moment, sequence, entry))

    def acknowledged_at(self, moment: int) -> dict[int, bytes]:
        return {sequence: entry for when, sequence, entry in self.acknowledged if when <= moment}


def live(data_dir: Path, seed: int) -> History:
    """Batches of all sizes, disk faults, restarts, small segments."""
    chance = random.Random(seed)
    history = History()
    options = {"segment_bytes_max": chance.choice((1, 700, 3000, 1 << 20)), "disk": history.disk}
    driver = Driver(data_dir, **options)
    number = 0
    for _ in range(chance.randrange(3, 12)):
        history.disk.full = chance.random() < 0.15
        history.disk.broken = chance.random() < 0.15
        history.disk.stuck = chance.random() < 0.3
        for _ in range(chance.randrange(1, 4)):
            entries = []
            for _ in range(chance.randrange(1, 6)):
                entries.append(b'{"n":%d,"pad":"%b"}' % (number, b"x" * chance.choice((0, 10, 300, 1500))))
                number += 1
            history.submitted += entries
            driver.submit(entries, partial(history.note, entries))
        driver.settle()
        if chance.random() < 0.1:
            driver.close()
            driver = Driver(data_dir, **options)
    driver.close()
    return history


@pytest.fixture(autouse=True)
def small_index_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (index, recovery, writer):
        monkeypatch.setattr(module, "INDEX_STEP_BYTES", 2000)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_acknowledged_survives_any_power_cut(tmp_path: Path, seed: int) -> None:
    history = live(tmp_path / "data", seed)
    operations = history.disk.operations
    chance = random.Random(seed)
    for crash in range(CRASHES):
        moment = chance.randrange(len(operations) + 1)
        data_dir = tmp_path / f"crash {crash} at {moment}"
        crash_journal(operations, moment, data_dir, seed=crash)
        check_journal(data_dir, history.acknowledged_at(moment), history.submitted)


def test_a_second_crash_right_after_the_first_loses_nothing(tmp_path: Path) -> None:
    history = live(tmp_path / "data", 4711)
    moment = len(history.disk.operations)
    crash_journal(history.disk.operations, moment, tmp_path / "crash", seed=1)
    for _ in range(5):  # each check opens, adds an entry and closes
        entries = check_journal(tmp_path / "crash", history.acknowledged_at(moment))
    assert entries.count(b'{"after":"the crash"}') == 4


# --- the kit itself ---

PATH = Path("/journal/00000000000000000000.jsonl")


def fates(*operations: Write | Truncate | Sync) -> set[bytes]:
    return {crash_file(operations, random.Random(seed), page_bytes=2) for seed in range(300)}


def test_what_was_synced_is_there() -> None:
    assert fates(Write(PATH, 0, b"abcd"), Sync(PATH)) == {b"abcd"}
    assert fates(Write(PATH, 0, b"abcd"), Truncate(PATH, 1), Write(PATH, 1, b"x"), Sync(PATH)) == {b"ax"}


def test_what_was_not_synced_has_every_fate() -> None:
    found = fates(Write(PATH, 0, b"ab"), Sync(PATH), Write(PATH, 2, b"cdef"))
    assert all(content.startswith(b"ab") for content in found)
    for expected in (b"ab", b"abc", b"abcdef", b"ab\0\0ef", b"abcd\0\0", b"ab\0\0\0\0"):
        assert expected in found
    assert any(set(content) - set(b"abcdef\0") for content in found)


def test_a_later_write_may_survive_an_earlier_one() -> None:
    assert b"\0\0cd" in fates(Write(PATH, 0, b"ab"), Write(PATH, 2, b"cd"))


def test_a_truncation_may_be_lost() -> None:
    found = fates(Write(PATH, 0, b"abcd"), Sync(PATH), Truncate(PATH, 1))
    assert found == {b"abcd", b"a"}


def broken_copy(tmp_path: Path) -> tuple[Path, dict[int, bytes]]:
    """A journal of three entries."""
    driver = Driver(tmp_path / "data")
    entries = [b'{"n":%d}' % number for number in range(3)]
    driver.store(*entries)
    driver.close()
    return tmp_path / "data" / "journal" / PATH.name, dict(enumerate(entries))


def test_the_check_sees_a_missing_entry(tmp_path: Path) -> None:
    path, acknowledged = broken_copy(tmp_path)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    with pytest.raises(AssertionError, match="sequence 2"):
        check_journal(tmp_path / "data", acknowledged)


def test_the_check_sees_a_doubled_entry(tmp_path: Path) -> None:
    path, acknowledged = broken_copy(tmp_path)
    path.write_bytes(path.read_bytes() + path.read_bytes().splitlines(keepends=True)[0])
    with pytest.raises(AssertionError, match="more than once"):
        check_journal(tmp_path / "data", acknowledged)


def test_the_check_sees_an_exchanged_entry(tmp_path: Path) -> None:
    path, acknowledged = broken_copy(tmp_path)
    first, second, third = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(second + first + third)
    with pytest.raises(AssertionError, match="sequence 0"):
        check_journal(tmp_path / "data", acknowledged)


def test_the_check_sees_what_nobody_submitted(tmp_path: Path) -> None:
    _, acknowledged = broken_copy(tmp_path)
    with pytest.raises(AssertionError, match="not submitted"):
        check_journal(tmp_path / "data", acknowledged, [b'{"n":0}'])


def test_a_crash_needs_a_folder_of_its_own(tmp_path: Path) -> None:
    history = live(tmp_path / "data", 1)
    with pytest.raises(FileExistsError, match="File exists"):
        crash_journal(history.disk.operations, 1, tmp_path / "data", seed=0)
