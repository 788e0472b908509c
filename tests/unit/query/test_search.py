"""Pages of matches, held against looking at every entry."""

import itertools
import json
import random
from pathlib import Path

import pytest

from logboom.formats.envelope import entry_of
from logboom.formats.levels import severity
from logboom.formats.records import records_of, sender
from logboom.formats.times import iso_from_ns
from logboom.journal.folder_log import FolderLog
from logboom.journal.log import Block
from logboom.journal.reader import JournalReader
from logboom.model import Record
from logboom.query.filter.parser import parse
from logboom.query.matching import Filter, Matcher
from logboom.query.search import PAGE_BYTES_MAX, Page, Search
from logboom.testing.output_kit import FIRST_NS, sample_entries, write_journal
from tests.kit.naive_filter import NaiveEntry

FIRST = 20
COUNT = 500


def moment(sequence: int) -> str:
    return iso_from_ns(FIRST_NS + sequence * 1_000_000)


FILTERS = [
    Filter(),
    Filter(level_min=severity("INFO")),
    Filter(level_min=severity("WARNING")),
    Filter(source="10.0.0.1"),
    Filter(source='a "b", \\ c'),
    Filter(source="x"),
    Filter(source="e4643048d7292c2e"),
    Filter(source="e4643048d7292c2e", level_min=severity("INFO")),
    Filter(source="fe80::1", listener="gateway"),
    Filter(source="fe80::1", listener="device"),
    Filter(source="7", text="pump"),
    Filter(listener="collector"),
    Filter(listener="nobody"),
    Filter(text="LINE 2"),
    Filter(text="line 1\nsecond"),
    Filter(text="ÜNÏ \U0001f680"),
    Filter(text=r'"\",\"source\""'),
    Filter(text="*ump* or -level:*"),
    Filter(text="lux:10..90 temp:>=24"),
    Filter(text="received_at"),
    Filter(text='"level":"info"'),
    Filter(text='"msg":*'),
    Filter(text='~"line [0-9]5$" or message:"7"'),
    Filter(text="pump", listener="device", level_min=severity("INFO")),
    Filter(since=moment(FIRST + 300)),
    Filter(until=moment(FIRST + 123)),
    Filter(since=moment(FIRST + 100), until=moment(FIRST + 200), source="10.0.0.1"),
    Filter(since=moment(FIRST + COUNT + 5)),
    Filter(until=moment(0)),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("search")
    write_journal(path, sample_entries(COUNT, seed=7), first=FIRST, segment_lines=60)
    return path / "journal"


def all_records(folder: Path) -> list[tuple[Record, NaiveEntry]]:
    """Every record, decoded."""
    found: list[tuple[Record, NaiveEntry]] = []
    reader = JournalReader(folder)
    while (block := reader.read()) is not None:
        sequences = range(block.first_sequence, block.next_sequence)
        for record, line in zip(records_of(sequences, block.data), block.data.split(b"\n"), strict=False):
            found.append((record, NaiveEntry(entry_of(line), record.source, record.listener)))
    reader.close()
    return found


def names_of(record: Record) -> tuple[object, ...]:
    return record.source, record.entry.get("source"), sender(record.entry, record.source)


def expected(folder: Path, wanted: Filter) -> list[int]:
    condition = parse(wanted.text)

    def matches(record: Record, entry: NaiveEntry) -> bool:
        level_min = wanted.level_min
        return (
            (level_min is None or (severity(record.level) or 0) >= level_min)
            and (not wanted.source or wanted.source in names_of(record))
            and (not wanted.listener or wanted.listener == record.listener)
            and entry.meets(condition)
            and (
                not wanted.since or (record.received_at if wanted.by_arrival else record.time) >= wanted.since
            )
            and (
                not wanted.until or (record.received_at if wanted.by_arrival else record.time) < wanted.until
            )
        )

    return [record.sequence for record, entry in all_records(folder) if matches(record, entry)]


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def sequences(page: Page) -> list[int]:
    return [found.record.sequence for found in page.found]


@pytest.mark.parametrize("wanted", FILTERS)
def test_pages_forward_hold_every_match_once_in_order(folder: Path, wanted: Filter) -> None:
    chance, search, start, found = random.Random(1), Search(FolderLog(folder)), 0, []
    while True:
        page = search.forward(wanted, chance.randint(1, 40), start=start)
        found += sequences(page)
        start = page.next
        if not page.more:
            break
    assert found == expected(folder, wanted)


@pytest.mark.parametrize("wanted", FILTERS)
def test_pages_backward_hold_every_match_once_newest_first(folder: Path, wanted: Filter) -> None:
    chance, search, end, found = random.Random(2), Search(FolderLog(folder)), None, []
    while True:
        page = search.backward(wanted, chance.randint(1, 40), end=end)
        found += sequences(page)
        end = page.first
        if not page.more:
            break
    assert found == expected(folder, wanted)[::-1]


def test_a_range_bounds_a_search(folder: Path) -> None:
    search = Search(FolderLog(folder))
    assert sequences(search.forward(Filter(), 99, start=70, end=75)) == [70, 71, 72, 73, 74]
    assert sequences(search.backward(Filter(), 99, start=70, end=75)) == [74, 73, 72, 71, 70]
    assert sequences(search.backward(Filter(), 99, start=75, end=70)) == []
    assert sequences(search.forward(Filter(), 99, start=10_000)) == []


def test_an_empty_journal_has_an_empty_page(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    search = Search(FolderLog(tmp_path / "journal"))
    for page in (search.forward(Filter(), 10), search.backward(Filter(since=moment(0), until=moment(9)), 10)):
        assert page == Page([], 0, 0, more=False, start=0, reached_at="")


def test_a_search_that_is_given_up_reports_how_far_it_came(folder: Path) -> None:
    wanted = Filter(text="no entry has this", since=moment(FIRST + 70))
    search, end, reached = Search(FolderLog(folder), give_up=lambda: True), None, list[str]()
    while True:
        page = search.backward(wanted, 10, end=end)
        assert page.found == []
        assert page.reached_at == moment(page.first) if page.more else page.start == page.first
        reached.append(page.reached_at)
        if not page.more:
            break
        end = page.first
    assert page.start <= FIRST + 70
    assert len(reached) > 5
    assert reached == sorted(set(reached), reverse=True)
    page = Search(FolderLog(folder), give_up=lambda: True).forward(wanted, 10)
    assert (page.found, page.more, page.reached_at) == ([], True, moment(page.next - 1))
    full = Search(FolderLog(folder)).backward(Filter(), 3)
    assert full.reached_at == full.found[-1].record.received_at


def test_an_entry_comes_back_as_it_was_sent(tmp_path: Path) -> None:
    entry = b'{"temp": 24.10, "big": 1e400, "text":"caf\\u00e9 \\/x","source":"a"}'
    write_journal(tmp_path, [entry])
    [found] = Search(FolderLog(tmp_path / "journal")).forward(Filter(text="CAFÉ /X"), 1).found
    assert found.entry == entry


@pytest.mark.parametrize(
    "text", ["a/b", "a\\b", 'say "x"', "tab\there", "naïve", "𝄞", "line\nend", "%[]{}", "<a&b>"]
)
def test_text_is_found_in_each_way_that_json_may_write_it(tmp_path: Path, text: str) -> None:
    ways = {json.dumps({"m": text}).encode(), json.dumps({"m": text}, ensure_ascii=False).encode()}
    ways |= {way.replace(b"/", b"\\/") for way in ways}
    ways.add(json.dumps({"m": text}).replace("<", "\\u003C").replace("&", "\\u0026").encode())
    write_journal(tmp_path, [*sorted(ways), b'{"m":"another"}'])
    page = Search(FolderLog(tmp_path / "journal")).forward(Filter(text=quoted(text.upper())), 10)
    assert len(page.found) == len(ways)


def test_several_index_points_make_several_steps(tmp_path: Path) -> None:
    entries = [
        b'{"n":%d,"level":"%b","pad":"%b"}' % (n, b"error" if n % 700 == 3 else b"info", b"x" * 900)
        for n in range(5000)
    ]
    write_journal(tmp_path, entries, segment_lines=4000)
    search = Search(FolderLog(tmp_path / "journal"))
    wanted = Filter(level_min=severity("ERROR"))
    assert sequences(search.backward(wanted, 3)) == [4903, 4203, 3503]
    assert sequences(search.forward(wanted, 99)) == [n for n in range(5000) if n % 700 == 3]
    late = Filter(since=moment(3990), until=moment(4010))
    assert sequences(search.forward(late, 99)) == list(range(3990, 4010))
    assert sequences(search.backward(late, 99)) == list(range(3990, 4010))[::-1]


def test_a_page_is_bounded_in_bytes(tmp_path: Path) -> None:
    entries = [b'{"n":%d,"pad":"%b"}' % (n, b"x" * 1_000_000) for n in range(12)]
    write_journal(tmp_path, entries)
    search = Search(FolderLog(tmp_path / "journal"))
    page = search.forward(Filter(), 100)
    assert page.more
    assert len(page.found) == PAGE_BYTES_MAX // 1_000_000 + 1
    assert sequences(search.forward(Filter(), 100, start=page.next)) == list(range(page.next, 12))
    assert sequences(search.backward(Filter(), 100)) == list(range(11, 2, -1))


def test_a_search_that_is_told_to_give_up_says_where_it_was(tmp_path: Path) -> None:
    entries = [b'{"n":%d,"pad":"%b"}' % (n, b"x" * 900) for n in range(5000)]
    write_journal(tmp_path, entries)
    looks = itertools.count()
    page = Search(FolderLog(tmp_path / "journal"), give_up=lambda: next(looks) >= 1).backward(
        Filter(text="nothing"), 5
    )
    assert (page.found, page.more) == ([], True)
    assert 0 < page.first < 5000
    looks = itertools.count()
    page = Search(FolderLog(tmp_path / "journal"), give_up=lambda: next(looks) >= 1).forward(
        Filter(text="nothing"), 5
    )
    assert (page.found, page.more) == ([], True)
    assert 0 < page.next < 5000


def test_damaged_lines_are_passed_over(tmp_path: Path) -> None:
    write_journal(tmp_path, [b'{"level":"ERROR","n":%d}' % n for n in range(10)])
    path = next((tmp_path / "journal").glob("*.jsonl"))
    lines = path.read_bytes().split(b"\n")
    lines[3] = b"\x00" * 40
    lines[5] = lines[5][:-9]
    path.write_bytes(b"\n".join(lines))
    search = Search(FolderLog(tmp_path / "journal"))
    good = [0, 1, 2, 4, 6, 7, 8, 9]
    assert sequences(search.forward(Filter(level_min=severity("ERROR")), 99)) == good
    assert sequences(search.backward(Filter(), 99)) == good[::-1]


def test_a_segment_that_retention_deletes_is_passed_over(tmp_path: Path) -> None:
    write_journal(tmp_path, [b'{"n":%d}' % n for n in range(30)], segment_lines=10)
    gone = iter([lambda: next((tmp_path / "journal").glob("*10.jsonl")).unlink()])

    def delete_one() -> bool:
        next(gone, lambda: None)()
        return False

    page = Search(FolderLog(tmp_path / "journal"), give_up=delete_one).backward(Filter(), 99)
    assert sequences(page) == [*range(29, 19, -1), *range(9, -1, -1)]


@pytest.mark.parametrize("wanted", FILTERS)
def test_what_matches_is_the_same_without_records(folder: Path, wanted: Filter) -> None:
    reader, matcher, found = JournalReader(folder), Matcher(wanted), list[int]()
    while (block := reader.read(3000)) is not None:
        matching = matcher.matching(block)
        if isinstance(matching, Block):
            assert matching is block
            found += range(block.first_sequence, block.next_sequence)
        else:
            found += [sequence for sequence, _ in matching]
    reader.close()
    assert found == expected(folder, wanted)


@pytest.mark.parametrize("name", ["7", "-7", "7.5", "sensor-1", "a" * 128, "pump 3"])
def test_a_sender_is_found_by_the_name_it_gives_itself(tmp_path: Path, name: str) -> None:
    entries = [
        *(b'{"device_id":7}', b'{"sensor_id":-7}', b'{"service":7.5}', b'{"deviceId":"sensor-1"}'),
        *(b'{"hostname":"%b"}' % (b"a" * 200), b'{"msg":"7 \\"7\\" -7 7.5 sensor-1"}'),
        b'{"serviceName":"","hostname":"pump 3"}',
    ]
    write_journal(tmp_path, entries)
    [page] = [Search(FolderLog(tmp_path / "journal")).backward(Filter(source=name), 10)]
    [found] = page.found
    assert sender(found.record.entry, "") == name
