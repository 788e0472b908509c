"""Word filters: what they leave out holds no match, and answers are those without them, whatever is damaged."""

import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, note, settings
from hypothesis import strategies as st

from logboom.journal import index as index_module
from logboom.journal import segments as segments_module
from logboom.journal.folder_log import FolderLog
from logboom.journal.index import rebuild_index
from logboom.journal.segments import Segment
from logboom.query import indexer as indexer_module
from logboom.query import spans as spans_module
from logboom.query import word_builder as builder_module
from logboom.query.filter.filter_error import FilterError
from logboom.query.filter.needed_words import word_test
from logboom.query.filter.parser import parse
from logboom.query.indexer import Indexer
from logboom.query.line_words import add_numbers, line_words
from logboom.query.matching import Filter
from logboom.query.search import Search
from logboom.query.spans import Steps
from tests.kit.naive_filter import NaiveEntry
from tests.kit.queries import BLOCKS, QUERIES, block_of

Lines = list[tuple[Any, bool, str, str]]


@given(BLOCKS, QUERIES)
@example([({"temp": 2100.0}, True, "Pump", "http")], "temp:2100")
@example([({"temp": "2.1e3"}, True, "Pump", "http")], "temp:2100")
@example([({"temp": "02100"}, True, "Pump", "http")], "temp=2100")
@example([({"msg": {"a": "x\ny"}}, True, "Pump", "http")], "message:ny")
@example([({"source": "x" * 126 + "-abcd"}, True, "Pump", "http")], "source:*-a")
@example([({"id": 12345678.0, "temp": 1, "rh": 2, "lux": 3}, True, "Pump", "http")], "source:12345678.0")
@example([({"msg": "dry\nvalve"}, True, "Pump", "http")], "valve")
@example([({"msg": "\\new é"}, False, "Pump", "http")], "new")
@example([({"msg": "\\\\new é\u0301"}, True, "Pump", "http")], "new")
@settings(max_examples=60, deadline=None)
def test_lines_that_match_have_the_words_that_a_query_needs(lines: Lines, query: str) -> None:
    try:
        condition = parse(query)
    except FilterError:
        return
    test = word_test(condition)
    if test is None:
        return
    for line in lines:
        data, [entry] = block_of([line])
        words = line_words(data, 1)
        assert words is not None
        add_numbers(words)
        note(f"{query!r} of {data!r} with {sorted(words)}")
        assert test(lambda word, words=words: int(word in words)) or not entry.meets(condition)  # type: ignore[misc]


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (segments_module, index_module):
        monkeypatch.setattr(module, "INDEX_STEP_BYTES", 700)
    monkeypatch.setattr(indexer_module, "BLOCK_BYTES", 300)
    monkeypatch.setattr(indexer_module, "NEWEST_STEP_BYTES", 4000)
    monkeypatch.setattr(indexer_module, "sync_file", None)
    monkeypatch.setattr(builder_module, "PART_WORDS", 30)


def write(folder: Path, lines: Lines, segment_lines: int) -> list[NaiveEntry]:
    folder.mkdir(exist_ok=True)
    for start in range(0, len(lines), segment_lines):
        segment = Segment.at(folder, start)
        segment.path.write_bytes(block_of(lines[start : start + segment_lines])[0])
        rebuild_index(segment)
    return block_of(lines)[1]


def index(folder: Path) -> Indexer:
    indexer = Indexer(folder, FolderLog(folder))
    while indexer.advance():
        pass
    return indexer


def spoil(folder: Path, chance: random.Random) -> None:
    """Damage, cut, delete and exchange some of the files."""
    for path in sorted(folder.glob("*.words")):
        kind, data = chance.randrange(6), bytearray(path.read_bytes())
        if kind == 0:
            path.unlink()
        elif kind == 1:
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            path.write_bytes(data)
        elif kind == 2:
            path.write_bytes(data[: chance.randrange(len(data))])
        elif kind == 3:
            path.write_bytes(min(folder.glob("*.words")).read_bytes())


@settings(max_examples=6, deadline=None)
@given(
    st.integers(0, 2**32),
    st.lists(BLOCKS, min_size=10, max_size=12),
    st.lists(QUERIES, min_size=6, max_size=6),
)
def test_answers_are_those_without_filters(
    tmp_path_factory: pytest.TempPathFactory, seed: int, blocks: list[Lines], queries: list[str]
) -> None:
    folder, chance = tmp_path_factory.mktemp("j") / "journal", random.Random(seed)
    entries = write(folder, [line for block in blocks for line in block], chance.choice([9, 25, 1000]))
    index(folder)
    if chance.random() < 0.5:
        spoil(folder, chance)
    log, count = FolderLog(folder), len(entries)
    for query in queries:
        try:
            condition = parse(query)
        except FilterError:
            continue
        note(query)
        start, end = sorted(chance.choices([0, count, chance.randrange(count + 1)], k=2))
        expected = [n for n in range(start, end) if entries[n].meets(condition)]
        wanted = Filter(text=query, since=chance.choice(["", "2026-11-30T14:00:00.000000+00:00"]))
        assert pages(log, wanted, start, end, give_up=chance.random() < 0.5) == expected[::-1]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(spans_module, "RANGES_MAX", chance.choice([1, 2, 20_000]))
            forward = Search(log).forward(wanted, 10**6, start=start, end=end)
        assert [one.record.sequence for one in forward.found] == expected
        assert not forward.more


def pages(log: FolderLog, wanted: Filter, start: int, end: int, *, give_up: bool) -> list[int]:
    """The sequences of a search, which may be ended after each step."""
    search, found, more = Search(log, lambda: give_up), list[int](), True
    while more:
        page = search.backward(wanted, 10**6, start=start, end=end)
        found += [one.record.sequence for one in page.found]
        assert page.first < end or not page.more, "it would never come to its end"
        more, end = page.more, page.first
    return found


def test_nothing_but_filters_and_what_they_leave_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    lines: Lines = [({"msg": f"pump {n} started"}, True, "Pump", "http") for n in range(300)]
    write(folder, lines, 100)
    assert index(folder).progress == (2, 2)
    for path in sorted(folder.glob("*.jsonl"))[:2]:
        path.write_bytes(b"\n" * path.stat().st_size)  # nothing of them can be read
    log = FolderLog(folder)
    for query in ("quetzalcoatl", "pump (quetzal or nothing)", "device:x", '"pump 512"', '~"a quetzal or"'):
        assert log.take_damaged_words() == set()
        steps = list(Steps(log, Filter(text=query)).back(0, 300))
        assert sum(step.size for step, _ in steps if step.segment < 200) < 3000, query


def test_damaged_filters_are_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    write(folder, [({"msg": f"pump {n} started"}, True, "Pump", "http") for n in range(300)], 100)
    indexer = index(folder)
    path = folder / f"{100:020d}.words"
    data = path.read_bytes()
    path.write_bytes(b"".join(data[at : at + 4095] + b"x" for at in range(0, len(data), 4096)))
    log = indexer._log
    found = Search(log).backward(Filter(text="150"), 10).found
    assert [one.record.sequence for one in found] == [150]
    while indexer.advance():
        pass
    assert path.read_bytes() == data
    assert log.take_damaged_words() == set()


DIES = """
import os, signal, sys
from pathlib import Path
from logboom.journal import word_filters as words
from logboom.journal.folder_log import FolderLog
from logboom.query import indexer

def dying(segment, pieces, sync):
    def some():
        yield next(pieces)
        os.kill(os.getpid(), signal.SIGKILL)
    words.replace_file(segment.words_path, some(), sync=sync)

indexer.write_words = dying
folder = Path(sys.argv[1])
it = indexer.Indexer(folder, FolderLog(folder))
while it.advance():
    pass
"""


def test_a_kill_while_filters_are_written_costs_nothing_but_their_making(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    write(folder, [({"msg": f"pump {n} started"}, True, "Pump", "http") for n in range(300)], 100)
    done = subprocess.run([sys.executable, "-c", DIES, str(folder)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert [path.suffix for path in folder.glob(".*.words.*")] == [".new"]
    for _ in range(2):
        found = Search(FolderLog(folder)).backward(Filter(text="150"), 10).found
        assert [one.record.sequence for one in found] == [150]
        index(folder)
    assert not list(folder.glob(".*"))
    assert len(list(folder.glob("*.words"))) == 3
