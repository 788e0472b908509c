"""Whatever somebody does to the folder: what passes with a head is read as it was sealed, or is listed as expired."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logboom.journal.audit import audit
from logboom.journal.line_scan import is_good_line
from logboom.journal.reader import JournalReader
from logboom.journal.segments import IndexPoint, pack_point
from logboom.journal.verify import verify
from logboom.testing.crash_kit import Driver, entry_of
from tests.kit.tampering import (
    NEWEST,
    PER_SEGMENT,
    SEALED,
    at,
    change,
    finish,
    head,
    restart,
    say,
    seal,
    slip_in,
)

SEQUENCES = st.integers(0, len(SEALED) + len(NEWEST)) | st.sampled_from([0, 10, 20, 30])


def cut(folder: Path, first: int, count: int) -> None:
    lines = at(folder, first).path.read_bytes().splitlines(keepends=True)
    at(folder, first).path.write_bytes(b"".join(lines[:count]))


def append(folder: Path, first: int, other: int) -> None:
    at(folder, first).path.write_bytes(
        at(folder, first).path.read_bytes() + at(folder, other).path.read_bytes()
    )


def move(folder: Path, first: int, other: int) -> None:
    at(folder, first).path.rename(at(folder, other).path)


def copy(folder: Path, first: int, other: int) -> None:
    shutil.copy(at(folder, first).path, at(folder, other).path)


def point(folder: Path, first: int, sequence: int) -> None:
    """An index of two points, the second anywhere."""
    size = at(folder, first).path.stat().st_size
    points = [IndexPoint(first, 0, 0), IndexPoint(sequence, size * (sequence % 3) // 2, 0)]
    at(folder, first).index_path.write_bytes(b"".join(map(pack_point, points)))


def mend(folder: Path, first: int) -> None:
    finish(at(folder, first))


def delete(folder: Path, first: int) -> None:
    at(folder, first).delete()


Step = tuple[Callable[..., object], tuple[object, ...]]
ARGUMENTS: dict[Callable[..., object], list[st.SearchStrategy[object]]] = {
    change: [SEQUENCES],
    cut: [SEQUENCES, st.integers(0, 12)],
    append: [SEQUENCES, SEQUENCES],
    move: [SEQUENCES, SEQUENCES],
    copy: [SEQUENCES, SEQUENCES],
    point: [SEQUENCES, SEQUENCES],
    slip_in: [SEQUENCES, st.integers(0, 12)],
    seal: [SEQUENCES, st.sampled_from(["sealed", "repaired"])],
    say: [st.sampled_from(["expired", "removed", "missing"]), SEQUENCES],
    restart: [],
    mend: [SEQUENCES],
    delete: [SEQUENCES],
}
STEPS: list[st.SearchStrategy[Step]] = [
    st.tuples(st.just(step), st.tuples(*arguments)) for step, arguments in ARGUMENTS.items()
]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    data_dir = tmp_path_factory.mktemp("journal") / "data"
    with pytest.MonkeyPatch.context() as patch:
        for name in ("fsync", "fdatasync"):  # no power is cut here
            patch.setattr(os, name, lambda _descriptor: None)
        driver = Driver(data_dir, segment_bytes_max=1)
        entries = [*SEALED, *NEWEST]
        for start in range(0, len(entries), PER_SEGMENT):
            driver.store(*entries[start : start + PER_SEGMENT])
        driver.close()
        yield data_dir


def readable(folder: Path, position: int) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    with closing(JournalReader(folder, position)) as reader:
        while (block := reader.read()) is not None:
            lines = [line for line in block.data.split(b"\n")[:-1] if is_good_line(line)]
            found |= zip(range(block.first_sequence, block.next_sequence), map(entry_of, lines), strict=False)
    return found


@settings(max_examples=60)
@given(steps=st.lists(st.one_of(STEPS), max_size=6), position=st.integers(0, 29))
def test_what_passes_is_what_was_sealed(original: Path, steps: list[Step], position: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = shutil.copytree(original, Path(place, "data")) / "journal"
        noted = head(folder)
        for step, arguments in steps:
            with suppress(OSError):  # a file that is not there
                step(folder, *arguments)
        found = audit(folder)
        line = found.place_of(noted)
        if line is None or not found.good or not all(finding.good for finding in verify(folder)):
            return
        since = found.since(line)
        if since.changes:
            return
        expired = {event.first for event in since.expired}
        expected = {
            number: entry
            for number, entry in enumerate(SEALED)
            if number - number % PER_SEGMENT not in expired and number >= position
        }
        assert {
            number: entry for number, entry in readable(folder, position).items() if number < 30
        } == expected
