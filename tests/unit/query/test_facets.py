"""Facets, held against counting every entry, and their bounds."""

import json
import random
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import msgspec
import pytest

from logboom.formats.levels import severity
from logboom.journal.folder_log import FolderLog
from logboom.query.facet_document import facet_document, joined_facets
from logboom.query.facets import FIELDS_MAX, Facets, find_facets
from logboom.query.field_facet import COUNTS_MAX, SAMPLE_MAX, FieldFacet
from logboom.query.indexer import Indexer
from logboom.query.matching import Filter
from logboom.testing.output_kit import write_journal

COUNT = 600
CHANCE = random.Random(3)
ENTRIES: list[dict[str, Any]] = [
    {
        "level": CHANCE.choice(["info", "error", "WARN"]),
        "source": CHANCE.choice(["a", "b"]),
        "message": f"line {number}",
        "status": CHANCE.choice([200, 200.0, 404, "500", True, None]),
        "tags": CHANCE.sample(["x", "y", "x"], 2),
        "deep": {"er": {"path": CHANCE.choice(["/", "/index"])}},
        "took": number / 10,
    }
    for number in range(COUNT)
]
LISTENER = "device"


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("facets")
    entries = [json.dumps(entry).encode() for entry in ENTRIES]
    write_journal(folder, entries, segment_lines=100, sources=[("10.0.0.1", LISTENER)])
    indexer = Indexer(folder / "journal", FolderLog(folder / "journal"))
    while indexer.advance():
        pass
    return folder / "journal"


def facets(journal: Path, wanted: Filter, **words: Any) -> Facets:
    return find_facets(FolderLog(journal), wanted, **words)


def values(found: Facets, name: str) -> dict[Any, int]:
    return dict(found.facets[name].top(100))


def naive(entries: list[dict[str, Any]]) -> dict[str, Counter[Any]]:
    """The values of each field by reading every entry."""
    found: defaultdict[str, Counter[Any]] = defaultdict(Counter)
    for entry in entries:
        found["level"][{"info": "INFO", "error": "ERROR", "WARN": "WARNING"}[entry["level"]]] += 1
        found["source"][entry["source"]] += 1
        status = entry["status"]
        if status is not None:
            found["status"]["true" if status is True else status] += 1
        found["tags"].update(set(entry["tags"]))
        found["deep.er.path"][entry["deep"]["er"]["path"]] += 1
    return found


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        (Filter(), lambda _: True),
        (Filter(text="status:404"), lambda entry: entry["status"] == 404),
        (Filter(level_min=severity("WARNING")), lambda entry: entry["level"] != "info"),
    ],
    ids=["everything", "query", "level"],
)
def test_values_are_those_of_the_entries_that_match(journal: Path, wanted: Filter, matches: Any) -> None:
    found, expected = facets(journal, wanted), naive([entry for entry in ENTRIES if matches(entry)])
    assert found.reach.before is None
    for name, counts in expected.items():
        assert values(found, name) == dict(counts), name
        assert found.facets[name].distinct.number == len(counts)
        assert name in found.complete
    assert list(found.facets)[:3] == ["level", "source", "listener"]
    assert not {"message", "deep", "deep.er"} & found.facets.keys()


def test_numbers_have_their_statistics(journal: Path) -> None:
    summary = facets(journal, Filter()).facets["took"].numbers.summary()
    assert summary is not None
    assert (summary.count, summary.low, summary.high, summary.is_exact) == (COUNT, 0.0, 59.9, True)
    assert (summary.p50, summary.p99) == (29.9, 59.3)


def test_a_part_is_marked_and_can_be_continued(journal: Path) -> None:
    newest = facets(journal, Filter(text="line"), give_up=lambda: True)
    assert newest.reach.entries == 100
    assert newest.reach.before == COUNT - 100
    assert newest.complete == frozenset()
    document = facet_document(newest)
    assert document["complete"] is False
    assert document["before"] == COUNT - 100
    rest = facets(journal, Filter(text="line"), end=newest.reach.before)
    together = Counter(values(newest, "status")) + Counter(values(rest, "status"))
    assert together == naive(ENTRIES)["status"]


def test_parts_are_joined_to_the_answer_for_all(journal: Path) -> None:
    wanted = Filter(text="line")
    whole = facet_document(facets(journal, wanted), 100)
    document, parts = facet_document(facets(journal, wanted, give_up=lambda: True), 100), 1
    while not document["complete"]:
        older = facets(journal, wanted, give_up=lambda: True, end=document["before"])
        document, parts = joined_facets(document, facet_document(older, 100)), parts + 1
    assert parts > 2
    assert {**document, "facets": []} == {**whole, "facets": []}
    for found, expected in zip(document["facets"], whole["facets"], strict=True):
        if expected["field"] == "took":
            assert not found["values_exact"]
            assert not found["distinct_exact"]
        else:
            names = ("field", "distinct", "distinct_exact", "values", "values_exact")
            assert {name: found[name] for name in names} == {name: expected[name] for name in names}
        assert (found["count"], found["complete"]) == (expected["count"], True)
        numbers, exact = found["numbers"], expected["numbers"]
        if exact is not None:
            compared = [
                "count",
                "min",
                "max",
                *(["p50", "p90", "p99"] if expected["field"] != "took" else []),
            ]
            assert [numbers[name] for name in compared] == [exact[name] for name in compared]
            assert numbers["exact"] is (expected["field"] != "took")
            assert numbers["mean"] == pytest.approx(exact["mean"])
            assert numbers["p50"] == pytest.approx(exact["p50"], rel=0.05)


def test_what_parts_left_out_is_not_called_complete(tmp_path: Path) -> None:
    def part(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
        folder = tmp_path / name
        folder.mkdir()
        write_journal(folder, [json.dumps(entry).encode() for entry in entries])
        return facet_document(facets(folder / "journal", Filter()), 100)

    many = {f"k{number}": number for number in range(2 * FIELDS_MAX)}
    newer, older = part([many], "newer"), part([{"k150": 1, "k0": 7}], "older")
    newer = {
        **newer,
        "complete": False,
        "before": 1,
        "facets": [{**row, "complete": False} for row in newer["facets"]],
    }
    found = {row["field"]: row for row in joined_facets(newer, older)["facets"]}
    assert (found["k0"]["count"], found["k0"]["values_exact"]) == (2, True)
    assert found.get("k150", {"complete": False})["complete"] is False


def test_roll_ups_complete_levels_sources_and_listeners(journal: Path) -> None:
    found = facets(journal, Filter(level_min=severity("WARNING")), give_up=lambda: True)
    expected = naive([entry for entry in ENTRIES if entry["level"] != "info"])
    assert found.reach.before is not None
    assert found.complete == {"level", "source", "listener"}
    assert values(found, "level") == dict(expected["level"])
    assert values(found, "source") == dict(expected["source"])
    assert values(found, "listener") == {LISTENER: expected["level"].total()}


def test_many_values_are_estimated_and_marked() -> None:
    facet, different = FieldFacet(), 20 * COUNTS_MAX
    for start in range(0, different, 100):
        facet.add([f"id-{number}" for number in range(start, start + 100)] + ["often"] * 10)
    assert facet.top(1) == [("often", different // 10)]
    assert not facet.is_exact
    assert not facet.distinct.is_exact
    assert facet.distinct.number == pytest.approx(different, rel=0.15)
    assert len(facet.counts) <= COUNTS_MAX


def test_percentiles_of_many_numbers_are_estimates() -> None:
    facet, count = FieldFacet(), 20 * SAMPLE_MAX
    numbers = random.Random(1).sample(range(count), count)
    for start in range(0, count, 1000):
        facet.add(numbers[start : start + 1000])
    summary = facet.numbers.summary()
    assert summary is not None
    assert (summary.count, summary.low, summary.high, summary.is_exact) == (count, 0, count - 1, False)
    assert summary.p50 == pytest.approx(count / 2, rel=0.1)
    assert summary.p99 == pytest.approx(count * 0.99, rel=0.02)


def test_names_that_senders_invent_are_bounded(tmp_path: Path) -> None:
    write_journal(tmp_path, [json.dumps({f"k{n}": n, "x" * 200: 1}).encode() for n in range(2 * FIELDS_MAX)])
    found = facets(tmp_path / "journal", Filter())
    assert len(found.facets) == FIELDS_MAX + 3
    assert found.fields_left_out


def test_damaged_lines_and_strange_values_spoil_nothing(tmp_path: Path) -> None:
    lines = [b'{"n":1e400,"d":"%b"}' % (b"9" * 40), b'{"n":2}', b'{"n":3', b'{"n":[[1],{"a":2},4]}']
    write_journal(tmp_path, lines)
    found = facets(tmp_path / "journal", Filter())
    assert found.facets["n"].top(10) == [(2, 1), (4, 1)]
    document = msgspec.json.decode(msgspec.json.encode(facet_document(found)))
    assert document["facets"][-1]["numbers"]["max"] == pytest.approx(1e40)
