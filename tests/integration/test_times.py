"""Time and arrival over the API and the commands: backlogs by their own time, wrong clocks marked and never hidden."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from tests.kit.app_kit import port_of, run_scenario, running_app

NOW = datetime.now(UTC)


def ago(**span: float) -> str:
    return (NOW - timedelta(**span)).isoformat(timespec="microseconds")


ENTRIES = [
    {"message": "live", "ts": ago(seconds=1)},
    {"message": "backlog", "ts": ago(days=30)},
    {"message": "no clock"},
    {"message": "never set", "ts": "1970-01-01T00:00:09Z"},
    {"message": "far ahead", "ts": ago(days=-400)},
    {"message": "a little fast", "ts": ago(minutes=-20)},
]
RECENT = {"live", "no clock", "never set", "far ahead", "a little fast"}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with entries that were just received."""
    folder = tmp_path_factory.mktemp("times")

    async def store() -> None:
        async with running_app(folder) as app, ClientSession() as client:
            url = f"http://127.0.0.1:{port_of(app)}/api/entries"
            async with client.post(url, json=ENTRIES) as answer:
                assert (await answer.json())["stored"] == len(ENTRIES)

    run_scenario(store())
    return folder


def ask(data_dir: Path, *paths: str) -> list[dict[str, Any]]:
    answers: list[dict[str, Any]] = []

    async def main() -> None:
        async with running_app(data_dir) as app, ClientSession() as client:
            for path in paths:
                async with client.get(f"http://127.0.0.1:{port_of(app)}{path}") as answer:
                    answers.append(await answer.json())

    run_scenario(main())
    return answers


def messages(answer: dict[str, Any]) -> set[str]:
    return {entry["message"] for entry in answer["entries"]}


def test_ranges_go_by_the_entries_times_or_by_arrival(data_dir: Path) -> None:
    recent, arrived, old, none = ask(
        data_dir,
        "/api/entries?since=1h",
        "/api/entries?since=1h&by=received",
        "/api/entries?since=31d&until=29d&by=time",
        "/api/entries?since=31d&until=29d&by=received",
    )
    assert messages(recent) == RECENT
    assert messages(arrived) == {str(entry["message"]) for entry in ENTRIES}
    assert messages(old) == {"backlog"}
    assert messages(none) == set()


def test_wrong_clocks_are_marked_and_have_the_time_of_arrival(data_dir: Path) -> None:
    [answer] = ask(data_dir, "/api/entries")
    marked = {entry["message"]: entry.get("wrong_clock", False) for entry in answer["entries"]}
    assert {message for message, mark in marked.items() if mark} == {"never set", "far ahead"}
    assert all(
        entry["time"] == entry["received_at"] for entry in answer["entries"] if entry.get("wrong_clock")
    )
    assert [entry["message"] for entry in answer["entries"]] == [one["message"] for one in reversed(ENTRIES)]


def test_volume_goes_by_the_entries_times_or_by_arrival(data_dir: Path) -> None:
    own, arrived = ask(data_dir, "/api/volume?since=60d", "/api/volume?since=60d&by=received")
    counts = [list(answer["levels"][""]) for answer in (own, arrived)]
    assert own["total"] >= len(RECENT)
    assert counts[0][-31] == 1
    assert sum(counts[1][-2:]) == arrived["total"] == len(ENTRIES)


def test_a_word_that_is_no_time_is_refused(data_dir: Path) -> None:
    async def main() -> None:
        async with running_app(data_dir) as app, ClientSession() as client:
            url = f"http://127.0.0.1:{port_of(app)}/api/entries?by=arrival"
            async with client.get(url) as answer:
                assert answer.status == 400
                assert "by: found 'arrival', expected one of time, received" in await answer.text()

    run_scenario(main())


def run(data_dir: Path, *words: str) -> str:
    command = [sys.executable, "-m", "logboom", *words, "--data-dir", str(data_dir)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_commands_go_by_the_entries_times_or_by_arrival(data_dir: Path) -> None:
    logs = run(data_dir, "logs", "--since", "1h")
    assert "backlog" not in logs
    assert logs.count("(wrong clock)") == 2
    assert "backlog" in run(data_dir, "logs", "--since", "1h", "--by", "received")
    exported = run(data_dir, "export", "--format", "jsonl", "--to", "29d")
    assert [json.loads(line)["entry"]["message"] for line in exported.splitlines()] == ["backlog"]
    [own] = map(json.loads, run(data_dir, "stats", "--json").splitlines())
    [arrived] = map(json.loads, run(data_dir, "stats", "--json", "--by", "received").splitlines())
    assert own["first_seen"] == ENTRIES[1]["ts"]
    assert own["last_seen"] == ENTRIES[5]["ts"]
    assert arrived["first_seen"] >= ago()
