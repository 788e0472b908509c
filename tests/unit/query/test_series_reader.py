"""Numbers over time, held against looking at every record; boots; silences; and which fields there are."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from logboom.formats.buckets import Buckets, buckets_of, microseconds
from logboom.formats.records import numeric_fields
from logboom.formats.times import iso_from_ns
from logboom.journal import segments as segments_module
from logboom.journal.folder_log import FolderLog
from logboom.journal.index import rebuild_index
from logboom.journal.log import Step
from logboom.journal.segments import Segment, prefix, suffix
from logboom.query import field_discovery as discovery_module
from logboom.query import series_reader as series_module
from logboom.query.field_discovery import find_fields
from logboom.query.matching import Filter
from logboom.query.search import Search
from logboom.query.series_reader import Series, SeriesReader

START_S = 1_762_974_480
FIELDS = ("temp", "rh", "irradiance", "system.heap", "a.b", "n")


@pytest.fixture(autouse=True)
def many_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (segments_module, __import__("logboom.journal.index", fromlist=["index"])):
        monkeypatch.setattr(module, "INDEX_STEP_BYTES", 3000)


def write(folder: Path, entries: list[tuple[float, Any]], peer: str = "10.0.0.1") -> FolderLog:
    """Entries with their receive times, seconds after the start; raw bytes are written as they are."""
    folder.mkdir(exist_ok=True)
    half = len(entries) // 2
    for first, some in ((0, entries[:half]), (half, entries[half:])):
        segment = Segment.at(folder, first)
        segment.path.write_bytes(
            b"".join(
                prefix(int((START_S + moment) * 1e9))
                + (entry if isinstance(entry, bytes) else json.dumps(entry).encode())
                + suffix(peer, "device")
                for moment, entry in some
            )
        )
        rebuild_index(segment)
    return FolderLog(folder)


def buckets(until_s: float, points: int) -> Buckets:
    return buckets_of(START_S * 1_000_000, int((START_S + until_s) * 1_000_000), points)


def read(log: FolderLog, until_s: float, points: int, *fields: str, **wanted: Any) -> Series:
    return SeriesReader(log).read(Filter(**wanted), fields, buckets(until_s, points))


def mixed(number: int) -> Any:
    kinds: list[Any] = [
        {"id": "e46", "time": "x", "temp": 20 + number % 7, "rh": "50.5", "lux": 127 * number},
        {"temp": f"{number}.5", "system": {"heap": number}, "n": True},
        {"system": "none", "a.b": number, "a": {"b": -1}, "n": None},
        {"system": {"heap": "7"}, "a": {"b": number}, "n": "many"},
        b'{"temp":1e400,"rh":1}',
        b'{"n":%d}' % 10**310,
        {"irradiance": 3, "temp": 1, "rh": 2, "lux": 9, "n": [1], "source": ["x"]},
    ]
    return kinds[number * number % 11 % 7]


@pytest.mark.parametrize("points", [1, 7, 600])
@pytest.mark.parametrize("fields", [FIELDS, ("temp",), ("a.b", "a"), ("system.heap", "system", "boot_seq")])
def test_statistics_are_exact(tmp_path: Path, points: int, fields: tuple[str, ...]) -> None:
    log = write(tmp_path / "j", [(number * 1.7, mixed(number)) for number in range(600)])
    found = read(log, 1100, points, *fields)
    cut = buckets(1100, points)
    expected: dict[str, dict[int, list[float]]] = {name: {} for name in fields}
    for one in Search(FolderLog(tmp_path / "j")).forward(Filter(), 10_000).found:
        if "1e400" in one.entry.decode() or len(one.entry) > 300:
            continue  # what no number can hold is left out
        place = microseconds(one.record.received_at) // cut.width - cut.first
        for name, number in numeric_fields(one.record.entry).items():
            if name in fields:
                expected[name].setdefault(place, []).append(number)
    for name in fields:
        assert found.values[name].keys() == expected[name].keys()
        for place, point in found.values[name].items():
            values = expected[name][place]
            assert (point.count, point.low, point.high, point.last) == (
                *(len(values), min(values), max(values)),
                values[-1],
            )
            assert point.total == pytest.approx(sum(values))
    assert found.complete


def test_a_filter_and_a_time_bound_a_series(tmp_path: Path) -> None:
    log = write(
        tmp_path / "j", [(number, {"v": number, "device": f"d{number % 3}"}) for number in range(300)]
    )
    since = iso_from_ns(int((START_S + 100) * 1e9))
    points = read(log, 300, 1, "v", source="d1", since=since).values["v"]
    assert sum(point.count for point in points.values()) == 67
    assert min(point.low for point in points.values()) == 100
    assert points[max(points)].last == 298


def test_boots_are_where_a_sender_counts_anew(tmp_path: Path) -> None:
    entries = [
        (float(number), {"boot_seq": 3 + (number >= 40) + (number >= 200), "v": 1}) for number in range(300)
    ]
    found = read(write(tmp_path / "j", entries), 300, 60, "v")
    assert [(boot.time / 1e6 - START_S, boot.boot_seq) for boot in found.boots] == [(40, 4), (200, 5)]


def test_senders_are_told_apart_by_their_boots(tmp_path: Path) -> None:
    entries = [
        (
            float(number),
            {"device_id": f"d{number % 2}", "boot_seq": number % 2 * 10 + (number >= 150), "v": 1},
        )
        for number in range(300)
    ]
    found = read(write(tmp_path / "j", entries), 300, 60, "v")
    assert [(boot.time / 1e6 - START_S, boot.boot_seq) for boot in found.boots] == [(150, 1), (151, 11)]
    assert len(read(FolderLog(tmp_path / "j"), 300, 60, "v", source="d1").boots) == 1


def test_gaps_are_silences_longer_than_usual(tmp_path: Path) -> None:
    moments = [
        number * 10.0 + (100 if number >= 30 else 0) + (25 if number >= 60 else 0) for number in range(100)
    ]
    log = write(tmp_path / "j", [(moment, {"v": 1}) for moment in moments])
    assert [
        (start / 1e6 - START_S, end / 1e6 - START_S) for start, end in read(log, 1200, 600, "v").gaps
    ] == [
        (290, 400),
        (690, 725),
    ]
    assert read(log, 1200, 4, "v").gaps == []


def test_many_entries_at_once_hide_no_silence(tmp_path: Path) -> None:
    entries = [
        (minute * 60.0 + number / 1000, {"v": number}) for minute in (0, 1, 20) for number in range(1000)
    ]
    found = read(write(tmp_path / "j", entries), 1300, 60, "v")
    assert [(round(start / 1e6 - START_S), round(end / 1e6 - START_S)) for start, end in found.gaps] == [
        (61, 1200)
    ]


def test_what_is_given_up_has_the_newest(tmp_path: Path) -> None:
    log = write(tmp_path / "j", [(number, {"v": number}) for number in range(1000)])
    found = SeriesReader(log).read(Filter(), ("v",), buckets(1000, 100), give_up=lambda: True)
    assert not found.complete
    assert max(found.values["v"]) == 99
    assert found.values["v"][99].count == 10
    assert min(found.values["v"]) > 50


def test_what_was_given_up_goes_on_where_it_ended(tmp_path: Path) -> None:
    log = write(
        tmp_path / "j", [(number, {"v": number, "boot_seq": number // 250}) for number in range(1000)]
    )
    reader, whole = SeriesReader(log), read(log, 1000, 100, "v")
    for steps in (3, 6, 1000):
        left = iter([False] * steps + [True])
        found = reader.read(Filter(), ("v",), buckets(1000, 100), give_up=partial(next, left))
        assert found.values["v"][99] == whole.values["v"][99]
    assert found == whole
    assert len(whole.values["v"]) == 100
    assert len(whole.boots) == 3


@pytest.mark.parametrize("wanted", [Filter(), Filter(source="d1"), Filter(text="v=7")])
def test_series_are_exact_asked_once_or_again(tmp_path: Path, wanted: Filter) -> None:
    """Also for times that cut a step, and when there is room for nothing."""
    entries: list[tuple[float, Any]] = [
        (
            number + (300 if number > 500 else 0),
            {"v": number % 10, "device": f"d{number % 3}", "boot_seq": number // 400},
        )
        for number in range(900)
    ]
    log = write(tmp_path / "j", entries)
    reader = SeriesReader(log)
    for since, until in [(0, 1300), (100.5, 900.5), (0, 1300), (600, 601), (101.5, 901.5)]:
        limited = wanted._replace(
            since=iso_from_ns(int((START_S + since) * 1e9)), until=iso_from_ns(int((START_S + until) * 1e9))
        )
        cut = buckets_of(microseconds(limited.since), microseconds(limited.until), 60)
        found = reader.read(limited, ("v",), cut)
        assert found == SeriesReader(log).read(limited, ("v",), cut)
        times: list[tuple[int, Any]] = [
            (microseconds(one.record.received_at), one.record.entry["v"])
            for one in Search(FolderLog(tmp_path / "j")).forward(limited, 10_000).found
        ]
        assert sum(point.count for point in found.values["v"].values()) == len(times)
        assert sum(point.total for point in found.values["v"].values()) == sum(value for _, value in times)


def test_an_empty_journal_has_no_series(tmp_path: Path) -> None:
    found = read(FolderLog(tmp_path), 10, 10, "v")
    assert found == ({"v": {}}, [], [], 1)


def test_fields_are_the_numbers_of_the_entries(tmp_path: Path) -> None:
    entries = [(float(number), mixed(number)) for number in range(600)]
    log = write(tmp_path / "j", entries)
    found = find_fields(log, Filter())
    expected: dict[str, list[float]] = {}
    for one in Search(FolderLog(tmp_path / "j")).forward(Filter(), 10_000).found:
        for name, number in numeric_fields(one.record.entry).items():
            expected.setdefault(name, []).append(number)
    assert {field.name: (field.count, field.low, field.high, field.last) for field in found.fields} == {
        name: (len(values), min(values), max(values), values[-1]) for name, values in expected.items()
    }
    assert [field.count for field in found.fields] == sorted(
        (len(v) for v in expected.values()), reverse=True
    )
    assert found.before is None
    assert {field.name for field in find_fields(log, Filter(text="heap")).fields} <= {*FIELDS}


def test_fields_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = write(tmp_path / "j", [(number, {f"f{number}": 1, "x" * 200: 2, "v": 3}) for number in range(300)])
    found = find_fields(log, Filter())
    assert len(found.fields) == discovery_module.FIELDS_MAX
    assert found.fields[0].name == "v"
    assert all(len(field.name) < 200 for field in found.fields)
    monkeypatch.setattr(discovery_module, "READ_BYTES_MAX", 5000)
    few = find_fields(log, Filter())
    assert few.before is not None
    assert 0 < few.fields[0].count < 300


def test_fields_of_rare_entries_are_found_by_asking_on(tmp_path: Path) -> None:
    entries: list[tuple[float, Any]] = [(number, {"v": number}) for number in range(600)]
    entries[7] = (7, {"rare": 1, "text": "seldom"})
    log = write(tmp_path / "j", entries)
    before, queries, moments = None, 0, list[str]()
    while True:
        found = find_fields(log, Filter(text="seldom"), lambda: True, before)
        queries += 1
        moments.append(found.reached_at)
        if found.before is None:
            break
        assert found.fields == []
        assert before is None or found.before < before
        before = found.before
    assert [field.name for field in found.fields] == ["rare"]
    assert queries > 5
    assert moments == sorted(moments, reverse=True)


def test_whole_numbers_keep_all_digits(tmp_path: Path) -> None:
    numbers = [1234567890123456789, "1234567890123456789", -98765432109876543210]
    log = write(tmp_path / "j", [(float(place), {"n": number}) for place, number in enumerate(numbers)])
    [field] = find_fields(log, Filter()).fields
    assert (field.low, field.high, field.last) == (numbers[2], numbers[0], numbers[2])
    points = read(log, 3, 3, "n").values["n"]
    assert [point.last for _, point in sorted(points.items())] == [numbers[0], numbers[0], numbers[2]]


def test_a_field_that_can_not_be_drawn_is_not_offered(tmp_path: Path) -> None:
    log = write(tmp_path / "j", [(1.0, {'a"b': 1, "a\\b": 2, "v": 3})])
    assert [field.name for field in find_fields(log, Filter()).fields] == ["v"]


@pytest.mark.parametrize("points", [7, 200])
def test_a_series_becomes_complete_however_little_room_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, points: int
) -> None:
    """Ask as a page does whose requests are given up after a few steps each."""
    log = write(tmp_path / "j", [(number * 1.7, mixed(number)) for number in range(600)])
    whole = read(log, 1100, points, *FIELDS)
    monkeypatch.setattr(series_module, "VALUES_MAX", 700 + 6 * points)
    reader, reads, progress = SeriesReader(log), list[Step](), 0.0
    read_step = reader._read

    def counted(*arguments: Any) -> Any:
        reads.append(arguments[3])
        return read_step(*arguments)

    monkeypatch.setattr(reader, "_read", counted)
    for _ in range(100):
        reads.clear()
        found = reader.read(Filter(), FIELDS, buckets(1100, points), give_up=lambda: len(reads) >= 3)
        assert found.progress >= progress
        progress = found.progress
        if found.complete:
            break
    assert found.complete
    assert (found.boots, found.gaps) == (whole.boots, whole.gaps)
    for name, values in whole.values.items():
        assert found.values[name].keys() == values.keys()
        for place, point in values.items():
            assert found.values[name][place] == pytest.approx(point)
