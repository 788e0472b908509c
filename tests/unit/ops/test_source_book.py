"""The source book: who sends, how often, who is silent; never wrong for what the server itself did not see."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from logboom.journal.log import Block
from logboom.journal.segments import suffix
from logboom.ops import source_book as sources_module
from logboom.ops.source_book import FORGET_S, SourceBook
from logboom.ops.source_lines import MESSAGE_CHARS_MAX, senders_of

START_WALL = 1_780_000_000.0

SENSOR = 121
"""Entries of a source that speaks every 5 seconds, until it is one that is waited for."""


class World:
    """A clock that is set by hand, a wall clock beside it, and a journal of nothing but a number."""

    def __init__(self, data_dir: Path, **options: Any) -> None:
        self.now = 1000.0
        self.wall_ahead = START_WALL - self.now
        self.end = 0
        self.told: list[str] = []
        self.data_dir = data_dir
        self.options = options
        self.open()

    def open(self) -> None:
        self.book = SourceBook(
            self.data_dir,
            lambda: self.end,
            lambda _kind, text: self.told.append(text),
            clock=lambda: self.now,
            wall=lambda: self.now + self.wall_ahead,
            **self.options,
        )

    def send(self, *entries: dict[str, Any], peer: str = "10.0.0.1", listener: str = "device") -> None:
        """Entries that come now, and are read at once."""
        self.end += len(entries)
        block = block_of(self.end - len(entries), self.now + self.wall_ahead, entries, peer, listener)
        self.book.take(senders_of(block), self.end)

    def every(self, seconds: float, times: int, *entries: dict[str, Any], **where: str) -> None:
        for _ in range(times):
            self.now += seconds
            self.send(*(entries or ({"msg": "tick"},)), **where)

    def silent(self) -> list[str]:
        return [one.name for one in self.book.silences()]

    def only(self) -> dict[str, Any]:
        [source] = self.book.document(10)["sources"]
        return dict(source)


def block_of(first: int, wall: float, entries: Any, peer: str, listener: str) -> Block:
    received = datetime.fromtimestamp(wall, UTC).isoformat(timespec="microseconds")
    head = b'{"received_at":"%b","entry":' % received.encode()
    lines = [head + json.dumps(entry).encode() + suffix(peer, listener) for entry in entries]
    return Block(first, len(lines), b"".join(lines))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_source_is_told_as_it_is(world: World) -> None:
    world.send({"level": "info", "msg": "first"})
    world.every(5.0, 11, {"level": "warn", "msg": "x" * 300})
    world.now += 2.0
    assert world.only() == {
        "name": "10.0.0.1",
        "listener": "device",
        "peer": "10.0.0.1",
        "first_seen": "2026-05-28T20:26:40.000000+00:00",
        "last_seen": "2026-05-28T20:27:35.000000+00:00",
        "silent_s": 2.0,
        "entries": 12,
        "interval_s": 5.0,
        "state": "live",
        "level": "WARNING",
        "message": "x" * MESSAGE_CHARS_MAX,
        "clock_s": None,
        "clock_off": False,
    }


@pytest.mark.parametrize(
    ("ts", "clock_s", "is_off"),
    [
        ("2026-05-28T20:26:35Z", -5.0, False),
        ("2026-05-28T20:28:20.5Z", 100.5, False),
        ("2026-05-28T22:26:40Z", 7200.0, True),
        ("2026-05-20T20:26:40Z", -8 * 86400.0, False),
        ("1970-01-01T00:00:10Z", 10 - 1780000000.0, True),
        (1779999940, -60.0, False),
        ("noon", None, False),
        (None, None, False),
    ],
)
def test_the_clock_of_a_source_is_shown_with_its_error(
    world: World, ts: object, clock_s: float | None, is_off: bool
) -> None:
    world.send({"msg": "first", "ts": ts})
    assert (world.only()["clock_s"], world.only()["clock_off"]) == (clock_s, is_off)


@pytest.mark.parametrize("size", [10, 150, 5000])
def test_the_last_entry_is_described_however_long_it_is(world: World, size: int) -> None:
    world.send({"level": "info", "msg": "before"})
    assert world.only()["message"] == "before"
    world.send({"level": "error", "msg": "a"}, {"level": "warn", "msg": "b", "more": "x" * size})
    assert (world.only()["level"], world.only()["message"]) == ("WARNING", "b")
    world.book.save()
    world.send({"level": "debug", "msg": "after"})
    assert (world.only()["level"], world.only()["message"]) == ("DEBUG", "after")


def test_a_name_of_its_own_goes_before_the_address(world: World) -> None:
    world.send({"msg": "a", "device": "pump"}, {"msg": "b", "device": "valve"}, {"msg": "c"})
    world.send({"id": "e464", "temp": 1, "rh": 2, "lux": "3"}, listener="gateway")
    document = world.book.document(10)
    assert {(one["listener"], one["name"]) for one in document["sources"]} == {
        ("device", "pump"),
        ("device", "valve"),
        ("device", "10.0.0.1"),
        ("gateway", "e464"),
    }
    assert document["total"] == 4


@pytest.mark.parametrize(
    "entry",
    [
        {"device": "", "id": "e1", "temp": 1, "rh": 2, "lux": 3},
        {"device": ["no", "name"], "host": "h"},
        {"source": 7},
        {"source": True, "service": 1.5},
        {"host": {"name": "x"}},
        {"id": "e1"},
    ],
)
def test_names_are_the_same_as_everywhere(world: World, entry: dict[str, Any]) -> None:
    from logboom.formats.records import sender  # noqa: PLC0415

    world.send(entry)
    assert world.only()["name"] == sender(entry, "10.0.0.1")


def test_the_newest_stand_first_and_the_limit_counts(world: World) -> None:
    for number in range(5):
        world.now += 1
        world.send({"device": f"d{number}"})
    assert [one["name"] for one in world.book.document(2)["sources"]] == ["d4", "d3"]


def test_a_sensor_falls_silent_and_comes_back(world: World) -> None:
    world.every(5.0, SENSOR)
    world.now += 20
    assert world.only()["state"] == "late"
    assert world.silent() == []
    world.now += 41
    assert world.silent() == ["10.0.0.1"]
    assert world.only()["state"] == "silent"
    [silence] = world.book.silences()
    assert silence.silent_s == pytest.approx(61.0)
    assert silence.typical_s == pytest.approx(5.0)
    world.send({"msg": "back"})
    assert world.silent() == []
    assert world.only()["state"] == "live"


def test_damaged_lines_and_levels_in_all_spellings_do_no_harm(world: World) -> None:
    good = block_of(0, START_WALL, [{"msg": "a"}, {"severity": "error", "message": ["l1", "l2"]}], "p", "x")
    damaged = Block(0, 3, good.data + b'{"received_at":"nonsense"\n')
    world.end = 3
    world.book.take(senders_of(damaged), 3)
    assert world.only()["entries"] == 2
    assert world.only()["message"] == "l1\nl2"


def test_the_time_without_a_server_is_nobodys_silence(world: World) -> None:
    world.every(5.0, SENSOR)
    world.book.save()
    world.now += 7200
    world.open()
    assert world.silent() == []
    assert world.only()["silent_s"] == 7200.0
    world.now += 61  # but from the start on, it is waited for
    assert world.silent() == ["10.0.0.1"]


def test_the_gap_of_a_restart_is_not_learned(world: World) -> None:
    world.every(5.0, SENSOR)
    world.book.save()
    world.now += 3600
    world.open()
    world.now += 1
    world.send({"msg": "again"})
    world.now += 61
    assert world.silent() == ["10.0.0.1"]


def test_who_was_silent_stays_so_over_a_restart_until_it_speaks(world: World) -> None:
    world.every(5.0, SENSOR)
    world.now += 100
    assert world.silent() == ["10.0.0.1"]
    world.book.save()
    world.now += 10
    world.open()
    assert world.silent() == ["10.0.0.1"]
    world.send({"msg": "back"})
    assert world.silent() == []


def test_nobody_is_called_silent_while_the_journal_or_the_listener_can_not_take_anything(
    world: World,
) -> None:
    world.every(5.0, SENSOR)
    world.every(0.0, 1, {"msg": "x"}, listener="gateway")
    for _ in range(30):
        world.now += 10
        world.book.blind()
        assert world.silent() == []
    for _ in range(30):
        world.now += 10
        world.book.deafen("device")
        assert world.silent() == []
    world.now += 59
    assert world.silent() == []
    world.now += 2
    assert world.silent() == ["10.0.0.1"]


def test_what_was_skipped_may_have_been_from_anybody(world: World) -> None:
    world.every(5.0, SENSOR)
    world.now += 55
    world.end += 10**6
    world.book.skip_to(world.end)
    world.now += 55
    assert world.silent() == []
    assert world.book.document(1)["skipped"] == 10**6
    world.now += 6
    assert world.silent() == ["10.0.0.1"]


def test_while_the_book_is_behind_only_what_it_has_read_counts(world: World) -> None:
    world.every(5.0, SENSOR)
    world.end += 10  # there is more in the journal than was read
    world.now += 600
    assert world.silent() == []


def test_a_wall_clock_that_is_set_fools_nobody(world: World) -> None:
    world.every(5.0, SENSOR)
    world.wall_ahead += 86400 * 365
    world.every(5.0, 5)
    assert world.silent() == []
    assert world.only()["interval_s"] == pytest.approx(5.0)
    world.wall_ahead -= 86400 * 700
    world.every(5.0, 5)
    assert world.silent() == []
    assert world.only()["silent_s"] == pytest.approx(0.0)


def test_errors_come_in_bursts(world: World) -> None:
    world.every(10.0, 30, {"level": "ERROR", "msg": "as always"})
    assert world.book.error_bursts(30, 5.0) == []
    world.send(*[{"level": "critical", "msg": "down"}] * 40)
    [burst] = world.book.error_bursts(30, 5.0)
    assert (burst.listener, burst.name) == ("device", "10.0.0.1")
    assert burst.errors >= 40
    world.now += 61
    assert world.book.error_bursts(30, 5.0) == []


def test_many_sources_with_few_errors_each_are_a_burst_of_all(world: World) -> None:
    world.send(*[{"level": "ERROR", "device": f"d{number}"} for number in range(50)])
    [burst] = world.book.error_bursts(30, 5.0)
    assert (burst.listener, burst.name, burst.errors) == ("", "all sources", 50)


def test_a_burst_that_goes_on_is_one_burst(world: World) -> None:
    """Its source gets used to it before the sum over all sources does."""
    world.every(1.0, 300, {"level": "INFO", "device": "calm"})
    found: set[str] = set()
    for _ in range(300):
        world.every(1.0, 1, {"level": "ERROR", "device": "loud"}, {"level": "ERROR", "device": "loud"})
        world.send({"level": "INFO", "device": "calm"})
        found |= {one.name for one in world.book.error_bursts(30, 5.0)}
    assert found == {"loud"}


def test_a_burst_of_one_source_beside_a_few_errors_of_others_is_one_burst(world: World) -> None:
    found: set[str] = set()
    for second in range(90):
        world.now += 1
        errors = [{"level": "ERROR", "device": "loud"}] * (10 if second < 4 else 0)
        others = [] if second % 3 else [{"level": "ERROR", "device": "other"}]
        world.send({"level": "INFO"}, *others, *errors)
        found |= {one.name for one in world.book.error_bursts(30, 5.0)}
    assert found == {"loud"}


def test_a_burst_of_all_is_not_reported_again_for_each_source(world: World) -> None:
    found: list[str] = []
    for _ in range(40):
        world.now += 1
        world.send(*[{"level": "ERROR", "device": f"d{number}"} for number in range(5)])
        found += [one.name for one in world.book.error_bursts(30, 5.0)]
    assert set(found) == {"all sources"}
    world.now += 130
    world.send(*[{"level": "ERROR", "device": "d1"}] * 400)
    assert [one.name for one in world.book.error_bursts(30, 5.0)] == ["d1"]


ERRORS = [{"level": "ERROR", "msg": "as always"}] * 4


def test_a_source_that_always_sends_many_errors_is_no_news_after_a_restart(world: World) -> None:
    world.every(5.0, 400, *ERRORS)
    assert world.book.error_bursts(30, 5.0) == []
    world.book.save()
    for _ in range(3):
        world.now += 30
        world.open()
        for _ in range(60):
            world.every(5.0, 1, *ERRORS)
            assert world.book.error_bursts(30, 5.0) == []
        world.book.save()
    world.send(*ERRORS * 80)
    assert [one.name for one in world.book.error_bursts(30, 5.0)] == ["10.0.0.1"]


def test_what_senders_have_kept_while_the_server_was_away_is_no_burst(world: World) -> None:
    world.every(60.0, 30, *({"level": "ERROR", "device": f"d{number}"} for number in range(10)))
    world.book.save()
    world.now += 3600
    world.open()
    for number in range(10):
        world.now += 5
        world.send(*[{"level": "ERROR", "device": f"d{number}"}] * 60)
        assert world.book.error_bursts(30, 5.0) == []
    for _ in range(120):
        world.now += 1
        assert world.book.error_bursts(30, 5.0) == []


def test_a_new_source_with_errors_is_told_right_after_a_start(world: World) -> None:
    world.send({"msg": "x"})
    world.book.save()
    world.open()
    world.send(*[{"level": "ERROR", "device": "new"}] * 40)
    assert [one.name for one in world.book.error_bursts(30, 5.0)] == ["new"]


def test_a_source_that_is_forgotten_is_new_when_it_speaks_again(world: World) -> None:
    world.every(5.0, SENSOR)
    world.now += 100
    assert world.silent() == ["10.0.0.1"]
    assert world.book.forget("device", "10.0.0.1")
    assert not world.book.forget("device", "10.0.0.1")
    assert (world.silent(), world.book.known) == ([], 0)
    world.send({"msg": "back"})
    assert world.only()["entries"] == 1


def test_too_many_names_push_out_those_of_whom_little_is_known(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources_module, "SOURCES_MAX", 200)
    world.every(5.0, SENSOR)
    for number in range(1000):
        world.now += 0.01
        world.send({"device": f"made-up-{number}"})
    document = world.book.document(1000)
    assert document["total"] <= 200
    assert world.book.evicted >= 800
    assert "10.0.0.1" in {one["name"] for one in document["sources"]}


def test_a_damaged_file_is_told_and_learning_starts_anew(world: World) -> None:
    world.every(5.0, SENSOR)
    world.book.save()
    path = world.data_dir / "sources.json"
    for content in (path.read_bytes()[:-40], b"", b'{"version":99,"position":1,"sources":[]}', b"\xff"):
        path.write_bytes(content)
        world.told.clear()
        world.open()
        assert len(world.told) == 1
        assert world.book.document(10)["sources"] == []
        assert world.book.position == world.end


def test_a_file_that_can_not_be_written_is_told_once(world: World) -> None:
    (world.data_dir / ".sources.json.new").mkdir()
    world.send({"msg": "a"})
    world.book.save()
    world.book.save()
    assert len(world.told) == 1


def test_who_is_gone_for_a_fortnight_is_forgotten(world: World) -> None:
    world.every(5.0, SENSOR)
    world.now += FORGET_S - 60
    [silence] = world.book.silences()
    assert silence.given_up
    world.now += 120
    world.book.save()
    assert world.silent() == []
    assert world.book.document(1)["total"] == 0
