"""The book of devices: gaps, late lines, reboots, crash loops; its file."""

import random
from pathlib import Path
from typing import Any

import msgspec
import pytest

from logboom.journal.log import Block
from logboom.ops.devices.boot import GAPS_MAX, DeviceBoot
from logboom.ops.devices.device_book import DETAILS_KEPT, DEVICES_MAX, FILE_NAME, DeviceBook
from logboom.query.device_question import DeviceQuestion
from tests.kit.clock import Clock

START = 1_700_000_000.0


class Log:
    """A journal with an end."""

    end = 0

    def oldest(self) -> int:
        return 0

    def steps_back(self, start: int, end: int) -> list[Any]:
        return []


class Bench:
    """A book, and lines that arrive at the clock's time."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock(START)
        self.folder = folder
        self.log = Log()
        self.reports: list[str] = []
        self.book = self.open()

    def open(self) -> DeviceBook:
        return DeviceBook(self.folder, self.log, lambda _, text: self.reports.append(text), wall=self.clock)  # type: ignore[arg-type]

    def send(self, *entries: dict[str, Any], name: str = "d") -> None:
        received_at = self.book._before(0.0)
        lines = [
            msgspec.json.encode(
                {
                    "received_at": received_at,
                    "entry": {"device": name, **entry},
                    "source": "10.0.0.1",
                    "listener": "l",
                }
            )
            for entry in entries
        ]
        self.book.take(Block(self.log.end, len(lines), b"\n".join(lines) + b"\n"))
        self.log.end += len(lines)

    def device(self, name: str = "d") -> dict[str, Any]:
        [found] = self.book.document(DeviceQuestion(10, name))["devices"]
        return dict(found)

    def gaps(self) -> list[tuple[int, int, int]]:
        return [(one["boot_seq"], one["first"], one["last"]) for one in self.device()["gaps"]]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def line(seq: int | None, boot: int = 1, **more: Any) -> dict[str, Any]:
    return {"boot_seq": boot, "seq": seq, "uptime_ms": (seq or 0) * 1000, **more}


def test_a_gap_counts_after_the_grace_time_and_closes_when_its_lines_come(bench: Bench) -> None:
    bench.send(line(1), line(2), line(6))
    assert (bench.device()["missing"], bench.device()["waiting"], bench.book.gaps()) == (0, 3, [])
    bench.clock.now += 61
    assert (bench.device()["missing"], bench.gaps()) == (3, [(1, 3, 5)])
    [trouble] = bench.book.gaps()
    assert trouble.text == "3 lines missing, last seq 3 to 5 of boot 1"
    bench.send(line(4))
    assert (bench.device()["missing"], bench.device()["late"], bench.gaps()) == (2, 1, [(1, 3, 3), (1, 5, 5)])
    bench.send(line(5), line(3), line(3), line(6))
    assert (bench.device()["missing"], bench.device()["late"], bench.gaps()) == (0, 3, [])
    assert bench.book.gaps() == []


def test_a_gap_is_news_for_an_hour(bench: Bench) -> None:
    bench.send(line(1), line(3))
    bench.clock.now += 3700
    assert (bench.book.gaps(), bench.device()["missing"]) == ([], 1)


def test_gaps_belong_to_a_device_and_a_boot(bench: Bench) -> None:
    bench.send(line(0), line(1), line(0, boot=2), line(2, boot=2), line(2))
    bench.send(line(7), name="other")
    assert bench.gaps() == [(2, 1, 1)]
    assert bench.device("other")["gaps"] == []


def test_the_first_lines_of_a_boot_are_missed_once_it_is_known_with_which_one_boots_begin(
    bench: Bench,
) -> None:
    bench.send(line(5), line(0, boot=2), line(1, boot=2), line(3, boot=3))
    assert bench.gaps() == [(3, 0, 2)]


def test_a_reboot_has_the_last_uptime_before_and_its_reason(bench: Bench) -> None:
    bench.send(line(1), line(None, uptime_ms=90_000), line(0, boot=2, reset_reason="brownout"), line(2))
    [reboot] = bench.device()["reboot_list"]
    assert (reboot["boot"], reboot["before"], reboot["uptime_ms"], reboot["reason"]) == (
        2,
        1,
        90_000,
        "brownout",
    )
    [event] = bench.book.document(DeviceQuestion(5))["events"]
    assert (event["kind"], event["name"], event["boot"]) == ("reboot", "d", 2)
    assert bench.device()["boots"] == 2


def test_reboots_and_gaps_are_events_until_the_gap_closes(bench: Bench) -> None:
    def events(**asked: Any) -> list[tuple[str, ...]]:
        found = bench.book.document(DeviceQuestion(5, **asked))["events"]
        return [(one["kind"], one["given_name"] or one["name"]) for one in found]

    bench.send(line(1), line(5))
    bench.clock.now += 10
    bench.send(line(1), line(0, boot=2), line(3, boot=2), name="e")
    assert events() == [("reboot", "e")]
    bench.clock.now += 61
    bench.book.give_name("l", "e", "boiler")
    assert events() == [("reboot", "boiler"), ("gap", "boiler"), ("gap", "d")]
    assert events(find="boil") == [("reboot", "boiler"), ("gap", "boiler")]
    bench.send(line(1, boot=2), line(2, boot=2), name="e")
    assert events() == [("reboot", "boiler"), ("gap", "d")]
    [gap] = [one for one in bench.book.document(DeviceQuestion(5, "d"))["events"] if one["kind"] == "gap"]
    assert (gap["boot"], gap["first"], gap["last"], gap["lines"]) == (1, 2, 4, 3)


def test_a_clock_that_was_never_set_is_shown(bench: Bench) -> None:
    bench.send(line(1, ts="1970-01-01T00:00:10Z"))
    assert bench.device()["clock_off"]
    bench.send(line(2, ts=bench.book._before(0.0)))
    assert (bench.device()["clock_off"], bench.device()["clock_s"]) == (False, 0.0)
    bench.send(line(3, ts=None))
    assert bench.device()["clock_s"] == 0.0


def test_a_crash_loop_ends_when_the_device_keeps_running(bench: Bench) -> None:
    for boot in range(1, 5):
        bench.send(line(0, boot=boot, reset_reason="panic"), line(20, boot=boot))
    [loop] = bench.book.loops()
    assert loop.text == "restarted 3 times in a row after a few minutes, reason: panic"
    bench.send(line(21, boot=4, uptime_ms=600_000))
    assert bench.book.loops() == []


def test_figures_and_clock_are_shown(bench: Bench) -> None:
    ahead = "2023-11-14T22:14:00+00:00"  # 40 s after the start
    bench.send(line(1, ts=ahead, fw="1.2", system={"heap_free": 5}, rssi=-60))
    found = bench.device()
    assert (found["firmware"], found["heap"], found["signal"], found["clock_s"]) == (
        "1.2",
        [5.0],
        -60.0,
        40.0,
    )
    assert found["boot_list"][0]["started_at"] == "2023-11-14T22:13:19.000000+00:00"
    assert found["boot_list"][0]["started_from"] == "received"  # by its own clock, it would be yet to come


@pytest.mark.parametrize("value", [None, True, "1", 1.5, -1, [1], {"a": 1}, 1 << 60])
def test_lines_that_count_nothing_are_left_out(bench: Bench, value: object) -> None:
    bench.send({"boot_seq": value, "seq": 1, "uptime_ms": 1})
    assert bench.book.known == 0
    bench.send(
        {"boot_seq": 1, "seq": value, "uptime_ms": value, "fw": value, "heap_free": value, "ts": value}
    )
    assert bench.device()["missing"] == 0


def test_the_book_survives_a_restart_and_a_damaged_file(bench: Bench) -> None:
    bench.send(line(1), line(4))
    bench.book.save()
    before = bench.device()
    bench.book = bench.open()
    assert (bench.device(), bench.book.position) == (before, 2)
    (bench.folder / FILE_NAME).write_text("{")
    bench.book = bench.open()
    assert (bench.book.known, bench.book.position) == (0, 0)
    assert "can't be read" in bench.reports[0]


def test_the_book_is_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("logboom.ops.devices.device_book.DEVICES_MAX", 10)
    assert DEVICES_MAX > 1000
    for number in range(15):
        bench.clock.now += 1
        bench.send(line(1), name=f"d{number}")
    assert (bench.book.known, bench.book.evicted) == (10, 5)
    bench.send(*(line(seq, boot=boot) for boot in range(1, 40) for seq in range(0, 400, 2)))
    assert len(bench.device()["gaps"]) == 8 * GAPS_MAX
    assert bench.device()["missing"] + bench.device()["waiting"] == 39 * 199
    monkeypatch.setattr("logboom.ops.devices.device_book.DETAILS_MAX", 100)
    monkeypatch.setattr("logboom.ops.devices.device_book.DETAILS_LINES", 1)
    bench.send(line(400, boot=39))
    assert len(bench.device()["gaps"]) == 8 * DETAILS_KEPT
    assert bench.device()["missing"] + bench.device()["waiting"] == 39 * 199 + 1


@pytest.mark.parametrize("seed", range(5))
def test_gaps_are_exactly_what_did_not_come(seed: int) -> None:
    numbers = random.Random(seed)
    sent = list(range(200))
    lost = set(numbers.sample(sent[1:-1], 20))
    arrived = [seq for seq in sent if seq not in lost]
    for place in range(1, len(arrived) - 1):
        other = min(len(arrived) - 2, place + numbers.randrange(4))
        arrived[place], arrived[other] = arrived[other], arrived[place]
    boot = DeviceBoot(1, "", "")
    for seq in arrived + numbers.sample(arrived, 30):  # the rest comes again
        boot.count(seq, "")
    missing = {seq for gap in boot.gaps for seq in range(gap.low, gap.high + 1)}
    assert (missing, boot.missing, boot.lines) == (lost, 20, 180)
