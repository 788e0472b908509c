"""Cache of step aggregates: each step is read once, newest first, and the cache is bounded."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from logboom.formats.buckets import microseconds
from logboom.journal import segments as segments_module
from logboom.journal.folder_log import FolderLog
from logboom.journal.log import Step
from logboom.query import step_cache as cache_module
from logboom.query.matching import Filter, Matcher
from logboom.query.search import Search
from logboom.query.step_cache import PART_SIZE, StepCache
from logboom.testing.output_kit import write_journal

COUNT = 600


@dataclass
class Sequences:
    """A part that knows its entries."""

    found: list[int]
    steps: list[int]
    since: int = 0
    until: int = 1

    merges_well: bool = False
    """Many steps take as much room as one."""

    def __len__(self) -> int:
        if self.merges_well:
            return 10 if self.found else 0
        return 10 * len(self.steps)

    def with_older(self, older: "list[Sequences]") -> "Sequences":
        return Sequences(
            [found for one in (*older[::-1], self) for found in one.found],
            [step for one in (self, *older) for step in one.steps],
            min(one.since for one in (self, *older)),
            max(one.until for one in (self, *older)),
            self.merges_well,
        )


class World:
    """A journal of many steps, and how often they were read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = FolderLog(folder)
        self.reads: list[int] = []
        self.merges_well = False

    def read(self, step: Step, matcher: Matcher) -> Sequences:
        self.reads.append(step.start)
        blocks = self.log.blocks_of(step)
        found = [one.record for block in blocks for one in matcher.first(block, block.count)]
        times = [microseconds(record.received_at) for record in found]
        return Sequences(
            [record.sequence for record in found],
            [step.start] if found else [],
            min(times, default=1 << 62),
            max(times, default=-1) + 1,
            self.merges_well,
        )

    def ask(
        self,
        kept: StepCache[Sequences],
        text: str = "",
        steps_max: int = 10_000,
        since: str = "",
        until: str = "",
    ) -> list[int]:
        """The sequences that were found; the steps that were read are in `reads`."""
        self.reads, found = [], list[int]()
        for part, progress in kept.back(
            Filter(text=f"*{text}*", since=since, until=until, by_arrival=True), "", self.read
        ):
            found[:0] = part.found
            self.progress = progress
            if len(self.reads) >= steps_max:
                break
        return found


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    for module in (segments_module, __import__("logboom.journal.index", fromlist=["index"])):
        monkeypatch.setattr(module, "INDEX_STEP_BYTES", 3000)
    write_journal(tmp_path, [b'{"n":%d}' % number for number in range(COUNT)], segment_lines=10_000)
    return World(tmp_path / "journal")


def test_each_step_is_read_once_but_the_newest(world: World) -> None:
    kept = StepCache[Sequences](world.log, 10_000)
    assert world.ask(kept) == list(range(COUNT))
    steps = world.reads
    assert len(steps) > 10
    assert steps == sorted(steps, reverse=True)
    assert world.ask(kept) == list(range(COUNT))
    assert world.reads == steps[:1]


def test_a_query_gets_to_its_end_whatever_the_room(world: World) -> None:
    """Ask as a page does until all is counted: each request reads few steps that are not cached."""
    world.merges_well = True
    steps = len(list(world.log.steps_back(0, COUNT)))
    kept, queries = StepCache[Sequences](world.log, 5 * (10 + PART_SIZE)), 0
    while world.ask(kept, steps_max=4) != list(range(COUNT)):
        queries += 1
        assert queries <= steps
    assert world.progress == 1
    assert queries >= steps / 4
    world.ask(kept)
    assert len(world.reads) == 1
    assert sum(run.size for run in _runs(kept)) <= 5 * (10 + PART_SIZE)


def test_a_time_range_that_ends_within_merged_steps_is_exact_and_gets_to_its_end(world: World) -> None:
    world.merges_well = True
    kept = StepCache[Sequences](world.log, 5 * (10 + PART_SIZE))
    world.ask(kept)
    [record] = [one.record for one in Search(world.log).forward(Filter(), 1, start=100).found]
    for times, wanted in (
        ({"since": record.received_at}, list(range(100, COUNT))),
        ({"until": record.received_at}, list(range(100))),
        ({"since": record.received_at}, list(range(100, COUNT))),
    ):
        queries = 0
        while (found := world.ask(kept, steps_max=4, **times)) != wanted:
            assert set(found) < set(wanted)
            queries += 1
            assert queries <= 30


def test_steps_of_an_older_time_are_kept_as_well(world: World) -> None:
    """Aggregates newer than the range that is asked for make room."""
    kept = StepCache[Sequences](world.log, 5 * (10 + PART_SIZE))
    world.ask(kept)
    [record] = [one.record for one in Search(world.log).forward(Filter(), 1, start=40).found]
    for _ in range(2):
        assert world.ask(kept, until=record.received_at) == list(range(40))
    assert len(world.reads) == 1


def test_only_the_end_of_the_newest_segment_is_read_again(tmp_path: Path, world: World) -> None:
    folder = tmp_path / "many"
    write_journal(folder, [b'{"n":%d}' % number for number in range(COUNT)], segment_lines=90)
    world.log = FolderLog(folder / "journal")
    kept = StepCache[Sequences](world.log, 10_000)
    for _ in range(2):
        assert world.ask(kept) == list(range(COUNT))
    assert len(world.reads) == 1


def _runs(kept: StepCache[Sequences]) -> list[Any]:
    return [run for picture in kept._pictures.values() for run in picture.runs.values()]


def test_filters_are_told_apart(world: World) -> None:
    kept = StepCache[Sequences](world.log, 10_000)
    world.ask(kept)
    for _ in range(2):
        assert world.ask(kept, "7") == [number for number in range(COUNT) if "7" in str(number)]
    assert len(world.reads) == 1


def test_who_stops_goes_on_from_there(world: World) -> None:
    kept = StepCache[Sequences](world.log, 10_000)
    some = world.ask(kept, steps_max=4)
    assert some == list(range(some[0], COUNT))
    first = world.reads
    assert world.ask(kept) == list(range(COUNT))
    assert world.reads[0] == first[0]
    assert not set(world.reads[1:]) & set(first)


def test_the_newest_are_kept_when_there_is_no_room_for_all(world: World) -> None:
    kept = StepCache[Sequences](world.log, 50)
    for _ in range(3):
        assert world.ask(kept) == list(range(COUNT))
        assert world.progress == 1
    steps = [step.start for step in world.log.steps_back(0, COUNT)]
    assert world.reads == [steps[0], *steps[5:]]


def test_the_picture_that_was_asked_for_least_lately_makes_room(world: World) -> None:
    steps = len(list(world.log.steps_back(0, COUNT)))
    kept = StepCache[Sequences](world.log, (steps + 2) * (10 + PART_SIZE))
    for text in ("1", "2"):
        world.ask(kept, text)
    world.ask(kept, "2")
    assert len(world.reads) == 1
    world.ask(kept, "1")
    assert len(world.reads) > steps / 2
    world.ask(kept, "1")
    assert len(world.reads) == 1


def test_pictures_are_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "PICTURES_MAX", 3)
    kept = StepCache[Sequences](world.log, 10_000)
    for text in "12345":
        world.ask(kept, text)
    for text, was_kept in (("5", True), ("4", True), ("3", True), ("1", False)):
        world.ask(kept, text)
        assert (len(world.reads) == 1) is was_kept


def test_the_room_of_a_picture_that_is_forgotten_is_free_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "PICTURES_MAX", 1)
    steps = len(list(world.log.steps_back(0, COUNT)))
    kept = StepCache[Sequences](world.log, steps * (10 + PART_SIZE))
    for text in ("", "1", "", "1"):
        world.ask(kept, text)
        assert len(world.reads) == steps
        world.ask(kept, text)
        assert len(world.reads) == 1


def test_steps_without_a_match_take_little_room(world: World) -> None:
    steps = len(list(world.log.steps_back(0, COUNT)))
    kept = StepCache[Sequences](world.log, steps)
    world.ask(kept, "no entry has this")
    world.ask(kept, "no entry has this")
    assert len(world.reads) == 1


def test_what_could_not_be_read_whole_is_not_kept(world: World) -> None:
    kept = StepCache[Sequences](world.log, 10_000)
    path = next(world.folder.glob("*.jsonl"))
    aside, seen = path.with_suffix(".aside"), list[int]()
    for part, _ in kept.back(Filter(), "", world.read):
        seen += part.found
        if path.exists():
            path.rename(aside)
    assert 0 < len(seen) < COUNT
    aside.rename(path)
    assert world.ask(kept) == list(range(COUNT))
