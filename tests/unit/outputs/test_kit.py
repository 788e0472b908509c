"""Both outputs pass the kit; outputs that break the contract do not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from logboom.journal.log import Block
from logboom.outputs.base import Output
from logboom.outputs.jsonl import JsonlOutput
from logboom.outputs.registry import OUTPUTS, make_outputs
from logboom.testing.output_kit import check_output, sample_entries

Everything = Callable[[Path], bytes]

ROTATIONS: list[dict[str, Any]] = [
    {},
    {"max_file_bytes": 3000, "backup_count": 99},
    {"max_file_bytes": 5000, "backup_count": 99, "compress": True},
    {"max_file_bytes": 2500, "backup_count": 99, "listeners": ["device", "gateway"]},
    {"max_file_bytes": 2500, "backup_count": 99, "filter": "-listener:collector"},
]


def maker(kind: str, settings: dict[str, Any]) -> Callable[[Path], Output]:
    def make(folder: Path) -> Output:
        table = {"type": kind, "path": str(folder / "file"), **settings}
        return make_outputs({"o": table}, folder)["o"]

    return make


@pytest.mark.parametrize("kind", ["jsonl", "text"])
@pytest.mark.parametrize("settings", ROTATIONS)
def test_outputs_pass(kind: str, settings: dict[str, Any], tmp_path: Path, everything: Everything) -> None:
    content = check_output(maker(kind, settings), lambda folder: everything(folder / "file"), tmp_path)
    assert content.count(b"\n") == (300 if "listeners" in settings or "filter" in settings else 400)


def test_the_straight_run_is_what_was_sent(tmp_path: Path, everything: Everything) -> None:
    entries = sample_entries(50, seed=3)
    content = check_output(
        maker("jsonl", {}), lambda folder: everything(folder / "file"), tmp_path, entries=entries, rounds=1
    )
    assert [json.loads(line)["entry"] for line in content.splitlines()] == list(map(json.loads, entries))


class Forgetful(JsonlOutput):
    """Does not undo what was written past its position."""

    def open(self) -> None:
        path = self._file.path
        before = path.read_bytes() if path.exists() else b""
        super().open()
        path.write_bytes(before)


class Hasty(JsonlOutput):
    """Takes for durable what is not written yet."""

    def position(self) -> int:
        return self._next

    def write(self, block: Block) -> None:
        super().write(block)
        self._save()
        self._file.truncate(max(0, self._file.size - 1))


class Repeating(JsonlOutput):
    """Not idempotent."""

    def write(self, block: Block) -> None:
        self._next = block.first_sequence
        super().write(block)


@pytest.mark.parametrize("kind", [Forgetful, Hasty, Repeating])
def test_the_kit_sees(
    kind: type[JsonlOutput], tmp_path: Path, everything: Everything, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(OUTPUTS, "jsonl", OUTPUTS["jsonl"]._replace(make=kind))
    with pytest.raises(AssertionError, match="without crashes"):
        check_output(maker("jsonl", {}), lambda folder: everything(folder / "file"), tmp_path)
