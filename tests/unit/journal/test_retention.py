"""Which sealed segments go, and who is told."""

import os
from pathlib import Path

import pytest

from logboom.journal.retention import Retention

NOW = 1_000_000.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four segments of 100 bytes, written 40, 30, 20 and 10 s ago; the last one is being written."""
    for number in range(4):
        path = tmp_path / f"{number * 10:020d}.jsonl"
        path.write_bytes(b"x" * 100)
        path.with_suffix(".index").write_bytes(b"")
        os.utime(path, (NOW - 40 + 10 * number,) * 2)
    return tmp_path


def firsts(folder: Path) -> list[int]:
    return sorted(int(path.stem) for path in folder.glob("*.jsonl"))


@pytest.mark.parametrize(
    ("age_max_s", "bytes_max", "left"),
    [
        (None, None, [0, 10, 20, 30]),
        (35.0, None, [10, 20, 30]),
        (15.0, None, [30]),
        (1.0, None, [30]),
        (None, 400, [0, 10, 20, 30]),
        (None, 399, [10, 20, 30]),
        (None, 250, [20, 30]),
        (None, 1, [30]),
        (35.0, 250, [20, 30]),
        (25.0, 399, [20, 30]),
    ],
)
def test_the_oldest_go_first_and_the_one_being_written_never(
    folder: Path, age_max_s: float | None, bytes_max: int | None, left: list[int]
) -> None:
    retention = Retention(age_max_s=age_max_s, bytes_max=bytes_max, clock=lambda: NOW)
    deleted = retention.apply(folder, 35)
    assert firsts(folder) == left
    assert [segment.first for segment in deleted] == [first for first in (0, 10, 20, 30) if first not in left]
    assert sorted(int(path.stem) for path in folder.glob("*.index")) == left


def report_of(folder: Path, positions: dict[str, int]) -> list[tuple[str, str]]:
    told: list[tuple[str, str]] = []
    retention = Retention(
        age_max_s=None,
        bytes_max=250,
        positions=lambda: positions,
        report=lambda kind, text: told.append((kind, text)),
        clock=lambda: NOW,
    )
    retention.apply(folder, 35)
    return told


def test_deleting_what_all_have_read_is_told_calmly(folder: Path) -> None:
    told = report_of(folder, {"jsonl": 20, "text": 35})
    assert [kind for kind, _ in told] == ["info", "info"]
    assert "00000000000000000010.jsonl" in told[1][1]


def test_deleting_what_an_output_has_not_read_is_told_loudly(folder: Path) -> None:
    first, second = report_of(folder, {"jsonl": 15, "slow": 3, "text": 35})
    assert first[0] == second[0] == "error"
    assert "00000000000000000000.jsonl" in first[1]
    assert "slow" in first[1]
    assert "jsonl," not in first[1].partition(":")[2]
    assert "jsonl, slow" in second[1]
    assert "text" not in second[1]


def test_nothing_to_do_in_an_empty_folder(tmp_path: Path) -> None:
    assert Retention(age_max_s=1.0, bytes_max=1).apply(tmp_path, 0) == []
