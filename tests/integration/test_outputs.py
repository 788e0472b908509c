"""Outputs over a real journal: beside a writer, and killed in the middle.

Run as a program, this file is the process that is killed.
"""

import gzip
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from logboom.journal.journal import AckLevel, Journal
from logboom.journal.reader import JournalReader
from logboom.model import Batch, Receipt, Source
from logboom.outputs.base import Output
from logboom.outputs.registry import make_outputs
from logboom.outputs.runner import OutputRunner
from logboom.testing.output_kit import sample_entries, write_journal

KINDS: list[dict[str, Any]] = [
    {"type": "jsonl"},
    {"type": "jsonl", "max_file_bytes": 20_000, "backup_count": 99, "compress": True},
    {"type": "text", "max_file_bytes": 20_000, "backup_count": 99},
]

SPARE_STEPS = 5
"""Steps that a process may take while the kill is on its way; without a bound it might be done by then."""


def make_output(folder: Path, settings: dict[str, Any]) -> Output:
    return make_outputs({"o": {**settings, "path": str(folder / "logs" / "out")}}, folder)["o"]


def content(folder: Path) -> bytes:
    """The file and its backups, oldest first."""

    def number(path: Path) -> int:
        return int(path.name.removesuffix(".gz").rpartition(".")[2])

    backups = sorted((folder / "logs").glob("out.*"), key=number, reverse=True)
    packed = [
        gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes() for path in backups
    ]
    return b"".join(packed) + (folder / "logs" / "out").read_bytes()


def write_all(folder: Path, settings: dict[str, Any], block_bytes: int) -> None:
    """Write what the journal holds: a byte on stdout after each step, and one from stdin before the next."""
    output = make_output(folder, settings)
    output.open()
    reader = JournalReader(folder / "journal", output.position())
    step = 0
    while (block := reader.read(block_bytes)) is not None:
        output.write(block)
        os.write(1, b".")
        os.read(0, 1)
        step += 1
        if step % 3 == 0:
            output.flush()
    output.flush()
    output.close()


def run_process(
    folder: Path, settings: dict[str, Any], block_bytes: int, kill_after: int | None = None
) -> int:
    """Start the process, kill it just after so many steps; returns how it ended."""
    command = [sys.executable, __file__, str(folder), json.dumps(settings), str(block_bytes)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        if kill_after is not None:
            process.stdin.write(b"." * (kill_after + SPARE_STEPS))
            process.stdin.flush()
            process.stdout.read(kill_after)
            process.kill()
        process.stdin.close()
        process.stdout.read()
    return process.returncode


@pytest.mark.parametrize("settings", KINDS)
def test_killed_again_and_again(settings: dict[str, Any], tmp_path: Path) -> None:
    entries = sample_entries(4000, seed=5)
    for folder in (tmp_path / "straight", tmp_path / "killed"):
        write_journal(folder, entries, segment_lines=900)
    write_all_quietly(tmp_path / "straight", settings)
    chance = random.Random(5)
    for _ in range(5):
        block_bytes, kill_after = chance.choice((1_000, 5_000)), chance.randint(1, 30)
        ended = run_process(tmp_path / "killed", settings, block_bytes, kill_after)
        assert ended == -signal.SIGKILL
    assert run_process(tmp_path / "killed", settings, 50_000) == 0
    assert content(tmp_path / "killed") == content(tmp_path / "straight")
    assert content(tmp_path / "straight").count(b"\n") == 4000


def write_all_quietly(folder: Path, settings: dict[str, Any]) -> None:
    output = make_output(folder, settings)
    output.open()
    reader = JournalReader(folder / "journal")
    while (block := reader.read()) is not None:
        output.write(block)
    output.flush()
    output.close()
    reader.close()


def append(journal: Journal, entries: list[bytes]) -> None:
    batch = Batch(b"\n".join(entries), bytes(len(entries)), size_bytes=1)
    batch.source = Source("device", "10.0.0.1")
    answers: SimpleQueue[Receipt] = SimpleQueue()
    journal.submit(batch, AckLevel.SYNCED, answers.put)
    assert answers.get(timeout=10).first_sequence is not None


def test_beside_a_writer_over_restarts(tmp_path: Path) -> None:
    """What was stored is in both outputs after every stop, in order, once."""
    entries = sample_entries(3000, seed=6)
    reports: list[tuple[str, str]] = []
    tables = {
        "entries": {"type": "jsonl", "path": str(tmp_path / "logs" / "out")},
        "text": {"type": "text", "path": str(tmp_path / "logs" / "text.log")},
    }
    for start in range(0, 3000, 1000):
        journal = Journal(
            tmp_path, lambda call, *arguments: call(*arguments), free_bytes_min=0, segment_bytes_max=1 << 16
        )
        runners = [
            OutputRunner(name, output, journal.log, lambda kind, text: reports.append((kind, text)))
            for name, output in make_outputs(tables, tmp_path).items()
        ]
        for runner in runners:
            runner.start()
        for first in range(start, start + 1000, 50):
            append(journal, entries[first : first + 50])
        journal.close()
        for runner in runners:
            runner.stop(10)
            assert (runner.position, runner.lag) == (start + 1000, 0)
    assert reports == []
    lines = (tmp_path / "logs" / "out").read_bytes().splitlines()
    assert [json.loads(line)["entry"] for line in lines] == list(map(json.loads, entries))
    assert (tmp_path / "logs" / "text.log").read_bytes().count(b"\n") == 3000


if __name__ == "__main__":
    write_all(Path(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3]))
