"""`crash_file`: simulation of the effects of a power cut on a file, and verification of the journal after it.

The model is SQLite's: synced data exists. Each write that was not synced is applied, dropped, truncated or replaced
by garbage, page by page, independently. A `RecordingDisk` under a journal records the disk calls; `crash_journal` then
makes a data directory as a crash at any time may leave it, and `check_journal` opens it and verifies that every
acknowledged entry exists, once, at its sequence.
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
"""Unit that a disk writes atomically; the smallest one in use is the hardest case."""

SUM_RANGE_BYTES: Final = 1500
"""Bytes per checksum in the files after a crash: small, so that small journals have several."""

WAIT_S: Final = 30.0
"""Time limit for an answer, which only a failing test reaches."""


class Write(NamedTuple):
    """Bytes that were written, synced or not."""

    path: Path
    offset: int
    data: bytes


class Truncate(NamedTuple):
    """A file was truncated, or created again and empty."""

    path: Path
    size: int


class Sync(NamedTuple):
    """All earlier operations on the file are durable."""

    path: Path


class Remove(NamedTuple):
    """The file was deleted, and its folder synced."""

    path: Path


Operation = Write | Truncate | Sync | Remove


class RecordingDisk(Disk):
    """Disk that records its calls, and fails on request.

    It does not sync: a crash is simulated from the records, so that tests do not wait for the disk.

    Args:
        seed: determines the part of a failing write that is written.
    """

    def __init__(self, seed: int = 0) -> None:
        self.operations: list[Operation] = []
        self.full = False
        """Writes fail with ENOSPC after a part of the data."""
        self.broken = False
        """Syncs fail with EIO."""
        self.stuck = False
        """Truncating fails with EIO."""
        self.free: int | None = None
        """Free space to report; None: the real one."""
        self._chance = random.Random(seed)  # noqa: S311 - not for secrets
        self._sizes: dict[Path, int] = {}

    def write(self, descriptor: int, data: bytes) -> None:
        """Append the data, or a part of it and fail."""
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
        """Record a sync, or fail."""
        if self.broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self.operations.append(Sync(path_of(descriptor)))

    def truncate(self, descriptor: int, size: int) -> None:
        """Truncate, or fail."""
        if self.stuck:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().truncate(descriptor, size)
        self._note_reset(descriptor)

    def free_bytes(self, folder: Path) -> int:
        """Return the configured free space, else the real one."""
        return super().free_bytes(folder) if self.free is None else self.free

    def note_recovered(self, path: Path) -> None:
        """Record that recovery has truncated and synced a segment without this disk."""
        self._note_removed()
        size = path.stat().st_size
        self.operations += [Truncate(path, size), Sync(path)]
        self._sizes[path] = size

    def _note_removed(self) -> None:
        """Record files that were deleted without this disk."""
        for path in [path for path in self._sizes if not path.exists()]:
            self.operations.append(Remove(path))
            del self._sizes[path]

    def _note_reset(self, descriptor: int) -> None:
        """Record a truncation by opening a file, which is detected by its size."""
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
    """Return a possible content of a file after a power cut.

    Args:
        operations: operations on the file, in order.
        chance: decides about data that was not synced.
        page_bytes: unit that the disk writes atomically.
    """
    synced = max((place + 1 for place, one in enumerate(operations) if isinstance(one, Sync)), default=0)
    last_write = max((place for place, one in enumerate(operations) if isinstance(one, Write)), default=0)
    content = bytearray()
    for place, operation in enumerate(operations):
        if isinstance(operation, Truncate):
            # Data written after a truncation is in new blocks: no file system shows it together with old ones.
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
    """Return a possible result of an unsynced write: applied, dropped, truncated, or garbage in some pages."""
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
    """Make `data_dir` as a crash after the first `moment` of `operations` on a journal may leave it.

    The sparse index and the checksums are never synced: they may be complete, torn, followed by garbage, empty or
    missing. The manifest may lack any number of the last lines, and its last line may be torn.

    Raises:
        ValueError: `data_dir` is the data directory of the operations.
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
            raise ValueError(f"{data_dir} is the data directory of the journal, not a separate one")
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
    """Content that is certainly on the disk."""
    synced = max((place + 1 for place, one in enumerate(operations) if isinstance(one, Sync)), default=0)
    return crash_file(operations[:synced], random.Random(0))  # noqa: S311 - no choice is made


def _crash_index(segment: Segment, operations: Sequence[Operation], chance: random.Random) -> bytes | None:
    """Possible content of a segment's index, whose points are written after the sync of their lines."""
    durable = len(_durable(operations))
    whole = b"".join(pack_point(point) for point in read_index(segment) if point.offset < durable)
    return _fate_unsynced(whole, chance)


def _crash_sums(segment: Segment, operations: Sequence[Operation], chance: random.Random) -> bytes | None:
    """Possible content of a segment's checksums, each written after the sync of its range."""
    content = _durable(operations)
    records, start, sequence = [], 0, segment.first
    while start < len(content):
        end = content.find(b"\n", min(len(content) - 1, start + SUM_RANGE_BYTES)) + 1 or len(content)
        following = sequence + content.count(b"\n", start, end)
        digest = xxhash.xxh3_64_intdigest(content[start:end])
        records.append(pack_sum(segment, Sum(start, end, sequence, following, digest)))
        start, sequence = end, following
    if records and chance.random() < 0.2:  # a missing record: pages are written in any order
        records[chance.randrange(len(records))] = bytes(SUM_BYTES)
    return _fate_unsynced(b"".join(records), chance)


def _crash_manifest(done: Mapping[Path, Sequence[Operation]], chance: random.Random) -> bytes | None:
    """Possible content of the manifest: lines of segments that were sealed by then, and a torn one."""
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
    """Possible content of a file that is never synced: complete, torn, followed by garbage, empty or missing (None)."""
    kept = whole[: chance.randrange(len(whole) + 1)]
    tail = chance.choice((b"", bytes(chance.randrange(60)), chance.randbytes(chance.randrange(60))))
    return chance.choice((whole, whole, kept, whole + tail, b"", None))


def check_journal(
    data_dir: Path, acknowledged: Mapping[int, bytes], submitted: Collection[bytes] | None = None
) -> list[bytes]:
    """Open a journal after a crash, and verify its entries.

    Args:
        data_dir: data directory after the crash.
        acknowledged: entries that were acknowledged as synced, by sequence; all different.
        submitted: all submitted entries, if the journal may contain no others.

    Returns:
        All readable entries, in order.

    Raises:
        AssertionError: an acknowledged entry is missing, doubled or at another sequence, a line is not valid, or the
            journal does not store another entry.
    """
    driver = Driver(data_dir, disk=RecordingDisk())
    try:
        found = driver.read(gaps=driver.journal.recovered.damages > 0)
        receipt = driver.store(b'{"after":"the crash"}')
        assert receipt.first_sequence == driver.journal.recovered.next_sequence, (
            "the sequence does not continue"
        )
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
        assert not strange, f"not submitted: {strange}"
    return list(found.values())


# --- driving a journal ---


class Driver:
    """Journal with a synchronous caller, which submits entries and takes the answers on request.

    Args:
        data_dir: see `Journal`.
        options: options of `Journal`; `free_bytes_min` is 0 by default, as a test's disk may be nearly full.
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
        """Submit a batch; `verdicts` may have refused lines among the good ones."""
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
        """Submit a batch, and wait for its receipt."""
        receipts: list[Receipt] = []
        self.submit(entries, receipts.append, ack=ack)
        self.settle()
        (receipt,) = receipts
        return receipt

    def read(self, position: int = 0, bytes_max: int = 1 << 20, *, gaps: bool = False) -> dict[int, bytes]:
        """Return the readable entries by sequence; with `gaps`, sequences may be missing in between.

        Raises:
            AssertionError: a line is not valid or missing.
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
    """Return the entry of a journal line. Raises `AssertionError` for an invalid line."""
    try:
        return bytes(msgspec.json.decode(line, type=Envelope).entry)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise AssertionError(f"not a journal line: {line!r}") from error
