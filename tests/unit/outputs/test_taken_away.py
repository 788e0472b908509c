"""Files that other programs take away under a running output: it says so, and no line is lost."""

import gzip
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from logboom.outputs.columns import ColumnsOutput, ColumnsSettings
from logboom.outputs.jsonl import JsonlOutput, JsonlSettings
from logboom.outputs.text import TextOutput, TextSettings
from tests.kit.watched import Watched

KINDS: dict[str, tuple[Any, Any]] = {
    "jsonl": (JsonlOutput, JsonlSettings),
    "text": (TextOutput, TextSettings),
    "columns": (ColumnsOutput, ColumnsSettings),
}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "out"


@pytest.fixture(params=list(KINDS))
def watched(request: pytest.FixtureRequest, feed: Any, out: Path) -> Iterator[Watched]:
    make, settings = KINDS[request.param]
    output = make(settings(type=request.param, path=out.name, folder=str(out.parent)), "o", feed.data_dir)
    watched = Watched(output, feed, flush_interval_s=0.0)
    yield watched
    watched.runner.stop(10)


def numbers(data: bytes) -> list[int]:
    """The entries of a file in any of the formats."""
    return [int(line.rpartition(b'"n":')[2].partition(b"}")[0]) for line in data.splitlines()]


@pytest.mark.parametrize(
    ("take", "text", "kept"),
    [
        (lambda out: out.rename(out.with_name("out.1")), "was moved away", [0, 1, 2]),
        (lambda out: out.parent.rename(out.parent.with_name("moved")), "was moved away", []),
        (lambda out: out.unlink(), "was deleted", []),
        (lambda out: os.truncate(out, 0), "was truncated", []),
    ],
)
def test_it_goes_on_at_once_and_says_so(
    watched: Watched, out: Path, take: Callable[[Path], object], text: str, kept: list[int]
) -> None:
    watched.append(3)
    take(out)
    report = watched.reports.get(timeout=10)  # nothing comes meanwhile
    assert report.startswith(f"output o: {out} {text}")
    watched.append(3)
    assert numbers(out.read_bytes()) == [3, 4, 5]
    assert [number for old in out.parent.glob("out.*") for number in numbers(old.read_bytes())] == kept
    assert watched.runner.lag == 0


@pytest.mark.parametrize("seed", range(3))
def test_logrotate_at_any_time_loses_no_line(watched: Watched, out: Path, seed: int) -> None:
    """As it does by default: the file is renamed, and compressed once the writer has been given its time."""
    chance = random.Random(seed)
    moved = 0
    watched.append(1)
    for _ in range(60):
        watched.feed.append(chance.randint(1, 9))
        if chance.random() < 0.4:
            out.rename(out.with_name(f"old-{moved:03}"))
            moved += 1
            if chance.random() < 0.5:
                out.touch()
            assert "was moved away" in watched.reports.get(timeout=10)
            watched.append(1)
    watched.append(1)
    files = [*sorted(out.parent.glob("old-*")), out]
    assert [number for file in files for number in numbers(file.read_bytes())] == list(
        range(watched.feed.next)
    )


@pytest.mark.parametrize("take", [Path.unlink, lambda out: os.truncate(out, 0)])
@pytest.mark.parametrize("seed", range(3))
def test_what_comes_after_a_deletion_is_never_lost(
    watched: Watched, out: Path, seed: int, take: Callable[[Path], None]
) -> None:
    chance = random.Random(seed)
    watched.append(1)
    for _ in range(20):
        watched.feed.append(chance.randint(1, 9))
        take(out)
        first = watched.feed.next
        watched.append(chance.randint(1, 99))
        found = numbers(out.read_bytes())
        assert set(range(first, watched.feed.next)) <= set(found)
        assert found == sorted(found)


def test_a_stop_right_after_a_deletion_loses_nothing(watched: Watched, out: Path) -> None:
    watched.append(1)
    watched.runner._pause = lambda _: out.unlink(missing_ok=True)
    watched.feed.append(5)
    watched.feed.journal.close()
    watched.runner.stop(10)
    assert watched.runner.lag == 0
    assert out.exists()


def test_backups_of_its_own_are_no_surprise(feed: Any, out: Path, request: pytest.FixtureRequest) -> None:
    settings = JsonlSettings(
        type="jsonl",
        path=out.name,
        folder=str(out.parent),
        max_file_bytes=300,
        backup_count=999,
        compress=True,
    )
    watched = Watched(JsonlOutput(settings, "o", feed.data_dir), feed, flush_interval_s=0.0)
    request.addfinalizer(lambda: watched.runner.stop(10))
    for _ in range(20):
        watched.append(3)
    assert watched.reports.empty()
    backups = sorted(out.parent.glob("out.*.gz"), key=lambda path: -int(path.suffixes[0][1:]))
    data = b"".join(gzip.decompress(path.read_bytes()) for path in backups) + out.read_bytes()
    assert numbers(data) == list(range(60))
