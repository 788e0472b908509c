"""Checking a whole journal, and setting aside what is broken."""

from collections.abc import Callable
from pathlib import Path

import pytest

from logboom.journal import index
from logboom.journal import repair as repair_module
from logboom.journal import verify as module
from logboom.journal.audit import audit
from logboom.journal.manifest import MANIFEST_NAME
from logboom.journal.reader import JournalReader
from logboom.journal.repair import repair
from logboom.journal.segments import Segment, list_segments, prefix, read_index, suffix
from logboom.journal.verify import Finding, verify
from logboom.testing.crash_kit import Driver, entry_of

Open = Callable[..., Driver]
PER_SEGMENT = 10


def entries(count: int, start: int = 0) -> list[bytes]:
    return [b'{"n":%d,"msg":"JJJJ"}' % number for number in range(start, start + count)]


@pytest.fixture
def folder(open_journal: Open) -> Path:
    """Three segments of ten entries, and the start of a fourth, closed."""
    driver = open_journal(segment_bytes_max=1)
    for number in range(0, 30, PER_SEGMENT):
        driver.store(*entries(PER_SEGMENT, number))
    driver.store(*entries(3, 30))
    driver.close()
    assert [segment.first for segment in list_segments(driver.journal.folder)] == [0, 10, 20, 30]
    return driver.journal.folder


def findings(folder: Path) -> list[Finding]:
    return list(verify(folder))


def repair_all(folder: Path) -> list[Path]:
    aside = folder.parent / "set-aside"
    return [path for finding in verify(folder) for path in repair(finding, aside)]


def readable(folder: Path) -> dict[int, bytes]:
    reader = JournalReader(folder)
    found: dict[int, bytes] = {}
    while (block := reader.read()) is not None:
        lines = block.data.splitlines(keepends=True)
        found |= zip(range(block.first_sequence, block.next_sequence), map(entry_of, lines), strict=True)
    return found


def path_of(folder: Path, first: int) -> Path:
    return folder / f"{first:020d}.jsonl"


def damage_line(folder: Path, sequence: int, change: Callable[[bytes], bytes]) -> None:
    path = path_of(folder, sequence - sequence % PER_SEGMENT)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[sequence % PER_SEGMENT] = change(lines[sequence % PER_SEGMENT])
    path.write_bytes(b"".join(lines))


def test_a_whole_journal_is_good(folder: Path) -> None:
    found = findings(folder)
    assert [(one.segment.first, one.lines, one.good, one.notes) for one in found] == [
        (0, 10, True, []),
        (10, 10, True, []),
        (20, 10, True, []),
        (30, 3, True, []),
    ]
    assert sum(one.size for one in found) == sum(path.stat().st_size for path in folder.glob("*.jsonl"))


def test_progress_tells_every_byte(folder: Path) -> None:
    told: list[int] = []
    list(verify(folder, told.append))
    assert sum(told) == sum(path.stat().st_size for path in folder.glob("*.jsonl"))


CHANGES = [
    pytest.param(lambda line: line.replace(b"JJ", b"J\x0b", 1), id="control character"),
    pytest.param(lambda line: line.replace(b"J", b"\xca", 1), id="flipped high bit"),
    pytest.param(lambda line: line.replace(b'"entry"', b'"entrx"'), id="flipped bit in a name"),
    pytest.param(lambda line: line.replace(b'"}', b'"{', 1), id="flipped bit in a brace"),
    pytest.param(lambda line: b"\0" * (len(line) - 1) + b"\n", id="zeros"),
    pytest.param(lambda line: b"\n", id="emptied"),
]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("sequence", [0, 4, 9, 14, 32])
def test_a_damaged_line_is_found_and_the_others_keep_their_sequences(
    folder: Path, change: Callable[[bytes], bytes], sequence: int
) -> None:
    damage_line(folder, sequence, change)
    (finding,) = [one for one in findings(folder) if not one.good]
    (damage,) = finding.damage
    assert (damage.sequence, damage.lines, damage.torn) == (sequence, 1, False)
    (aside,) = repair_all(folder)
    assert aside.stat().st_size == damage.size
    assert readable(folder) == {
        number: entry for number, entry in enumerate(entries(33)) if number != sequence
    }
    assert all(one.good for one in findings(folder))


def test_several_damages_in_one_segment(folder: Path) -> None:
    for sequence in (11, 12, 15, 19):
        damage_line(folder, sequence, lambda line: b"x" * (len(line) - 1) + b"\n")
    finding = findings(folder)[1]
    assert [(one.sequence, one.lines) for one in finding.damage] == [(11, 2), (15, 1), (19, 1)]
    assert len(repair_all(folder)) == 3
    assert set(readable(folder)) == set(range(33)) - {11, 12, 15, 19}
    assert readable(folder)[18] == entries(1, 18)[0]


def test_a_torn_end_is_found_and_cut(folder: Path) -> None:
    path = path_of(folder, 30)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"received_at":"20')
    (finding,) = [one for one in findings(folder) if not one.good]
    assert finding.damage[0].torn
    assert finding.damage[0].offset == len(whole)
    (aside,) = repair_all(folder)
    assert aside.read_bytes() == b'{"received_at":"20'
    assert path.read_bytes() == whole
    assert list(readable(folder).values()) == entries(33)


def test_the_torn_end_of_a_failed_write_is_no_damage(folder: Path) -> None:
    path = path_of(folder, 10)
    path.write_bytes(path.read_bytes() + b'{"received_at":"20')
    finding = findings(folder)[1]
    assert finding.good
    assert finding.notes == ["1 lines after a failed write, never acknowledged, not counted"]
    assert list(readable(folder).values()) == entries(33)


@pytest.mark.parametrize("damage", [None, b"", b"\xff" * 24])
def test_a_missing_index_is_noted_and_made_again(folder: Path, damage: bytes | None) -> None:
    segment = list_segments(folder)[1]
    if damage is None:
        segment.index_path.unlink()
    else:
        segment.index_path.write_bytes(damage)
    assert [one.notes for one in findings(folder)] == [[], ["index missing or unreadable"], [], []]
    assert all(one.good for one in findings(folder))
    assert repair_all(folder) == []
    assert read_index(segment)
    assert not any(one.notes for one in findings(folder))
    assert list(readable(folder).values()) == entries(33)


def test_damage_that_makes_a_newline_never_costs_the_next_segment(folder: Path) -> None:
    """One flipped bit makes a J a newline: the lines behind it seem to have moved by one."""
    damage_line(folder, 18, lambda line: line.replace(b"J", b"\n", 1))
    (kept,) = repair_all(folder)
    assert kept.read_bytes().count(b"JJJ") == 1  # 18 in two parts
    assert readable(folder) == {number: entry for number, entry in enumerate(entries(33)) if number != 18}
    assert all(one.good for one in findings(folder))


def test_repairing_again_after_a_crash_in_between_changes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage_line(folder, 14, lambda line: b"x\n")

    def crash(*_arguments: object) -> None:
        raise OSError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(repair_module, "_truncate", crash)
        with pytest.raises(OSError, match="power cut"):
            repair_all(folder)
    repair_all(folder)
    assert set(readable(folder)) == set(range(33)) - {14}
    assert all(one.good for one in findings(folder))


def test_a_journal_whose_only_segment_is_all_damage_keeps_its_sequence(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    folder.mkdir()
    path_of(folder, 500).write_bytes(b"garbage")
    repair_all(folder)
    driver = Driver(tmp_path)
    assert driver.store(b"{}").first_sequence == 500
    driver.close()


def test_lines_of_a_failed_write_are_noted(folder: Path) -> None:
    path = path_of(folder, 10)
    path.write_bytes(path.read_bytes() + path_of(folder, 30).read_bytes())
    finding = findings(folder)[1]
    assert finding.good
    assert finding.notes == ["3 lines after a failed write, never acknowledged, not counted"]
    assert list(readable(folder).values()) == entries(33)


def test_missing_sequences_are_noted(folder: Path) -> None:
    path_of(folder, 10).unlink()
    assert findings(folder)[0].notes == ["10 sequences before the next segment have no line"]


def test_blocks_may_end_anywhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damage_line(folder, 4, lambda line: b"x" * 50 + b"\n")
    expected = findings(folder)
    for block_bytes in (7, 100, 333):
        monkeypatch.setattr(module, "_BLOCK_BYTES", block_bytes)
        assert findings(folder) == expected


def test_a_journal_of_garbage_takes_no_longer_than_a_good_one(tmp_path: Path) -> None:
    lines = 100_000
    path_of(tmp_path, 0).write_bytes(b"g\n" * lines)
    (finding,) = findings(tmp_path)
    assert [(one.lines, one.size) for one in finding.damage] == [(lines, 2 * lines)]


def test_an_empty_folder_has_no_findings(tmp_path: Path) -> None:
    assert findings(tmp_path) == []


def test_a_line_that_begins_at_the_end_of_a_block_misleads_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "INDEX_STEP_BYTES", 500)
    segment = Segment.at(tmp_path, 0)
    line = prefix(1_790_000_000_123_456_000) + b'{"n":1}' + suffix("10.0.0.1", "device")
    segment.path.write_bytes(line * 20)
    index.rebuild_index(segment)
    points = read_index(segment)
    for left in range(1, 49):
        monkeypatch.setattr(module, "_BLOCK_BYTES", points[1].offset + left)
        assert findings(tmp_path)[0].good, left
        monkeypatch.setattr(index, "_BLOCK_BYTES", points[1].offset + left)
        index.rebuild_index(segment)
        assert read_index(segment) == points, left


def test_a_repair_while_segments_wait_for_their_hash_makes_them_no_strangers(
    folder: Path, open_journal: Open
) -> None:
    (folder / MANIFEST_NAME).unlink()
    damage_line(folder, 25, lambda line: b"garbage" + line[7:])
    repair_all(folder)
    found = audit(folder)
    assert (found.good, found.waiting) == (True, 2)
    assert found.manifest.end == 30
    driver = open_journal()
    driver.close()
    assert driver.reports.empty()
    found = audit(folder)
    assert (found.good, found.waiting) == (True, 0)
    assert list(found.manifest.hashes()) == [20, 26, 0, 10]
