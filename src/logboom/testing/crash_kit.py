"""`crash_file`: what a power cut may leave of a file, and whether the journal stands it.

The model is SQLite's: what was synced is there. Each write that was not is applied, dropped, cut short or turned
to garbage, page by page, each for itself. A `RecordingDisk` under a journal notes what is asked of the disk;
`crash_journal` then makes the data directory as a crash at any moment may leave it, and `check_journal` opens it
and holds it to the promise: every entry that was acknowledged is there, once, at its sequence.
"""

import errno
import os
import random
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final, NamedTuple

import msgspec
import xxhash

from logboom.formats.envelope import Envelope
from logboom.journal.disk import Disk
from logboom.journal.journal import AckLevel, Journal
from logboom.journal.manifest import MANIFEST_NAME, read_manifest
from logboom.journal.reader import JournalReader
from logboom.journal.segments import Segment, pack_point, read_index
from logboom.journal.sums import SUM_BYTES, Sum, pack_sum
from logboom.model import Batch, Receipt, Source

PAGE_BYTES: Final = 512
"""What a disk writes whole or not at all; the smallest of those in use is the hardest."""

SUM_RANGE_BYTES: Final = 1500
"""What a checksum covers in a crash's files: small, so that the tests' small journals have several."""

WAIT_S: Final = 30.0
"""Longer than any machine takes for an answer; only a broken test waits for it."""


class Write(NamedTuple):
    """Bytes that were written, synced or not."""

    path: Path
    offset: int
    data: bytes


class Truncate(NamedTuple):
    """A file was cut, or opened anew and empty."""

    path: Path
    size: int


class Sync(NamedTuple):
    """What was done to the file before is durable."""

    path: Path


class Remove(NamedTuple):
    """The file was deleted, and its folder synced."""

    path: Path


Operation = Write | Truncate | Sync | Remove


class RecordingDisk(Disk):
    """A disk that does what it is asked, notes it, and fails when told to.

    It does not really sync: a crash is made from the notes, so the tests need not wait for the disk.

    Args:
        seed: decides how much of a failing write still gets through.
    """

    def __init__(self, seed: int = 0) -> None:
        self.operations: list[Operation] = []
        self.full = False
        """Writes stop half-way with ENOSPC."""
        self.broken = False
        """Syncs fail with EIO."""
        self.stuck = False
        """Truncating fails with EIO."""
        self.free: int | None = None
        """Free space to report; None: the truth."""
        self._chance = random.Random(seed)  # noqa: S311 - not for secrets
        self._sizes: dict[Path, int] = {}

    def write(self, descriptor: int, data: bytes) -> None:
        """Append, or a part of it and an error."""
        taken = data[: self._chance.randrange(len(data))] if self.full else data
        self._note_reset(descriptor)
        self._note_removed()
        path = path_of(descriptor)
        self.operations.append(Write(path, self._sizes.get(path, 0), taken))
        super().write(descriptor, taken)
        self._sizes[path] = os.fstat(descriptor).st_size
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def sync(self, descriptor: int) -> None:
        """Note that it is durable, or fail: then nobody knows."""
        if self.broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self.operations.append(Sync(path_of(descriptor)))

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut, or fail."""
        if self.stuck:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().truncate(descriptor, size)
        self._note_reset(descriptor)

    def free_bytes(self, folder: Path) -> int:
        """What is set, else the truth."""
        return super().free_bytes(folder) if self.free is None else self.free

    def note_recovered(self, path: Path) -> None:
        """A segment was opened again: recovery has cut and synced it, past this disk."""
        self._note_removed()
        size = path.stat().st_size
        self.operations += [Truncate(path, size), Sync(path)]
        self._sizes[path] = size

    def _note_removed(self) -> None:
        """Files are deleted past this disk."""
        for path in [path for path in self._sizes if not path.exists()]:
            self.operations.append(Remove(path))
            del self._sizes[path]

    def _note_reset(self, descriptor: int) -> None:
        """Files are also cut when they are opened; that shows in their size."""
        path, size = path_of(descriptor), os.fstat(descriptor).st_size
        if self._sizes.get(path, 0) != size:
            self.operations.append(Truncate(path, size))
            self._sizes[path] = size


def path_of(descriptor: int) -> Path:
    """The file behind a descriptor (Linux)."""
    return Path(f"/proc/self/fd/{descriptor}").readlink()


# --- the crash ---


def crash_file(
    operations: Sequence[Operation], chance: random.Random, *, page_bytes: int = PAGE_BYTES
) -> bytes:
    """What a power cut after `operations` on one file may leave of it.

    Args:
        operations: what was asked of the disk, in order.
        chance: decides the fate of what was not synced.
        page_bytes: what the disk writes whole or not at all.
    """
    synced = max((place + 1 for place, one in enumerate(operations) if isinstance(one, Sync)), default=0)
    last_write = max((place for place, one in enumerate(operations) if isinstance(one, Write)), default=0)
    content = bytearray()
    for place, operation in enumerate(operations):
        if isinstance(operation, Truncate):
            # What is written after a truncation lands in fresh blocks: no file system shows it over the old ones.
            if place < max(synced, last_write) or chance.random() < 0.5:
                _resize(content, operation.size)
        elif isinstance(operation, Write):
            data = operation.data if place < synced else _fate(operation.data, chance, page_bytes)
            if data:
                _resize(content, max(len(content), operation.offset))
                content[operation.offset : operation.offset + len(data)] = data
    return bytes(content)


def _resize(content: bytearray, size: int) -> None:
    del content[size:]
    content.extend(bytes(size - len(content)))


def _fate(data: bytes, chance: random.Random, page_bytes: int) -> bytes:
    """An unsynced write: applied, dropped, cut short, or page by page one of that or garbage."""
    kind = chance.choice(("applied", "dropped", "short", "pages", "pages"))
    if kind == "applied":
        return data
    if kind == "dropped":
        return b""
    if kind == "short":
        return data[: chance.randrange(len(data) + 1)]
    pages = [data[start : start + page_bytes] for start in range(0, len(data), page_bytes)]
    return b"".join(
        chance.choice((page, bytes(len(page)), chance.randbytes(len(page)), page)) for page in pages
    )


def crash_journal(operations: Sequence[Operation], moment: int, data_dir: Path, seed: int) -> None:
    """Make `data_dir` as a crash may leave it after the first `moment` of `operations` on a journal.

    The sparse index and the checksums are never synced: they may be whole, torn, followed by garbage, empty or
    gone. The manifest lags behind the segments by any number of lines, and its last line may be torn.

    Raises:
        ValueError: `data_dir` is the one that the operations were done in.
    """
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    folder = data_dir / "journal"
    folder.mkdir(parents=True)
    done: dict[Path, list[Operation]] = {}
    for operation in operations[:moment]:
        if isinstance(operation, Remove):
            done.pop(operation.path, None)
        else:
            done.setdefault(operation.path, []).append(operation)
    for path, of_file in done.items():
        target = folder / path.name
        if target == path:
            raise ValueError(
                f"{data_dir} is where the journal was written; give the crash a folder of its own"
            )
        target.write_bytes(crash_file(of_file, chance))
        index = _crash_index(Segment(int(path.stem), path), of_file, chance)
        if index is not None:
            target.with_suffix(".index").write_bytes(index)
        sums = _crash_sums(Segment(int(path.stem), path), of_file, chance)
        if sums is not None:
            target.with_suffix(".sums").write_bytes(sums)
    manifest = _crash_manifest(done, chance)
    if manifest is not None:
        (folder / MANIFEST_NAME).write_bytes(manifest)


def _durable(operations: Sequence[Operation]) -> bytes:
    """What is on the disk for certain."""
    synced = max((place + 1 for place, one in enumerate(operations) if isinstance(one, Sync)), default=0)
    return crash_file(operations[:synced], random.Random(0))  # noqa: S311 - nothing is left to chance


def _crash_index(segment: Segment, operations: Sequence[Operation], chance: random.Random) -> bytes | None:
    """What may be left of a segment's index; its points are written after what they point at was synced."""
    durable = len(_durable(operations))
    whole = b"".join(pack_point(point) for point in read_index(segment) if point.offset < durable)
    return _fate_unsynced(whole, chance)


def _crash_sums(segment: Segment, operations: Sequence[Operation], chance: random.Random) -> bytes | None:
    """What may be left of a segment's checksums, each written after what it covers was synced."""
    content = _durable(operations)
    records, start, sequence = [], 0, segment.first
    while start < len(content):
        end = content.find(b"\n", min(len(content) - 1, start + SUM_RANGE_BYTES)) + 1 or len(content)
        following = sequence + content.count(b"\n", start, end)
        digest = xxhash.xxh3_64_intdigest(content[start:end])
        records.append(pack_sum(segment, Sum(start, end, sequence, following, digest)))
        start, sequence = end, following
    if records and chance.random() < 0.2:  # the place of one is empty: the pages came in no order
        records[chance.randrange(len(records))] = bytes(SUM_BYTES)
    return _fate_unsynced(b"".join(records), chance)


def _crash_manifest(done: Mapping[Path, Sequence[Operation]], chance: random.Random) -> bytes | None:
    """What may be left of the manifest: lines of segments that were sealed by then, and a torn one."""
    if not done:
        return None
    newest = max((int(path.stem) for path, of_file in done.items() if _durable(of_file)), default=0)
    lines = []
    for line in read_manifest(next(iter(done)).parent).lines:
        if line.event is None or line.event.first >= newest:
            break
        lines.append(line.data + b"\n")
    kept = lines[: chance.randrange(len(lines) + 1)]
    torn = chance.choice((b"", b"", bytes(chance.randrange(300)), chance.randbytes(chance.randrange(300))))
    if len(kept) < len(lines):
        torn = chance.choice((torn, lines[len(kept)][: chance.randrange(len(lines[len(kept)]))]))
    return b"".join(kept) + torn


def _fate_unsynced(whole: bytes, chance: random.Random) -> bytes | None:
    """A file that is never synced: whole, torn, followed by garbage, empty or gone."""
    kept = whole[: chance.randrange(len(whole) + 1)]
    tail = chance.choice((b"", bytes(chance.randrange(60)), chance.randbytes(chance.randrange(60))))
    return chance.choice((whole, whole, kept, whole + tail, b"", None))


def check_journal(
    data_dir: Path, acknowledged: Mapping[int, bytes], submitted: Collection[bytes] | None = None
) -> list[bytes]:
    """Open a journal after a crash, and hold it to its promise.

    Args:
        data_dir: what the crash left.
        acknowledged: the entries that were acknowledged as synced, by sequence; no two the same.
        submitted: all entries that the journal was ever given, if nothing else may be in it.

    Returns:
        All entries that can be read, in order.

    Raises:
        AssertionError: an acknowledged entry is missing, doubled or in the wrong place, something is read that
            is no journal line, or the journal does not take another entry.
    """
    driver = Driver(data_dir, disk=RecordingDisk())
    try:
        found = driver.read(gaps=driver.journal.recovered.damages > 0)
        receipt = driver.store(b'{"after":"the crash"}')
        assert receipt.first_sequence == driver.journal.recovered.next_sequence, "the sequence does not go on"
    finally:
        driver.close()
    for sequence, entry in acknowledged.items():
        assert found.get(sequence) == entry, (
            f"sequence {sequence}: {found.get(sequence)!r}, expected {entry!r}"
        )
    counts = Counter(found.values())
    doubled = [entry for entry in acknowledged.values() if counts[entry] != 1]
    assert not doubled, f"there more than once: {doubled}"
    if submitted is not None:
        strange = counts.keys() - set(submitted)
        assert not strange, f"nobody submitted {strange}"
    return list(found.values())


# --- driving a journal ---


class Driver:
    """A journal with its caller: submits entries, and takes the answers when told to.

    Args:
        data_dir: see `Journal`.
        options: of `Journal`; without a floor of free space, as a test's disk may be nearly full.
    """

    def __init__(self, data_dir: Path, **options: Any) -> None:
        self.answers: SimpleQueue[tuple[Any, ...]] = SimpleQueue()
        self.reports: SimpleQueue[tuple[str, ...]] = SimpleQueue()
        options = {"free_bytes_min": 0, "report": lambda *told: self.reports.put(told), **options}
        self.journal = Journal(data_dir, lambda *call: self.answers.put(call), **options)
        disk, segment = options.get("disk"), self.journal.recovered.segment
        if isinstance(disk, RecordingDisk) and segment is not None:
            disk.note_recovered(segment.path)

    def submit(
        self,
        entries: Sequence[bytes],
        done: Callable[[Receipt], None],
        *,
        ack: AckLevel = AckLevel.SYNCED,
        verdicts: bytes | None = None,
    ) -> None:
        """Hand in a batch; `verdicts` tells about refused lines among the good ones."""
        data = b"\n".join(entries)
        batch = Batch(data, bytes(len(entries)) if verdicts is None else verdicts, size_bytes=len(data) + 1)
        batch.source = Source("device", "10.0.0.1")
        self.journal.submit(batch, ack, done)

    def settle(self) -> None:
        """Take answers until nothing is pending."""
        while self.journal.pending_bytes or not self.answers.empty():
            call, *arguments = self.answers.get(timeout=WAIT_S)
            call(*arguments)

    def store(self, *entries: bytes, ack: AckLevel = AckLevel.SYNCED) -> Receipt:
        """Hand in a batch and wait for its receipt."""
        receipts: list[Receipt] = []
        self.submit(entries, receipts.append, ack=ack)
        self.settle()
        (receipt,) = receipts
        return receipt

    def read(self, position: int = 0, bytes_max: int = 1 << 20, *, gaps: bool = False) -> dict[int, bytes]:
        """The entries that can be read, by sequence; only with `gaps` may some be missing in between.

        Raises:
            AssertionError: something is no journal line, or missing.
        """
        reader = JournalReader(self.journal.folder, position, lambda: self.journal.committed)
        found: dict[int, bytes] = {}
        while (block := reader.read(bytes_max)) is not None:
            lines = [line + b"\n" for line in block.data.split(b"\n")[:-1]]
            assert len(lines) == block.count, f"a block of {block.count} lines has {len(lines)}"
            assert block.first_sequence == position or not found or gaps, (
                f"a gap before {block.first_sequence}"
            )
            found |= zip(range(block.first_sequence, block.next_sequence), map(entry_of, lines), strict=True)
            position = block.next_sequence
        reader.close()
        return found

    def close(self) -> None:
        """Close the journal, and take the last answers. Idempotent."""
        self.journal.close()
        self.settle()


def entry_of(line: bytes) -> bytes:
    """The entry of a journal line. Raises `AssertionError` when it is none."""
    try:
        return bytes(msgspec.json.decode(line, type=Envelope).entry)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise AssertionError(f"no journal line: {line!r}") from error
