"""`/api/facets`, `/api/patterns`, `logboom fields` and `logboom patterns`: the same answers from server and journal."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from logboom.testing.output_kit import write_journal
from logboom.web import summaries
from tests.integration.test_reading import call
from tests.kit.app_thread import AppThread

COUNT = 30


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("facets")
    entries = [
        {"message": f"user {n} logged in", "status": 200 + n % 2, "source": "web"} for n in range(COUNT)
    ]
    entries.append(
        {"level": "error", "message": "failed", "exc_info": 'T:\n  File "a.py", line 1, in f\nKeyError: 5'}
    )
    write_journal(path, [json.dumps(entry).encode() for entry in entries], segment_lines=10)
    return path


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    with AppThread(folder, ("http",), settings={"alerts": {"enabled": False}}) as app:
        yield f"http://127.0.0.1:{app.port('http')}"


def get(url: str, path: str, **parameters: Any) -> dict[str, Any]:
    with urllib.request.urlopen(f"{url}{path}?{urlencode(parameters, doseq=True)}") as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def facet(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in document["facets"] if one["field"] == name)
    return found


def test_facets_are_answered(url: str) -> None:
    document = get(url, "/api/facets", q="user")
    assert (document["entries"], document["complete"], document["before"]) == (COUNT, True, None)
    status = facet(document, "status")
    assert status["values"] == [{"value": 200, "count": 15}, {"value": 201, "count": 15}]
    assert (status["distinct"], status["numbers"]["p50"]) == (2, 200)
    assert [one["field"] for one in get(url, "/api/facets", field=["status"])["facets"]] == ["status"]
    assert len(facet(get(url, "/api/facets", limit=1), "status")["values"]) == 1


def test_patterns_are_answered(url: str) -> None:
    document = get(url, "/api/patterns")
    first = document["messages"][0]
    assert (first["template"], first["count"], first["sources"]) == (
        "user <*> logged in",
        COUNT,
        {"web": COUNT},
    )
    [found] = document["exceptions"]
    assert (found["type"], found["frames"], found["count"]) == ("KeyError", ["a.py f"], 1)
    assert found["example"]["message"] == "failed"
    assert len(get(url, "/api/entries", q=first["query"])["entries"]) == COUNT


@pytest.mark.parametrize("name", ["facets", "patterns"])
def test_an_answer_that_ends_early_can_be_continued(
    url: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/api/{name}"
    monkeypatch.setattr(summaries, "_deadline", lambda _site, _seconds: lambda: True)
    entries = 0
    before: dict[str, Any] = {}
    while True:
        document = get(url, path, q="user", **before)
        entries += document["entries"]
        if document["complete"]:
            break
        assert 0 < document["progress"] < 1
        before = {"before": document["before"]}
    assert entries == COUNT


def test_facets_are_counted_for_as_long_as_was_asked(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    times = list[float]()

    def deadline(_site: object, seconds: float) -> Callable[[], bool]:
        times.append(seconds)
        return lambda: seconds < 2

    monkeypatch.setattr(summaries, "_deadline", deadline)
    assert not get(url, "/api/facets")["complete"]
    assert get(url, "/api/facets", seconds=2)["complete"]
    assert times == [1, 2]
    for wrong in ("0", "31", "x"):
        with pytest.raises(urllib.error.HTTPError, match="400") as error:
            get(url, "/api/facets", seconds=wrong)
        error.value.close()


@pytest.mark.parametrize("path", ["/api/facets", "/api/patterns"])
@pytest.mark.parametrize(("name", "value"), [("q", "("), ("limit", "0"), ("limit", "1000"), ("form", "x")])
def test_wrong_parameters_are_refused(url: str, path: str, name: str, value: str) -> None:
    with pytest.raises(urllib.error.HTTPError, match="400") as error:
        get(url, path, **{name: value})
    assert json.loads(error.value.read())["parameter"] == name
    error.value.close()


@pytest.mark.parametrize("command", ["fields", "patterns"])
def test_commands_read_journal_and_server_alike(folder: Path, url: str, command: str) -> None:
    places = (("--data-dir", str(folder)), ("--url", url))
    tables = [call(command, "user", *place, cwd=folder) for place in places]
    assert tables[0].stdout == tables[1].stdout
    assert tables[0].stderr == tables[1].stderr == f"{COUNT} entries read\n".encode()
    local, asked = (
        list(map(json.loads, call(command, "user", "--json", *place, cwd=folder).stdout.splitlines()))
        for place in places
    )
    assert local == asked
    assert local[0]["count"] == COUNT
    words = {"fields": b"status", "patterns": b"user <*> logged in"}
    assert words[command] in tables[0].stdout


def test_fields_go_on_where_the_server_reads_a_part_at_a_time(
    folder: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summaries, "_deadline", lambda _site, _seconds: lambda: True)
    local, asked = (
        call("fields", "user", "--limit", "1", "--json", *place, cwd=folder)
        for place in (("--data-dir", str(folder)), ("--url", url))
    )
    assert asked.stderr == local.stderr == f"{COUNT} entries read\n".encode()
    both = [
        [(one["field"], one["count"], one["values"], one["distinct"], one["complete"]) for one in facets]
        for facets in (list(map(json.loads, lines.stdout.splitlines())) for lines in (local, asked))
    ]
    assert both[0] == both[1]


def test_the_command_goes_on_where_the_server_reads_a_part_at_a_time(
    folder: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summaries, "PATTERNS_S_MAX", -1.0)
    local, asked = (
        call("patterns", "--json", *place, cwd=folder)
        for place in (("--data-dir", str(folder)), ("--url", url))
    )
    assert asked.stderr == local.stderr == f"{COUNT + 1} entries read\n".encode()
    counts = [
        [
            (one["template"], one["count"], one["first_seen"], one["last_seen"])
            for one in map(json.loads, lines)
        ]
        for lines in (local.stdout.splitlines(), asked.stdout.splitlines())
    ]
    assert counts[0] == counts[1]
