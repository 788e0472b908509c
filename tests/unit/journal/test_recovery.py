"""Opening a journal, whatever the last stop left behind."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from logboom.journal import index, recovery, writer
from logboom.journal.line_scan import good_lines, is_good_line
from logboom.journal.manifest import append_events, hash_event
from logboom.journal.segments import (
    IndexPoint,
    Segment,
    list_segments,
    pack_point,
    prefix,
    read_index,
    suffix,
)
from logboom.journal.sums import Origin, sum_of, write_sums
from logboom.receivers.device.protocol import DeviceProtocol
from logboom.testing.crash_kit import Driver

Open = Callable[..., Driver]


def entries(count: int, start: int = 0) -> list[bytes]:
    return [b'{"n":%d}' % number for number in range(start, start + count)]


def line(entry: bytes) -> bytes:
    return prefix(0) + entry + suffix("10.0.0.1", "device")


@pytest.fixture
def filled(open_journal: Open, data_dir: Path) -> Path:
    """The one segment of a journal with ten entries."""
    driver = open_journal()
    driver.store(*entries(10))
    driver.close()
    return data_dir / "journal" / "00000000000000000000.jsonl"


TAILS = [
    pytest.param(line(b'{"n":10}')[:-1], id="no newline"),
    pytest.param(line(b'{"n":10}')[:20], id="torn"),
    pytest.param(b"{", id="one byte"),
    pytest.param(bytes(5000), id="zeros"),
    pytest.param(b"\xff\xfe" * 300, id="garbage"),
    pytest.param(b"garbage\n" * 50, id="garbage lines"),
    pytest.param(b"\n", id="blank line"),
    pytest.param(b"\n\n\n", id="blank lines"),
    pytest.param(b"{}\n", id="an object"),
    pytest.param(line(b'{"n":10}').strip() + line(b'{"n":11}') + b"\n", id="two on a line and a blank one"),
    pytest.param(line(b'{"n":"\xff"}'), id="not UTF-8"),
    pytest.param(line(b"{}").replace(b"device", b"devic\xff"), id="not UTF-8 outside the entry"),
    pytest.param((bytes(100) + b"\n" + line(b'{"n":12}')) * 100, id="pages in no order"),
]


@pytest.mark.parametrize("tail", TAILS)
def test_a_damaged_end_is_cut_and_kept_aside(
    filled: Path, open_journal: Open, data_dir: Path, tail: bytes
) -> None:
    whole = filled.read_bytes()
    filled.write_bytes(whole + tail)
    driver = open_journal()
    (aside,) = (data_dir / "set-aside").iterdir()
    assert aside.read_bytes() == tail
    (note,) = driver.journal.recovered.notes
    for part in (filled.name, f"{len(tail)} torn bytes", f"at {len(whole)}", str(aside)):
        assert part in note
    assert driver.store(*entries(1, 10)).first_sequence == 10
    assert list(driver.read().values()) == entries(11)


@pytest.mark.parametrize("keep", range(0, 60, 7))
@pytest.mark.parametrize("sums", [True, False], ids=["proven", "unproven"])
def test_a_segment_cut_anywhere_keeps_its_whole_lines(
    filled: Path, open_journal: Open, keep: int, sums: bool
) -> None:
    """Where a checksum proves that there was more, no sequence is given a second time."""
    whole = filled.read_bytes()
    size = len(whole) * keep // 60
    filled.write_bytes(whole[:size])
    if not sums:
        filled.with_suffix(".sums").unlink()
    count = whole[:size].count(b"\n")
    driver = open_journal()
    assert any("are missing" in note for note in driver.journal.recovered.notes) == sums
    assert driver.store(b"{}").first_sequence == (10 if sums else count)
    assert list(driver.read(gaps=sums).values()) == [*entries(count), b"{}"]


# --- damage in the middle ---


def flip(path: Path, place: int, bit: int = 0) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1 << bit
    path.write_bytes(data)


FLIPS = [
    pytest.param(b'{"n":4}', 0, 0, id="brace"),
    pytest.param(b'{"n":4}', 1, 7, id="not UTF-8"),
    pytest.param(
        b'device"}\n{"received_at":"1970-01-01T00:00:00.000000+00:00","entry":{"n":4}',
        8,
        6,
        id="newline lost",
    ),
    pytest.param(b"10.0.0.1", 7, 0, id="another value"),
]


@pytest.mark.parametrize(("text", "place", "bit"), FLIPS)
def test_a_flipped_bit_in_what_is_known_to_be_synced_takes_nothing_out(
    filled: Path, open_journal: Open, text: bytes, place: int, bit: int
) -> None:
    flip(filled, filled.read_bytes().index(text) + place, bit)
    damaged = filled.read_bytes()
    driver = open_journal()
    (note,) = driver.journal.recovered.notes
    assert "have changed since they were written" in note
    assert "logboom verify" in note
    assert driver.store(*entries(1, 10)).first_sequence == 10
    assert filled.read_bytes().startswith(damaged)


@pytest.mark.parametrize(("text", "place", "bit"), FLIPS[:3])
def test_good_lines_behind_damage_stay_and_keep_their_sequences(
    filled: Path, open_journal: Open, data_dir: Path, text: bytes, place: int, bit: int
) -> None:
    """Without the checksums nothing tells how much was acknowledged: it may have been all of it."""
    flip(filled, filled.read_bytes().index(text) + place, bit)
    filled.with_suffix(".sums").unlink()
    driver = open_journal()
    lost = {3, 4} if place == 8 else {4}
    (note,) = driver.journal.recovered.notes
    assert f"{len(lost)} lines from sequence {min(lost)} on" in note
    (aside,) = (data_dir / "set-aside").iterdir()
    assert str(aside) in note
    assert driver.store(*entries(1, 10)).first_sequence == 10
    expected = {number: entry for number, entry in enumerate(entries(11)) if number not in lost}
    assert driver.read(gaps=True) == expected
    driver.close()
    driver = open_journal()
    assert driver.journal.recovered.notes == []
    assert driver.read(gaps=True) == expected


def test_a_newline_that_was_none_costs_one_line(filled: Path, open_journal: Open) -> None:
    place = (
        filled.read_bytes().index(b"10.0.0.1", 500) + 2
    )  # the dot is 0x2E, with two bits flipped a newline
    flip(filled, place, 2)
    flip(filled, place, 5)
    filled.with_suffix(".sums").unlink()
    driver = open_journal()
    assert driver.store(*entries(1, 10)).first_sequence == 10
    found = driver.read(gaps=True)
    assert len(found) == 10
    assert all(entry == entries(1, sequence)[0] for sequence, entry in found.items())


def test_a_sealed_segment_is_never_appended_to(open_journal: Open, data_dir: Path) -> None:
    driver = open_journal(segment_bytes_max=1)
    driver.store(*entries(5))
    driver.store(*entries(1, 5))
    driver.close()
    first, second = list_segments(data_dir / "journal")
    whole = first.path.read_bytes()
    second.delete()
    driver = open_journal()
    assert "sealed" in driver.journal.recovered.notes[0]
    assert driver.store(*entries(1, 6)).first_sequence == 5
    driver.close()
    assert first.path.read_bytes() == whole


def between(driver: Driver, start: int) -> list[bytes]:
    """The entries from a sequence on, as a reader finds them that seeks it."""
    return list(driver.read(start).values())


@pytest.fixture
def half_covered(filled: Path) -> Path:
    """No checksum covers its first five lines."""
    segment, size = Segment(0, filled), filled.stat().st_size
    write_sums(segment, [sum_of(segment, size // 2, size, 5, Origin.WRITTEN)])
    return filled


def test_a_newline_too_many_that_no_checksum_covers_closes_the_segment(
    half_covered: Path, open_journal: Open
) -> None:
    """Behind it, nothing that is appended would stand at its sequence."""
    data = half_covered.read_bytes()
    half_covered.write_bytes(data[:50] + b"\n" + data[51:])
    driver = open_journal()
    (note,) = driver.journal.recovered.notes
    assert "1 more lines than by its checksums" in note
    assert "logboom verify" in note
    assert driver.store(*entries(1, 10)).first_sequence == 10
    assert between(driver, 10) == entries(1, 10)


def test_a_segment_with_a_hole_in_its_checksums_goes_on(
    half_covered: Path, open_journal: Open, names: Callable[[str], list[str]]
) -> None:
    driver = open_journal()
    assert driver.journal.recovered.notes == []
    assert driver.store(*entries(1, 10)).first_sequence == 10
    assert list(driver.read().values()) == entries(11)
    assert names(".jsonl") == [half_covered.name]


def test_a_segment_that_is_too_large_to_be_counted_is_closed(
    filled: Path, open_journal: Open, names: Callable[[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "CHECKED_BYTES_MAX", filled.stat().st_size - 1)
    driver = open_journal()
    assert driver.journal.recovered.notes == []
    assert driver.store(*entries(1, 10)).first_sequence == 10
    assert list(driver.read().values()) == entries(11)
    assert names(".jsonl") == [filled.name, "00000000000000000010.jsonl"]


def test_an_index_that_says_too_little_makes_no_sequence_twice(filled: Path, open_journal: Open) -> None:
    """It is all that tells where the last lines stand when the checksums are lost."""
    segment, size = Segment(0, filled), filled.stat().st_size
    segment.sums_path.unlink()
    segment.index_path.write_bytes(
        pack_point(IndexPoint(0, 0, 0)) + pack_point(IndexPoint(4, size // 2, 0))  # it is 5
    )
    driver = open_journal()
    (note,) = driver.journal.recovered.notes
    assert "by its index" in note
    assert driver.store(*entries(1, 10)).first_sequence == 10
    assert list(driver.read().values()) == entries(11)
    assert between(driver, 10) == entries(1, 10)


@pytest.mark.parametrize("shift", [-3, 0], ids=["sequence", "offset"])
def test_an_index_with_a_wrong_point_between_checksums_is_rebuilt(
    filled: Path, open_journal: Open, shift: int
) -> None:
    segment, size = Segment(0, filled), filled.stat().st_size
    offset = size // 2 if shift else size // 2 + 5
    segment.index_path.write_bytes(
        pack_point(IndexPoint(0, 0, 0)) + pack_point(IndexPoint(5 + shift, offset, 0))
    )
    driver = open_journal()
    assert driver.journal.recovered.notes == [f"{filled.name}: index rebuilt"]
    assert driver.store(*entries(1, 10)).first_sequence == 10
    assert between(driver, 5) == entries(6, 5)


def test_a_sealed_segment_that_holds_no_line_keeps_its_name(filled: Path, open_journal: Open) -> None:
    """What is written under it would be taken for sealed at the next start, and its sequences given again."""
    filled.write_bytes(b"")
    append_events(filled.parent, [hash_event(Segment(0, filled), "repaired", lines_max=10, note="")])
    stored = []
    for number in range(3):
        driver = open_journal()
        stored.append(driver.store(*entries(1, number)).first_sequence)
        found = driver.read(gaps=True)
        driver.close()
    assert len(set(stored)) == 3
    assert [found[sequence] for sequence in stored if sequence is not None] == entries(3)


def test_an_index_that_contradicts_the_checksums_is_rebuilt(filled: Path, open_journal: Open) -> None:
    segment = Segment(0, filled)
    segment.index_path.write_bytes(
        pack_point(IndexPoint(0, 0, 0)) + pack_point(IndexPoint(7, filled.stat().st_size, 0))
    )
    driver = open_journal()
    assert driver.journal.recovered.notes == [f"{filled.name}: index rebuilt"]
    assert driver.store(*entries(1, 10)).first_sequence == 10


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(None, id="missing"),
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff" * 48, id="garbage"),
        pytest.param(bytes(72), id="zeros"),
        pytest.param(bytes(10), id="torn"),
    ],
)
def test_a_damaged_index_is_rebuilt(filled: Path, open_journal: Open, damage: bytes | None) -> None:
    segment = Segment(0, filled)
    before = read_index(segment)
    assert before
    if damage is None:
        segment.index_path.unlink()
    else:
        segment.index_path.write_bytes(damage)
    driver = open_journal()
    assert driver.journal.recovered.notes == [f"{filled.name}: index rebuilt"]
    assert [point[:2] for point in read_index(segment)] == [point[:2] for point in before]
    assert list(driver.read().values()) == entries(10)


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """An index point every few lines."""
    for module in (index, recovery, writer):
        monkeypatch.setattr(module, "INDEX_STEP_BYTES", 300)


@pytest.mark.usefixtures("small_steps")
def test_the_index_is_used_and_goes_on_after_a_torn_point(open_journal: Open, data_dir: Path) -> None:
    driver = open_journal()
    for number in range(50):
        driver.store(*entries(1, number))
    driver.close()
    (segment,) = list_segments(data_dir / "journal")
    whole = read_index(segment)
    assert len(whole) > 5
    with segment.index_path.open("ab") as file:
        file.write(b"torn")
    driver = open_journal()
    for number in range(50, 100):
        driver.store(*entries(1, number))
    points = read_index(segment)
    assert len(points) > 2 * len(whole) - 3
    data = segment.path.read_bytes()
    for point in points:
        assert data[: point.offset].count(b"\n") == point.sequence
    assert all(next(iter(driver.read(first).values())) == entries(1, first)[0] for first in range(100))


@pytest.mark.usefixtures("small_steps")
def test_a_rebuilt_index_points_at_lines(open_journal: Open, data_dir: Path) -> None:
    driver = open_journal()
    driver.store(*entries(100))
    driver.close()
    (segment,) = list_segments(data_dir / "journal")
    index.rebuild_index(segment)
    data = segment.path.read_bytes()
    points = read_index(segment)
    assert len(points) > 20
    for point in points:
        assert data[: point.offset].count(b"\n") == point.sequence
        assert point.offset == 0 or data[point.offset - 1 : point.offset] == b"\n"


def test_rebuilding_an_index_reads_blocks_of_any_size(
    open_journal: Open, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = open_journal()
    driver.store(*entries(300))
    driver.close()
    (segment,) = list_segments(data_dir / "journal")
    monkeypatch.setattr(index, "INDEX_STEP_BYTES", 1000)
    found = []
    for block_bytes in (150, 151, 1000, 4096, 1 << 20):
        monkeypatch.setattr(index, "_BLOCK_BYTES", block_bytes)
        index.rebuild_index(segment)
        points = read_index(segment)
        data = segment.path.read_bytes()
        assert all(data[: point.offset].count(b"\n") == point.sequence for point in points)
        found.append(len(points))
    assert min(found) >= 15


def test_an_empty_last_segment_only_tells_the_sequence(
    filled: Path, open_journal: Open, names: Callable[[str], list[str]]
) -> None:
    (filled.parent / "00000000000000000010.jsonl").touch()
    (filled.parent / "00000000000000000010.index").touch()
    driver = open_journal()
    assert names(".jsonl") == [filled.name]
    assert driver.store(*entries(1, 10)).first_sequence == 10
    assert list(driver.read().values()) == entries(11)


def test_an_empty_journal_remembers_where_its_sequence_stands(open_journal: Open, data_dir: Path) -> None:
    folder = data_dir / "journal"
    folder.mkdir(parents=True)
    (folder / "00000000000000000500.jsonl").touch()
    assert open_journal().store(b"{}").first_sequence == 500


def test_a_last_segment_of_garbage_only_is_emptied(filled: Path, open_journal: Open, data_dir: Path) -> None:
    last = filled.parent / "00000000000000000010.jsonl"
    last.write_bytes(b"garbage" * 20)
    driver = open_journal()
    assert driver.store(*entries(1, 10)).first_sequence == 10
    assert list(driver.read().values()) == entries(11)
    assert [path.read_bytes() for path in (data_dir / "set-aside").iterdir()] == [b"garbage" * 20]


def test_junk_of_a_failed_write_in_an_older_segment_does_not_count(filled: Path, open_journal: Open) -> None:
    junk = b"".join(line(b'{"junk":%d}' % number) for number in range(5)) + b"torn"
    filled.write_bytes(filled.read_bytes() + junk)
    (filled.parent / "00000000000000000010.jsonl").write_bytes(line(entries(1, 10)[0]))
    driver = open_journal()
    assert driver.store(*entries(1, 11)).first_sequence == 11
    assert list(driver.read().values()) == entries(12)


def test_other_files_are_left_alone(filled: Path, open_journal: Open) -> None:
    for name in ("notes.jsonl", "0001.jsonl", "backup.tar"):
        (filled.parent / name).write_bytes(b"mine")
    assert open_journal().store(b"{}").first_sequence == 10
    assert (filled.parent / "notes.jsonl").read_bytes() == b"mine"


def test_an_entry_that_was_taken_is_never_taken_for_damage(filled: Path, open_journal: Open) -> None:
    """How deep the decoder can go depends on the depth of the call; the acknowledged must stay good at any."""

    def deepest() -> bytes:
        for depth in range(sys.getrecursionlimit() + 50, 0, -1):
            entry = b'{"boot_seq":1,"uptime_ms":2,"x":' + b"[" * depth + b"]" * depth + b"}"
            protocol = DeviceProtocol()
            protocol.receive_data(entry + b"\n")
            item = protocol.next_batch()
            if item is not None and item[0].count:
                return entry
        raise AssertionError("no depth is taken at all")

    filled.write_bytes(filled.read_bytes() + line(deepest()) + line(b'{"n":11}'))
    driver = open_journal()
    assert driver.journal.recovered.notes == []
    assert driver.journal.committed.next_sequence == 12


def test_good_lines_end_at_the_first_bad_one() -> None:
    good = line(b"{}") * 3
    assert good_lines(good) == (len(good), 3)
    assert good_lines(good + b"x\n" + good) == (len(good), 3)
    assert good_lines(good + good[:-1]) == (len(good) // 3 * 5, 5)
    assert good_lines(b"") == (0, 0)
    assert good_lines(b"no newline at all") == (0, 0)


@pytest.mark.parametrize(
    "bad",
    [b"", b"{}", b"null", line(b"{}")[:-5], line(b"{}").strip() * 2, line(b'"\xff"'), line(b"{")],
)
def test_a_line_that_is_not_exactly_one_envelope_is_bad(bad: bytes) -> None:
    assert not is_good_line(bad)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_segment_that_cannot_be_read_is_not_taken_for_damage(filled: Path, open_journal: Open) -> None:
    filled.chmod(0)
    with pytest.raises(Exception, match="can't recover"):
        open_journal()
