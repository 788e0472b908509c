"""Exactly once, whatever happens to the process, the disk or the file."""

import gzip
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from logboom.errors import OutputError, TakenAwayError
from logboom.journal.disk import Disk
from logboom.journal.log import Block
from logboom.outputs.jsonl import JsonlOutput

Make = Callable[..., JsonlOutput]
BlockOf = Callable[..., Block]
JsonlOf = Callable[[int, int], bytes]
Everything = Callable[[Path], bytes]


@pytest.fixture
def crashed(make_jsonl: Make, block_of: BlockOf) -> JsonlOutput:
    """Has made 0 to 4 durable, and died after writing 5 to 9."""
    output = make_jsonl()
    output.open()
    output.write(block_of(0, 5))
    output.flush()
    output.write(block_of(5, 5))
    return output


@pytest.fixture
def stopped(make_jsonl: Make, block_of: BlockOf) -> JsonlOutput:
    """Has made 0 to 4 durable, and was closed."""
    output = make_jsonl()
    output.open()
    output.write(block_of(0, 5))
    output.flush()
    output.close()
    return output


def go_on(output: JsonlOutput, block_of: BlockOf, end: int = 10) -> None:
    output.open()
    position = output.position()
    write_and_flush(output, block_of(position, end - position))


def write_and_flush(output: JsonlOutput, block: Block) -> None:
    output.write(block)
    output.flush()


# --- restarts ---


def test_an_existing_file_is_continued(
    make_jsonl: Make, out: Path, block_of: BlockOf, jsonl_of: JsonlOf
) -> None:
    out.parent.mkdir()
    out.write_bytes(b"what was there, with an open end")
    go_on(make_jsonl(), block_of)
    assert out.read_bytes() == b"what was there, with an open end\n" + jsonl_of(0, 10)


def test_lines_without_a_position_are_written_again(
    crashed: JsonlOutput, make_jsonl: Make, out: Path, block_of: BlockOf, jsonl_of: JsonlOf
) -> None:
    assert (crashed.position(), out.read_bytes()) == (5, jsonl_of(0, 10))
    output = make_jsonl()
    output.open()
    assert (output.position(), out.read_bytes()) == (5, jsonl_of(0, 5))
    go_on(output, block_of)
    assert out.read_bytes() == jsonl_of(0, 10)


def test_a_torn_line_is_cut(
    crashed: JsonlOutput, make_jsonl: Make, out: Path, block_of: BlockOf, jsonl_of: JsonlOf
) -> None:
    os.truncate(out, len(jsonl_of(0, 7)) - 9)
    go_on(make_jsonl(), block_of)
    assert out.read_bytes() == jsonl_of(0, 10)
    assert crashed.damaged == 0


def test_a_block_that_overlaps_is_written_once(
    make_jsonl: Make, out: Path, block_of: BlockOf, jsonl_of: JsonlOf
) -> None:
    output = make_jsonl()
    output.open()
    for first, count in ((0, 5), (0, 5), (3, 4), (0, 2), (7, 3)):
        output.write(block_of(first, count))
    output.flush()
    assert (out.read_bytes(), output.position()) == (jsonl_of(0, 10), 10)


def test_sequences_that_are_gone_are_passed(
    make_jsonl: Make, out: Path, block_of: BlockOf, jsonl_of: JsonlOf
) -> None:
    output = make_jsonl()
    output.open()
    output.write(block_of(100, 2))
    output.flush()
    assert (out.read_bytes(), output.position()) == (jsonl_of(100, 102), 102)


def test_a_filtered_block_moves_the_position(make_jsonl: Make, out: Path, block_of: BlockOf) -> None:
    output = make_jsonl(listeners=["device"])
    output.open()
    output.write(block_of(0, 3, listener="gateway"))
    output.flush()
    assert (out.read_bytes(), output.position()) == (b"", 3)
    again = make_jsonl()
    again.open()
    assert again.position() == 3


def test_rewind(
    stopped: JsonlOutput, make_jsonl: Make, out: Path, block_of: BlockOf, jsonl_of: JsonlOf
) -> None:
    stopped.open()
    stopped.rewind(2)
    stopped.close()
    go_on(make_jsonl(), block_of, end=4)
    assert out.read_bytes() == jsonl_of(0, 5) + jsonl_of(2, 4)


def test_another_path_starts_at_the_position(
    crashed: JsonlOutput, make_jsonl: Make, out: Path, block_of: BlockOf, jsonl_of: JsonlOf
) -> None:
    other = out.with_name("other.jsonl")
    other.write_bytes(b"mine\n")
    go_on(make_jsonl(path="other.jsonl"), block_of)
    assert other.read_bytes() == b"mine\n" + jsonl_of(5, 10)
    assert (out.read_bytes(), crashed.position()) == (jsonl_of(0, 10), 5)


# --- somebody else's hands on the file, while it is stopped ---


def test_a_file_that_was_moved_away(
    stopped: JsonlOutput, out: Path, block_of: BlockOf, jsonl_of: JsonlOf
) -> None:
    out.rename(out.with_name("moved"))
    go_on(stopped, block_of)
    assert out.with_name("moved").read_bytes() == jsonl_of(0, 5)
    assert out.read_bytes() == jsonl_of(5, 10)


def test_a_file_that_was_deleted(
    stopped: JsonlOutput, out: Path, block_of: BlockOf, jsonl_of: JsonlOf
) -> None:
    out.unlink()
    go_on(stopped, block_of)
    assert out.read_bytes() == jsonl_of(5, 10)


@pytest.mark.parametrize("content", [b"", b"short\n", b"longer than what was there\n" * 99])
def test_a_file_that_was_replaced(
    crashed: JsonlOutput, make_jsonl: Make, out: Path, block_of: BlockOf, jsonl_of: JsonlOf, content: bytes
) -> None:
    out.with_name("new").write_bytes(content)
    out.with_name("new").rename(out)
    go_on(make_jsonl(), block_of)
    assert out.read_bytes() == content + jsonl_of(5, 10)
    assert crashed.position() == 5


@pytest.mark.parametrize("content", [b"", b"short\n", b"longer than what was there\n" * 99])
def test_a_file_that_was_overwritten_in_place(
    crashed: JsonlOutput, make_jsonl: Make, out: Path, block_of: BlockOf, jsonl_of: JsonlOf, content: bytes
) -> None:
    out.write_bytes(content)
    go_on(make_jsonl(), block_of)
    assert out.read_bytes() == content + jsonl_of(5, 10)
    assert crashed.position() == 5


def test_a_note_that_was_added_after_a_clean_stop_stays(
    stopped: JsonlOutput, out: Path, block_of: BlockOf, jsonl_of: JsonlOf
) -> None:
    with out.open("ab") as file:
        file.write(b"a note")
    go_on(stopped, block_of)
    assert out.read_bytes() == jsonl_of(0, 5) + b"a note\n" + jsonl_of(5, 10)


# --- and while it is running ---


@pytest.fixture
def running(stopped: JsonlOutput, block_of: BlockOf) -> JsonlOutput:
    """Has made 0 to 4 durable, and written 5 and 6."""
    go_on(stopped, block_of, end=5)
    stopped.write(block_of(5, 2))
    return stopped


@pytest.mark.parametrize("replacement", [None, b"", b"open end"])
def test_a_file_that_is_moved(
    running: JsonlOutput,
    make_jsonl: Make,
    out: Path,
    block_of: BlockOf,
    jsonl_of: JsonlOf,
    replacement: bytes | None,
) -> None:
    out.rename(out.with_name("moved"))
    if replacement is not None:
        out.write_bytes(replacement)
    with pytest.raises(TakenAwayError, match=r"out\.jsonl was moved away with all its lines"):
        running.write(block_of(7, 1))
    go_on(make_jsonl(), block_of)  # a crash on top
    assert out.with_name("moved").read_bytes() == jsonl_of(0, 7)
    start = replacement + b"\n" if replacement else b""
    assert out.read_bytes() == start + jsonl_of(7, 10)


def test_a_file_that_is_copied_and_cut(
    running: JsonlOutput, make_jsonl: Make, out: Path, block_of: BlockOf, jsonl_of: JsonlOf
) -> None:
    running.flush()
    os.truncate(out, 0)
    with pytest.raises(TakenAwayError, match=r"out\.jsonl was truncated; continuing at its end"):
        running.write(block_of(7, 1))
    go_on(running, block_of, end=8)
    running.write(block_of(8, 1))
    go_on(make_jsonl(), block_of)
    assert out.read_bytes() == jsonl_of(7, 10)


TAKEN: list[tuple[Callable[[Path], object], str]] = [
    (Path.unlink, "was deleted"),
    (lambda out: shutil.rmtree(out.parent), "was deleted"),
    (
        lambda out: (
            out.write_bytes(b""),
            out.with_name("new").write_bytes(b""),
            out.with_name("new").rename(out),
        ),
        "was deleted",
    ),
    (lambda out: os.truncate(out, 0), "was truncated"),
    (lambda out: out.write_bytes(b""), "was truncated"),
    (lambda out: os.truncate(out, out.stat().st_size - 1), "was truncated"),
]


@pytest.mark.parametrize("when", ["written", "synced"])
@pytest.mark.parametrize(("take", "text"), TAKEN)
def test_what_was_not_yet_accounted_for_is_written_again(
    running: JsonlOutput,
    out: Path,
    block_of: BlockOf,
    jsonl_of: JsonlOf,
    monkeypatch: pytest.MonkeyPatch,
    take: Callable[[Path], object],
    text: str,
    when: str,
) -> None:
    """5 and 6 were written when the file is taken away, and 7 comes: no line but those before may be missing."""
    if when == "synced":
        really_sync = Disk.sync
        monkeypatch.setattr(Disk, "sync", lambda disk, descriptor: (really_sync(disk, descriptor), take(out)))
        with pytest.raises(TakenAwayError, match=text):
            running.flush()
        monkeypatch.undo()
    else:
        take(out)
        with pytest.raises(TakenAwayError, match=text):
            running.flush()
    assert running.position() == 5
    go_on(running, block_of)
    assert out.read_bytes().endswith(jsonl_of(5, 10))


def test_what_came_after_a_cut_is_written_once(
    running: JsonlOutput, out: Path, block_of: BlockOf, jsonl_of: JsonlOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.flush()
    really_write = Disk.write

    def cut_first(disk: Disk, descriptor: int, data: bytes) -> None:
        os.truncate(out, 0)
        really_write(disk, descriptor, data)

    monkeypatch.setattr(Disk, "write", cut_first)
    running.write(block_of(7, 2))
    monkeypatch.undo()
    with pytest.raises(TakenAwayError, match="was truncated"):
        running.flush()
    go_on(running, block_of)
    assert out.read_bytes() == jsonl_of(7, 10)


@pytest.mark.parametrize("left", [1, 70, 100])
def test_a_line_that_was_cut_in_two_is_ended(
    running: JsonlOutput, out: Path, block_of: BlockOf, jsonl_of: JsonlOf, left: int
) -> None:
    running.flush()
    os.truncate(out, left)
    with pytest.raises(TakenAwayError, match="was truncated"):
        running.flush()
    go_on(running, block_of)
    rest = jsonl_of(0, 5)[:left]
    assert out.read_bytes() == rest + b"\n" * (not rest.endswith(b"\n")) + jsonl_of(7, 10)


@pytest.mark.parametrize("take", [one for one, _ in TAKEN])
def test_a_file_that_is_taken_away_while_nothing_comes_is_made_anew(
    running: JsonlOutput, out: Path, take: Callable[[Path], object]
) -> None:
    running.flush()
    take(out)
    with pytest.raises(TakenAwayError, match=r"out\.jsonl was (deleted|truncated)"):
        running.flush()
    running.open()
    assert out.exists()
    running.flush()
    assert running.position() == 7


# --- rotation ---


@pytest.mark.parametrize("limit", [1, 130, 131, 132, 200, 10_000])
@pytest.mark.parametrize("size", [1, 3, 40])
def test_rotation_by_size(
    make_jsonl: Make,
    out: Path,
    block_of: BlockOf,
    jsonl_of: JsonlOf,
    everything: Everything,
    limit: int,
    size: int,
) -> None:
    output = make_jsonl(max_file_bytes=limit, backup_count=99)
    output.open()
    for first in range(0, 40, size):
        output.write(block_of(first, min(size, 40 - first)))
    output.flush()
    assert everything(out) == jsonl_of(0, 40)
    for file in out.parent.iterdir():
        data = file.read_bytes()
        assert data.endswith(b"}\n")
        assert len(data) <= limit or data.count(b"\n") == 1


def test_exactly_so_many_backups(make_jsonl: Make, out: Path, block_of: BlockOf, jsonl_of: JsonlOf) -> None:
    output = make_jsonl(max_file_bytes=len(jsonl_of(0, 1)), backup_count=3)
    output.open()
    output.write(block_of(0, 9))
    names = {path.name: path.read_bytes() for path in out.parent.iterdir()}
    assert names == {
        "out.jsonl": jsonl_of(8, 9),
        "out.jsonl.1": jsonl_of(7, 8),
        "out.jsonl.2": jsonl_of(6, 7),
        "out.jsonl.3": jsonl_of(5, 6),
    }


def test_numbering_may_start_at_0(
    make_jsonl: Make, out: Path, block_of: BlockOf, jsonl_of: JsonlOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(JsonlOutput, "first_backup", 0)
    output = make_jsonl(max_file_bytes=1, backup_count=1)
    output.open()
    output.write(block_of(0, 3))
    assert sorted(path.name for path in out.parent.iterdir()) == ["out.jsonl", "out.jsonl.0"]


def test_rotation_by_time(make_jsonl: Make, out: Path, block_of: BlockOf, jsonl_of: JsonlOf) -> None:
    now_s = [86399.0]
    output = make_jsonl(rotate_interval_s=86400.0, compress=True, clock=lambda: now_s[0])
    output.open()
    output.write(block_of(0, 2))
    now_s[0] = 86400.0
    output.write(block_of(2, 1))
    output.flush()
    assert gzip.decompress(out.with_name("out.jsonl.1.gz").read_bytes()) == jsonl_of(0, 2)
    assert out.read_bytes() == jsonl_of(2, 3)
    assert not out.with_name("out.jsonl.1").exists()


def test_a_crash_right_after_a_rotation(
    make_jsonl: Make, out: Path, block_of: BlockOf, jsonl_of: JsonlOf, everything: Everything
) -> None:
    crashing = make_jsonl(max_file_bytes=len(jsonl_of(0, 2)))
    crashing.open()
    crashing.write(block_of(0, 3))
    assert (crashing.position(), out.read_bytes()) == (2, jsonl_of(2, 3))
    go_on(make_jsonl(), block_of)
    assert everything(out) == jsonl_of(0, 10)


class Crash(BaseException):
    """Nothing in the code under test catches this, as nothing catches a SIGKILL."""


class CrashPoint:
    """Stands before every call that changes a file, and ends the process before the chosen one."""

    CHANGING = ("open", "write", "pwrite", "ftruncate", "rename", "mkdir")
    SYNCING = ("fsync", "fdatasync")

    def __init__(self, monkeypatch: pytest.MonkeyPatch, chosen: int) -> None:
        self.left = chosen
        self.synced: dict[int, int] = {}
        for name in self.CHANGING:
            monkeypatch.setattr(os, name, self._guard(getattr(os, name)))
        for name in self.SYNCING:
            monkeypatch.setattr(os, name, self._guard(self._sync))
        self._really_unlink = os.unlink
        monkeypatch.setattr(os, "unlink", self._guard(self._unlink))

    def _guard(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*arguments: Any, **more: Any) -> Any:
            self.left -= 1
            if self.left < 0:
                raise Crash
            return call(*arguments, **more)

        return guarded

    def _sync(self, descriptor: int) -> None:
        status = os.fstat(descriptor)
        self.synced[status.st_ino] = status.st_size

    def _unlink(self, path: Path) -> None:
        self.synced.pop(path.stat().st_ino, None)  # the next file may get the same number
        self._really_unlink(path)

    def cut_power(self, folder: Path) -> None:
        """Files lose what was not synced; positions were the lucky ones that did reach the disk."""
        for path in folder.glob("*"):
            status = path.stat()
            os.truncate(path, min(status.st_size, self.synced.get(status.st_ino, 0)))


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("power_cut", [False, True])
def test_a_crash_before_any_call(
    make_jsonl: Make,
    jsonl_of: JsonlOf,
    block_of: BlockOf,
    everything: Everything,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    power_cut: bool,
    compress: bool,
) -> None:
    """The same run again and again, each time killed one system call later, until it comes to its end."""
    settings = {"max_file_bytes": len(jsonl_of(0, 2)), "backup_count": 9, "compress": compress}

    def run(end: int) -> None:
        output = make_jsonl(**settings, folder=str(folder), path="x")
        output.open()
        for first in range(output.position(), end, 3):
            output.write(block_of(first, min(3, end - first)))
            if first % 2:
                output.flush()
        output.flush()

    finished = chosen = 0
    while not finished:
        folder = tmp_path / f"run-{chosen}"
        (tmp_path / "data" / "outputs" / "o.json").unlink(missing_ok=True)
        with monkeypatch.context() as patch:
            point = CrashPoint(patch, chosen)
            try:
                run(8)
                finished = chosen
            except Crash:
                point.left = 1 << 30
                if power_cut:
                    point.cut_power(folder)
                run(9)
                run(10)
        assert everything(folder / "x") == jsonl_of(0, 8 if finished else 10), f"killed before call {chosen}"
        backups = {path.name for path in folder.iterdir()} - {"x"}
        assert len(backups) == (3 if finished else 4), backups
        chosen += 1
    assert finished > 40


# --- trouble with the disk ---


class FaultyDisk(Disk):
    """Fails where it is told to, once."""

    def __init__(self) -> None:
        self.fault = ""

    def _fail(self, kind: str) -> None:
        if self.fault == kind:
            self.fault = ""
            raise OSError(28, "No space left on device")

    def write(self, descriptor: int, data: bytes) -> None:
        if self.fault == "write":
            os.write(descriptor, data[: len(data) // 2])
        self._fail("write")
        super().write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        self._fail("sync")
        super().sync(descriptor)


@pytest.mark.parametrize("fault", ["write", "sync"])
@pytest.mark.parametrize("limit", [0, 200])
def test_a_failing_disk(
    make_jsonl: Make,
    out: Path,
    block_of: BlockOf,
    jsonl_of: JsonlOf,
    everything: Everything,
    fault: str,
    limit: int,
) -> None:
    disk = FaultyDisk()
    output = make_jsonl(disk=disk, max_file_bytes=limit)
    go_on(output, block_of, end=2)
    disk.fault = fault
    with pytest.raises(OSError, match="No space"):
        write_and_flush(output, block_of(2, 5))
    output.close()
    go_on(output, block_of)
    assert everything(out) == jsonl_of(0, 10)


def test_a_failing_position_file(make_jsonl: Make, out: Path, block_of: BlockOf, jsonl_of: JsonlOf) -> None:
    disk = FaultyDisk()
    output = make_jsonl(disk=disk)
    disk.fault = "sync"
    with pytest.raises(OSError, match="No space"):
        output.open()
    output.close()
    go_on(output, block_of)
    assert out.read_bytes() == jsonl_of(0, 10)


def test_a_damaged_position_is_reported_once(
    stopped: JsonlOutput, out: Path, tmp_path: Path, block_of: BlockOf, jsonl_of: JsonlOf
) -> None:
    (tmp_path / "data" / "outputs" / "o.json").write_bytes(b"?")
    with pytest.raises(OutputError, match="entries will be written twice"):
        stopped.open()
    go_on(stopped, block_of)
    assert out.read_bytes() == jsonl_of(0, 5) + jsonl_of(0, 10)


def test_close_is_idempotent_and_comes_before_open(make_jsonl: Make) -> None:
    output = make_jsonl()
    output.close()
    assert output.position() == 0
    output.open()
    output.close()
    output.close()
