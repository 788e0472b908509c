"""Entries without a time get one from the uptime of their device: learned, read, indexed, lost and learned again."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from logboom.formats.buckets import buckets_of, microseconds
from logboom.formats.times import iso_from_ns
from logboom.journal.folder_log import FolderLog
from logboom.journal.index import rebuild_index
from logboom.journal.log import blocks
from logboom.journal.segments import Segment, list_segments, prefix, suffix
from logboom.model import Record
from logboom.ops.devices import clock_filler, device_book
from logboom.ops.devices.boot_clock import PARTS_MAX, BootClock, part_of
from logboom.ops.devices.clock_filler import ClockFiller
from logboom.ops.devices.clock_writer import ClockWriter
from logboom.ops.devices.device import BOOTS_MAX
from logboom.ops.devices.device_book import FILE_NAME, DeviceBook
from logboom.query.exporter import Export
from logboom.query.indexer import Indexer
from logboom.query.matching import Filter
from logboom.query.search import Search
from logboom.query.volume_counter import VolumeCounter

START = 1_700_000_000 * 10**6
HOUR_MS = 3_600_000
HOUR = HOUR_MS * 1000


class World:
    """A journal that is written line by line, the book that reads it, and what readers see."""

    def __init__(self, folder: Path, segment_lines: int = 1000) -> None:
        self.folder = folder / "journal"
        self.folder.mkdir(parents=True)
        self.segment_lines = segment_lines
        self.truth: list[int] = []
        """Time of each line, microseconds since the epoch."""
        self.log = FolderLog(self.folder)
        self.reports: list[str] = []
        self.book = self.open()

    def open(self) -> DeviceBook:
        return DeviceBook(self.folder.parent, self.log, lambda _, text: self.reports.append(text))

    def store(self, arrived_us: int, truth_us: int, entry: dict[str, Any], name: str = "d") -> None:
        number = len(self.truth)
        segment = Segment.at(self.folder, number // self.segment_lines * self.segment_lines)
        line = prefix(arrived_us * 1000) + json.dumps({"device": name, **entry}).encode()
        with segment.path.open("ab") as file:
            file.write(line + suffix("10.0.0.1", "l"))
        segment.index_path.unlink(missing_ok=True)
        rebuild_index(segment)
        self.truth.append(truth_us)

    def learn(self) -> None:
        writer = ClockWriter(self.folder)
        for block in blocks(self.log, self.book.position, self.log.end):
            self.book.take(block)
        self.book.write_clocks(writer)

    def index(self) -> Indexer:
        indexer = Indexer(self.folder, self.log, settle_s=0)
        while indexer.advance():
            pass
        return indexer

    def records(self, log: FolderLog | None = None, **wanted: str) -> list[Record]:
        found = Search(log or self.log).forward(Filter(**wanted), 10_000).found  # type: ignore[arg-type]
        return [one.record for one in found]

    def errors_s(self) -> list[float]:
        """Difference of each time from the truth, seconds."""
        pairs = zip(self.records(), self.truth, strict=True)
        return [abs(microseconds(record.time) - truth) / 1e6 for record, truth in pairs]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def entry(uptime_ms: int, seq: int | None = None, boot: int = 1, **more: Any) -> dict[str, Any]:
    return {"boot_seq": boot, "uptime_ms": uptime_ms, "seq": seq, "ts": None, **more}


def backlog(world: World, lines: int = 6, name: str = "d") -> None:
    """A device without a clock was offline for five hours, and then sends everything within a minute."""
    for seq in range(lines):
        uptime_ms = seq * HOUR_MS + 1000
        arrived = START + (lines - 1) * HOUR + 1_000_000 + (seq + 1 - lines) * 10**7 + 50_000
        world.store(arrived, START + uptime_ms * 1000, entry(uptime_ms, seq), name)


def test_a_backlog_stands_where_it_happened(world: World) -> None:
    backlog(world)
    assert {record.time_from for record in world.records()} == {"received"}
    world.learn()
    assert max(world.errors_s()) < 0.1
    assert {record.time_from for record in world.records()} == {"uptime"}
    since, until = iso_from_ns((START + HOUR) * 1000), iso_from_ns((START + 3 * HOUR) * 1000)
    assert [record.entry["seq"] for record in world.records(since=since, until=until)] == [1, 2]
    assert world.records(since=since, until=until, text="seq:5") == []
    counted = VolumeCounter(world.log).count(Filter(), buckets_of(START, START + 6 * HOUR, 6))
    assert list(counted.levels.values()) == [[1] * 6 + [0]]


def test_exports_have_the_time_and_journal_lines_are_as_stored(world: World) -> None:
    backlog(world)
    world.learn()
    rows = b"".join(piece.data for piece in Export(world.log, Filter(), "csv").pieces()).decode().splitlines()
    assert rows[0].split(",")[2] == iso_from_ns((START + 1_000_000 + 50_000) * 1000)
    [segment] = list_segments(world.folder)
    lines = b"".join(piece.data for piece in Export(world.log, Filter(), "jsonl").pieces())
    assert lines == segment.path.read_bytes()


def test_a_later_line_with_a_time_dates_those_before_also_in_another_segment(tmp_path: Path) -> None:
    world = World(tmp_path, segment_lines=2)
    late = 7 * 10**6  # of all lines: arrivals alone would be wrong by this
    for seq in range(5):
        ts = iso_from_ns((START + seq * 10**6) * 1000) if seq == 4 else None
        world.store(START + seq * 10**6 + late, START + seq * 10**6, entry(seq * 1000, seq, ts=ts))
        world.learn()
    assert max(world.errors_s()) == 0
    assert [record.time_from for record in world.records()] == ["uptime"] * 4 + ["sender"]


def test_a_clock_of_1970_and_one_that_is_ahead_are_not_believed(world: World) -> None:
    world.store(START + 10**6, START + 10**6, entry(1000, 1, ts="1970-01-01T00:00:01Z"))
    ahead = iso_from_ns((START + HOUR) * 1000)
    world.store(START + 2 * 10**6, START + HOUR, entry(2000, 2, ts=ahead))
    world.store(START + 3 * 10**6, START + 3 * 10**6, entry(3000, 3))
    world.learn()
    assert max(world.errors_s()) == 0
    assert [record.time_from for record in world.records()] == ["uptime", "sender", "uptime"]
    assert [record.wrong_clock for record in world.records()] == [True, False, False]


def test_lines_of_a_boot_whose_number_is_used_twice_have_their_arrival(world: World) -> None:
    world.store(START, START, entry(100, 0, boot=0))
    world.store(START + HOUR, START + HOUR, entry(HOUR_MS + 100, 1, boot=0))
    world.learn()
    world.store(START + 2 * HOUR, START + 2 * HOUR, entry(107, 0, boot=0))  # nothing counts its boots
    world.learn()
    assert {record.time_from for record in world.records()} == {"received"}


def test_values_that_are_no_uptimes_change_nothing(world: World) -> None:
    for number, value in enumerate([None, True, "7", -5, 1.5, 1 << 60, [1], {"a": 1}, 1e400]):
        world.store(START + number, START + number, entry(value, number))  # type: ignore[arg-type]
    world.store(START + 10, START + 10, {**entry(5, 50), "boot_seq": "1"})
    world.learn()
    assert {record.time for record in world.records()} == {
        record.received_at for record in world.records()
    } | set()


def test_a_missing_or_damaged_file_means_arrival_until_the_next_start(world: World) -> None:
    backlog(world)
    world.learn()
    times = [record.time for record in world.records()]
    [segment] = list_segments(world.folder)
    data = bytearray(segment.clock_path.read_bytes())
    data[-3] ^= 1
    segment.clock_path.write_bytes(data)
    assert [record.time_from for record in world.records()] == ["received"] * 6
    world.book.save()
    segment.clock_path.unlink()
    assert [record.time_from for record in world.records()] == ["received"] * 6
    world.book = world.open()
    world.learn()
    assert [record.time for record in world.records()] == times


def test_a_crash_before_the_book_is_saved_loses_nothing(world: World) -> None:
    backlog(world)
    world.learn()
    before = (world.folder / "00000000000000000000.clock").read_bytes()
    assert not (world.folder.parent / FILE_NAME).exists()
    world.book = world.open()
    world.learn()
    assert (world.folder / "00000000000000000000.clock").read_bytes() == before


@pytest.mark.parametrize("seed", range(6))
def test_indexed_answers_are_those_of_reading_everything(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    world = World(tmp_path, segment_lines=40)
    indexer = Indexer(world.folder, world.log, settle_s=0)
    counter = VolumeCounter(world.log)
    now, boots, seqs = START, dict.fromkeys("abc", 1), dict.fromkeys("abc", 0)
    booted = dict.fromkeys("abc", START)
    for _ in range(200):
        now += chance.choice([10**3, 10**6, 10**9])
        name = chance.choice("abc")
        if chance.random() < 0.05:
            boots[name], seqs[name], booted[name] = boots[name] + 1, 0, now
        truth = chance.randrange(booted[name], now + 1) // 1000 * 1000 if chance.random() < 0.3 else now
        dated = {"ts": truth} if chance.random() < 0.1 else {}
        uptime_ms = (truth - booted[name]) // 1000
        world.store(now, truth, entry(uptime_ms, seqs[name], boots[name], **dated), name)
        seqs[name] += 1
        if chance.random() < 0.2:
            world.learn()
        for _ in range(chance.randrange(3)):
            indexer.advance()
        if chance.random() < 0.1:
            counter.count(Filter(), buckets_of(START, now, 10))
    world.learn()
    while indexer.advance():
        pass
    check_queries(world, counter, chance, now)


def check_queries(world: World, counter: VolumeCounter, chance: random.Random, now: int) -> None:
    bare = {
        path: path.read_bytes() for kind in ("times", "counts") for path in world.folder.glob(f"*.{kind}")
    }
    everything = world.records()
    assert bare
    for _ in range(10):
        low, high = sorted(chance.randrange(START, now) for _ in range(2))
        since, until = iso_from_ns(low * 1000), iso_from_ns(high * 1000)
        expected = [one.sequence for one in everything if since <= one.time < until]
        assert [one.sequence for one in world.records(since=since, until=until)] == expected
        wanted = Filter(since=since, until=until)
        assert counter.count(wanted, buckets_of(low, high, 20)).total == len(expected)


def test_what_was_made_with_other_times_does_not_count(tmp_path: Path) -> None:
    world = World(tmp_path, segment_lines=3)
    backlog(world)
    world.index()
    counter, buckets = VolumeCounter(world.log), buckets_of(START, START + 6 * HOUR, 6)
    assert next(iter(counter.count(Filter(), buckets).levels.values())) == [0, 0, 0, 0, 0, 6, 0]
    world.learn()
    assert next(iter(counter.count(Filter(), buckets).levels.values())) == [1] * 6 + [0]
    assert world.index().progress == (1, 1)
    assert next(iter(VolumeCounter(world.log).count(Filter(), buckets).levels.values())) == [1] * 6 + [0]


# --- boots that the book has forgotten


def boots_of_a_device(world: World, count: int, lines: int = 4) -> None:
    """A device that restarts again and again while it is offline, and then sends everything, once it is back."""
    arrived = START + count * HOUR
    for boot in range(count):
        for seq in range(lines):
            truth = START + boot * HOUR + (seq + 1) * 10**7
            ts = iso_from_ns(truth * 1000) if seq == lines - 1 else None
            world.store(arrived, truth, entry((seq + 1) * 10_000, seq, boot, ts=ts))
            arrived += 10**5


def fill(world: World) -> None:
    filler = ClockFiller(world.log, world.book, ClockWriter(world.folder))
    while filler.step():
        pass
    filler.close()


def test_times_of_forgotten_boots_stay(tmp_path: Path) -> None:
    world = World(tmp_path, segment_lines=10)
    boots_of_a_device(world, 2 * BOOTS_MAX)
    world.learn()
    assert max(world.errors_s()) == 0


@pytest.mark.parametrize("harm", ["lost", "damaged"])
def test_lost_files_are_made_again_also_for_forgotten_boots(tmp_path: Path, harm: str) -> None:
    world = World(tmp_path, segment_lines=10)
    boots_of_a_device(world, 2 * BOOTS_MAX)
    world.learn()
    world.book.save()
    for path in world.folder.glob("*.clock"):
        if harm == "lost":
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[:-1])
    world.book = world.open()
    world.book.find_lost()
    world.learn()
    assert max(world.errors_s()) > 1000
    fill(world)
    assert max(world.errors_s()) == 0
    assert world.book.unlooked is None


def test_lines_from_before_the_book_get_times_also_over_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_book, "LOOK_BACK_BYTES_MAX", 1)
    monkeypatch.setattr(clock_filler, "BLOCK_BYTES", 500)
    world = World(tmp_path, segment_lines=7)
    boots_of_a_device(world, 2 * BOOTS_MAX)
    world.index()
    world.book = world.open()
    world.learn()
    assert sum(error > 1 for error in world.errors_s()) > 30
    before = world.book.unlooked
    filler = ClockFiller(world.log, world.book, ClockWriter(world.folder))
    for _ in range(5):
        assert filler.step()
    filler.write()
    world.book.save()
    filler.close()
    world.book = world.open()
    assert world.book.unlooked == before
    world.learn()
    fill(world)
    assert max(world.errors_s()) == 0
    world.book.save()
    assert world.open().unlooked is None


def test_a_book_of_an_earlier_version_reads_what_was_before_it(world: World) -> None:
    backlog(world)
    world.learn()
    world.book.save()
    file = world.folder.parent / FILE_NAME
    saved = json.loads(file.read_bytes())
    del saved["unlooked"], saved["clocked"]
    file.write_text(json.dumps(saved))
    world.book = world.open()
    assert world.book.unlooked == (0, 6)


def test_what_can_not_be_read_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_book, "LOOK_BACK_BYTES_MAX", 1)
    world = World(tmp_path, segment_lines=10)
    boots_of_a_device(world, 2 * BOOTS_MAX)
    first, second, *_ = list_segments(world.folder)
    first.path.rename(first.packed_path)  # no packed file
    world.book = world.open()
    world.learn()
    fill(world)
    assert (world.book.unlooked, second.clock_path.exists()) == (None, True)


def test_a_late_line_of_a_forgotten_boot_has_its_time(tmp_path: Path) -> None:
    world = World(tmp_path, segment_lines=10)
    boots_of_a_device(world, 2 * BOOTS_MAX)
    world.learn()
    for seq in (1, 7):
        world.store(START + 90 * HOUR + seq, START + 10**7 * (seq + 1), entry((seq + 1) * 10_000, seq, 0))
        world.learn()
        assert max(world.errors_s()) == 0


# --- the start of a boot


def start_errors_s(clock: BootClock, drift: float, uptimes_ms: list[int]) -> float:
    return max(
        abs(part_of(clock.parts, uptime).start_us - START - uptime * 1000 * drift) / 1e6
        for uptime in uptimes_ms
    )


@pytest.mark.parametrize("drift", [-2e-5, 0, 2e-5])
def test_the_clock_of_a_device_may_drift_for_a_month_with_a_day_offline(drift: float) -> None:
    clock, chance = BootClock(), random.Random(1)
    uptimes = range(0, 30 * 24 * HOUR_MS, 600_000)
    offline = range(10 * 24 * HOUR_MS, 11 * 24 * HOUR_MS)
    online_at = START + int(offline.stop * 1000 * (1 + drift))
    for sequence, uptime_ms in enumerate(uptimes):
        truth = START + int(uptime_ms * 1000 * (1 + drift))
        delay = int(chance.expovariate(1) * 300_000)
        clock.see(uptime_ms, max(truth, online_at if uptime_ms in offline else 0) + delay, None, sequence)
    assert start_errors_s(clock, drift, [*uptimes]) < 2
    assert len(clock.parts) < PARTS_MAX


def test_a_counter_of_32_bits_may_begin_again(world: World) -> None:
    end_ms = (1 << 32) - 1000
    for seq, uptime_ms in enumerate(range(end_ms - 3000, end_ms + 5000, 1000)):
        truth = START + (uptime_ms - end_ms) * 1000
        world.store(truth, truth, entry(uptime_ms % (1 << 32), seq))
    world.learn()
    assert max(world.errors_s()) < 0.001


def test_after_a_clock_was_set_its_times_before_do_not_count() -> None:
    clock = BootClock()
    clock.see(1000, START + 10**6, START - 500 * HOUR, 0)  # the clock kept an old time
    clock.see(2000, START + 2 * 10**6, None, 1)
    clock.see(3000, START + 3 * 10**6 + 50_000, START + 3 * 10**6, 2)
    [part] = clock.parts
    assert (part.start_us, part.low, part.high) == (START, 1, 1)
