"""Flipped bits and torn files: nothing crashes, nothing hangs, all of it is told, and the rest stays readable."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logboom.journal import index, recovery, sums, writer
from logboom.journal.audit import accept, audit
from logboom.journal.folder_log import FolderLog
from logboom.journal.line_scan import is_good_line
from logboom.journal.manifest import MANIFEST_NAME
from logboom.journal.reader import JournalReader
from logboom.journal.repair import repair
from logboom.journal.segments import list_segments
from logboom.journal.verify import Finding, verify
from logboom.query.matching import Filter
from logboom.query.search import Search
from logboom.testing.crash_kit import Driver, entry_of

ENTRIES = [b'{"n":%d,"msg":"%b*J*"}' % (number, b"J" * (number % 7 * 9)) for number in range(60)]
"""A bit of a J or a star makes a newline."""

NEXT = len(ENTRIES)

CORPUS = Path(__file__).with_name("corpus") / "journal"
"""Lists of damages, as they stand in `Damage`."""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A journal of a few segments with several checksums and index points each, closed."""
    data_dir = tmp_path_factory.mktemp("journal") / "data"
    with pytest.MonkeyPatch.context() as patch:
        for module in (index, recovery, writer):
            patch.setattr(module, "INDEX_STEP_BYTES", 700)
        patch.setattr(sums, "SUM_STEP_BYTES", 700)
        for name in ("fsync", "fdatasync"):  # no power is cut here
            patch.setattr(os, name, lambda _descriptor: None)
        driver = Driver(data_dir, segment_bytes_max=2000)
        for start in range(0, NEXT, 4):
            driver.store(*ENTRIES[start : start + 4])
        driver.close()
        assert len(list_segments(data_dir / "journal")) == 4
        yield data_dir


class Damage(NamedTuple):
    """What happens to a file of the journal; places are thousandths of its size."""

    file: int
    kind: str
    place: int
    value: int

    def apply(self, data_dir: Path) -> None:
        files = sorted(path for path in (data_dir / "journal").iterdir() if path.is_file())
        path = files[self.file % len(files)]
        data = bytearray(path.read_bytes())
        place = len(data) * self.place // 1000
        if self.kind == "delete":
            path.unlink()
        elif data:
            if self.kind == "flip":
                data[place] ^= 1 << self.value % 8
            elif self.kind == "truncate":
                del data[place:]
            elif self.kind == "zeros":
                data[place : place + self.value] = bytes(self.value)
            elif self.kind == "newlines":
                data[place : place + self.value] = b"\n" * self.value
            path.write_bytes(data)


damages = st.builds(
    Damage,
    st.integers(0, 20),
    st.sampled_from(["flip", "flip", "truncate", "zeros", "newlines", "delete"]),
    st.integers(0, 999),
    st.integers(1, 255),
)


@contextmanager
def copy_of(original: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(original, Path(folder, "data"))
        yield Path(folder, "data")


def read(data_dir: Path) -> dict[int, bytes]:
    """All lines by sequence, damaged ones too; ends."""
    found: dict[int, bytes] = {}
    with closing(JournalReader(data_dir / "journal")) as reader:
        while (block := reader.read(500)) is not None:
            assert block.count > 0
            lines = block.data.split(b"\n")[:-1]
            found |= zip(range(block.first_sequence, block.next_sequence), lines, strict=True)
    return found


def readable(data_dir: Path) -> dict[int, bytes]:
    return {
        sequence: entry_of(line + b"\n") for sequence, line in read(data_dir).items() if is_good_line(line)
    }


def found_at(data_dir: Path, sequence: int) -> bytes:
    """The entry that stands at a sequence: for a reader that comes from the start, and for one that seeks."""
    with closing(JournalReader(data_dir / "journal", sequence)) as reader:
        block = reader.read(1)
        assert block is not None
        assert block[:2] == (sequence, 1)
        entry = entry_of(block.data)
    assert readable(data_dir)[sequence] == entry
    return entry


def look(data_dir: Path) -> tuple[list[Finding], bool]:
    """What verify finds, and whether all is good."""
    findings = list(verify(data_dir / "journal"))
    return findings, all(finding.good for finding in findings) and audit(data_dir / "journal").good


def mend(data_dir: Path) -> None:
    folder, aside = data_dir / "journal", data_dir / "set-aside"
    for finding in verify(folder):
        repair(finding, aside)
    accept(folder, audit(folder), aside)


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.json")), ids=lambda path: path.stem)
def test_the_corpus(original: Path, path: Path) -> None:
    check(original, [Damage(*damage) for damage in json.loads(path.read_bytes())])


@settings(max_examples=40)
@given(hurt=st.lists(damages, min_size=1, max_size=4))
def test_no_damage_stops_anything(original: Path, hurt: list[Damage]) -> None:
    """Found something? Add it to the corpus."""
    check(original, hurt)


def check(original: Path, hurt: list[Damage]) -> None:
    with copy_of(original) as data_dir:
        for damage in hurt:
            damage.apply(data_dir)
        look(data_dir)
        read(data_dir)
        search = Search(FolderLog(data_dir / "journal"))
        search.forward(Filter(), 100)
        search.backward(Filter(text="J"), 100)
        driver = Driver(data_dir)
        first = driver.store(b'{"after":1}').first_sequence
        driver.close()
        assert first is not None
        assert found_at(data_dir, first) == b'{"after":1}'
        mend(data_dir)
        assert look(data_dir)[1]
        assert found_at(data_dir, first) == b'{"after":1}'
        driver = Driver(data_dir)
        assert driver.store(b'{"after":2}').first_sequence == first + 1
        driver.close()
        assert found_at(data_dir, first) == b'{"after":1}'
        assert found_at(data_dir, first + 1) == b'{"after":2}'


def flip(path: Path, place: int, bit: int) -> set[int]:
    """Flip one bit of a segment; the sequences of the lines that it belongs to."""
    data = bytearray(path.read_bytes())
    first = int(path.stem)
    line = first + data.count(b"\n", 0, place)
    touched = {line, line + 1} if data[place : place + 1] == b"\n" else {line}
    data[place] ^= 1 << bit
    path.write_bytes(data)
    return touched


def untouched(entries: dict[int, bytes], touched: set[int]) -> dict[int, bytes]:
    return {sequence: entry for sequence, entry in entries.items() if sequence not in touched}


@settings(max_examples=40)
@given(number=st.integers(0, 3), place=st.integers(0, 9999), bit=st.integers(0, 7), keep=st.booleans())
def test_every_flipped_bit_of_a_segment_is_found_and_costs_its_line_only(
    original: Path, number: int, place: int, bit: int, keep: bool
) -> None:
    """With the checksums and the manifest, or, in a sealed segment, with the manifest alone."""
    with copy_of(original) as data_dir:
        segment = list_segments(data_dir / "journal")[number]
        touched = flip(segment.path, place % segment.path.stat().st_size, bit)
        if number < 3 and not keep:
            segment.sums_path.unlink()
        findings, good = look(data_dir)
        assert not good
        assert [finding.good for finding in findings] == [other != number for other in range(4)]
        expected = untouched(dict(enumerate(ENTRIES)), touched)
        lines = set(readable(data_dir).values())
        hidden = set(expected.values()) - lines
        assert len(hidden) <= 1  # a newline that was none hides the segment's last line until it is repaired
        driver = Driver(data_dir)
        assert driver.store(b"{}").first_sequence == NEXT
        driver.close()
        assert not look(data_dir)[1]  # a start hides nothing
        mend(data_dir)
        assert look(data_dir)[1]
        found = readable(data_dir)
        assert untouched(found, {*touched, NEXT}) == expected


@settings(max_examples=30)
@given(place=st.integers(0, 9999), bit=st.integers(0, 7))
def test_without_checksums_a_start_takes_out_the_damage_only(original: Path, place: int, bit: int) -> None:
    """As after a power cut, or in a journal of before the checksums; nothing tells what was acknowledged."""
    with copy_of(original) as data_dir:
        segment = list_segments(data_dir / "journal")[-1]
        segment.sums_path.unlink()
        segment.index_path.unlink()
        place %= segment.path.read_bytes().rindex(b"\n", 0, -1)  # the last line might be a torn one
        touched = flip(segment.path, place, bit)
        driver = Driver(data_dir)
        assert driver.store(b"{}").first_sequence == NEXT
        found = driver.read(gaps=True)
        driver.close()
        assert untouched(found, {*touched, NEXT}) == untouched(dict(enumerate(ENTRIES)), touched)


@settings(max_examples=40)
@given(place=st.integers(0, 9999), bit=st.integers(0, 7), name=st.sampled_from(["manifest", "sums", "index"]))
def test_a_flipped_bit_beside_the_segments_loses_nothing(
    original: Path, place: int, bit: int, name: str
) -> None:
    with copy_of(original) as data_dir:
        folder = data_dir / "journal"
        last = list_segments(folder)[-1]
        path = {"manifest": folder / MANIFEST_NAME, "sums": last.sums_path, "index": last.index_path}[name]
        place %= path.stat().st_size
        data = bytearray(path.read_bytes())
        data[place] ^= 1 << bit
        path.write_bytes(data)
        findings, good = look(data_dir)
        if name == "index":  # told, or it leads nobody astray
            assert not good or [found_at(data_dir, number) for number in range(NEXT)] == ENTRIES
        else:
            assert good == (name == "sums")
            assert all(finding.good for finding in findings)
        driver = Driver(data_dir)
        assert driver.store(b"{}").first_sequence == NEXT
        assert list(driver.read().values()) == [*ENTRIES, b"{}"]
        driver.close()


def test_the_original_is_good(original: Path) -> None:
    """Else the tests above would find damage that they did not make."""
    steps: list[Callable[[], object]] = [lambda: look(original)[1], lambda: readable(original)]
    assert [step() for step in steps] == [True, dict(enumerate(ENTRIES))]
    assert all(finding.covered == finding.size for finding in look(original)[0])
