"""The journal: takes batches from the event loop, and commits them in groups on its own thread.

While one group is being written and synced, the next one is gathered: the slower the disk, the larger the group,
so one `fdatasync` serves all connections.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from contextlib import suppress
from enum import StrEnum
from itertools import chain, repeat
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final, NamedTuple

from logboom.durable import make_folder
from logboom.errors import StorageError
from logboom.histogram import Histogram
from logboom.journal.disk import Disk
from logboom.journal.folder_log import FolderLog
from logboom.journal.lock import DataDirLock
from logboom.journal.pacer import LINGER_S, Pacer
from logboom.journal.probe import check_free, probe
from logboom.journal.recovery import recover
from logboom.journal.retention import Retention
from logboom.journal.sealer import Sealer
from logboom.journal.segments import ends_of_key, keyed_suffix, prefix, suffix, suffixes
from logboom.journal.writer import Committed, SegmentWriter
from logboom.model import Batch, Receipt, Report, Source

GROUP_BYTES_MAX: Final = 1 << 20
"""Wire bytes of one group. A larger group gains nothing, as the fixed cost of a sync is small by then, and costs
memory twice: the lines and their envelopes are both in memory during the write."""

LARGE_BATCH_BYTES: Final = 16 << 10
"""A batch of this size is committed without waiting for others."""

TICK_S: Final = 1.0
"""Interval at which an idle writer checks whether a segment is due to be sealed or deleted."""

RETENTION_INTERVAL_S: Final = 60.0
"""Interval of the check for expired segments between two seals; it costs one `stat` per segment."""


class AckLevel(StrEnum):
    """The stage at which a listener's clients get their answer."""

    RECEIVED = "received"
    """Once the batch was taken; a crash of the process can lose it."""
    WRITTEN = "written"
    """After the write; a crash of the machine can lose it."""
    SYNCED = "synced"
    """After the fdatasync: neither can lose it."""
    REPLICATED = "replicated"
    """After the fdatasync here and on a majority of a cluster; for the journal itself, the same as `SYNCED`."""


class _Submission(NamedTuple):
    batch: Batch
    ack: AckLevel
    done: Callable[[Receipt], None]


class Journal:
    """The only durable write path. `submit` is called on one thread, and `deliver` returns the receipts to it.

    Args:
        data_dir: contains `journal/` and all other data of the server.
        deliver: runs a callable on the submitting thread; for asyncio, `loop.call_soon_threadsafe`.
        segment_bytes_max: see `SegmentWriter`.
        segment_age_max_s: see `SegmentWriter`.
        free_bytes_min: see `SegmentWriter`.
        retention: deletes old segments; None keeps everything.
        report: logs errors and recoveries, on the writer's thread.
        disk: replaced by a faulty one in tests.

    Raises:
        DataDirLockedError: another server uses the data directory.
        StorageError: the folder can't be used.
    """

    full: str | None = None
    """Reason why nothing may be stored now, set by its owner for a limit; None: there is none."""

    def __init__(
        self,
        data_dir: Path,
        deliver: Callable[..., object],
        *,
        segment_bytes_max: int = 256 << 20,
        segment_age_max_s: float = 86400.0,
        free_bytes_min: int = 128 << 20,
        retention: Retention | None = None,
        report: Report = lambda _kind, _text: None,
        disk: Disk | None = None,
    ) -> None:
        self.folder = data_dir / "journal"
        try:
            make_folder(self.folder)
            self._lock = DataDirLock(data_dir)
        except OSError as error:
            raise StorageError(f"can't use the data directory {data_dir}: {error.strerror}") from error
        self._deliver = deliver
        self._retention = retention
        self._report = report
        self._disk = disk or Disk()
        self._free_bytes_min = free_bytes_min
        try:
            recovered = recover(self.folder, data_dir / "set-aside")
            self._writer = SegmentWriter(
                self.folder,
                recovered.next_sequence,
                disk=self._disk,
                segment_bytes_max=segment_bytes_max,
                segment_age_max_s=segment_age_max_s,
                free_bytes_min=free_bytes_min,
            )
            if recovered.segment is not None:
                age_s = max(0.0, time.time() - recovered.started_ns / 1e9) if recovered.started_ns else 0.0
                self._writer.resume(recovered.segment, recovered.size, recovered.indexed_to, age_s=age_s)
        except OSError as error:
            self._lock.close()
            raise StorageError(f"can't recover the journal in {self.folder}: {error}") from error
        self.recovered = recovered
        self.failing: str | None = None
        """Reason why the last group could not be stored; None after a success."""
        self.answered = self.committed.next_sequence
        """The sequence up to which all receipts were delivered; updated by the submitting thread."""
        self.pending_bytes = 0
        """Wire bytes submitted and not answered yet; updated by the submitting thread."""
        self.failed_groups = 0
        self.last_commit_s = 0.0
        """Duration of the last write and sync, seconds."""
        self.commit_times = Histogram()
        """Durations of writes and syncs, seconds."""
        self.commit_batches = 0
        """Number of committed batches; divided by the number of commits, it is the mean size of a group."""
        self.grown = threading.Condition()
        """Notified after each commit; see `committed`."""
        self.log = FolderLog(self.folder, lambda: self.committed, self.grown)
        """The read side."""
        self.on_commit: list[Callable[[], None]] = []
        """Called on the submitting thread after each commit."""
        self._pending: deque[_Submission] = deque()
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._wake_at = 1
        self._sleeping = self._closing = False
        self._pacer = Pacer()
        self._busy_since: float | None = None
        self._expire_at = time.monotonic() + RETENTION_INTERVAL_S
        self._thread = threading.Thread(target=self._run, name="journal-writer", daemon=True)
        self._sealer = Sealer(self.folder, lambda: self.committed, report)
        self._thread.start()

    @property
    def committed(self) -> Committed:
        """The end of the durable entries, which can be read."""
        return self._writer.committed

    @property
    def trouble(self) -> str | None:
        """Reason why an entry could not be stored now, else None. Checks the free space of the disk."""
        if self.failing is not None or self.full is not None:
            return self.failing or self.full
        try:
            check_free(self.folder, self._disk, self._free_bytes_min)
        except (OSError, StorageError) as error:
            return str(error)
        return None

    @property
    def free_bytes(self) -> int:
        """Free space of the disk in bytes. Raises `OSError` when it can't be determined."""
        return self._disk.free_bytes(self.folder)

    @property
    def alive(self) -> bool:
        """True if the writer's thread is running: without it no batch is answered."""
        return self._thread.is_alive()

    @property
    def stuck_s(self) -> float:
        """Seconds since the current group's write began, 0 if there is none; large when the disk hangs."""
        since = self._busy_since
        return 0.0 if since is None else time.perf_counter() - since

    def probe(self) -> None:
        """Write and sync a few bytes next to the segments; blocks as long as the disk does.

        Raises:
            StorageError: the free space is below `free_bytes_min`, or the journal is `full`.
            OSError: a call failed.
        """
        self._check_limit()
        probe(self.folder, self._disk, self._free_bytes_min)
        self._recovered()

    def begin_at(self, sequence: int) -> None:
        """Let the first entry have this sequence. The journal must be empty, and nothing submitted."""
        self._writer.begin_at(sequence)
        self.answered = sequence

    def submit(self, batch: Batch, ack: AckLevel, done: Callable[[Receipt], None]) -> None:
        """Take a batch; `done` gets its receipt, in the order of submission, on the submitting thread.

        After `finish`, batches are dropped without a receipt: a sender without an answer sends again.
        """
        if self._closing:
            return
        if ack is AckLevel.RECEIVED:
            done(batch.receipt(None))
        self.pending_bytes += _weight(batch)
        self._pending.append(_Submission(batch, ack, done))
        if self._sleeping and (len(self._pending) >= self._wake_at or batch.size_bytes > LARGE_BATCH_BYTES):
            self._sleeping = False
            self._wake.put(None)

    def finish(self) -> None:
        """Commit what was submitted, then take no more; the journal can still be read. Idempotent.

        Receipts still go through `deliver`.
        """
        if self._closing:
            return
        self._closing = True
        self._wake.put(None)
        self._thread.join()
        self._sealer.close()
        self._writer.close()

    def close(self) -> None:
        """Finish, and unlock the data directory for another server. Idempotent."""
        self.finish()
        self._lock.close()

    # --- the writer's thread ---

    def _run(self) -> None:
        while True:
            group = self._gather()
            if group:
                self._store(group)
            elif self._closing:
                return
            else:
                self._seal_and_expire()

    def _gather(self) -> list[_Submission]:
        """Take the next group; empty after a tick without work."""
        if not self._pending and not self._closing:
            self._sleep(1, TICK_S)
        if self._pending and self._pending[-1].batch.size_bytes <= LARGE_BATCH_BYTES and not self._closing:
            self._sleep(self._pacer.target(), LINGER_S)
        group: list[_Submission] = []
        size = 0
        while self._pending and size < GROUP_BYTES_MAX:
            submission = self._pending.popleft()
            size += submission.batch.size_bytes
            group.append(submission)
        return group

    def _sleep(self, wake_at: int, timeout_s: float) -> None:
        """Wait until `wake_at` batches or a large one are pending, at most `timeout_s`."""
        self._wake_at = wake_at
        self._sleeping = True
        if len(self._pending) < wake_at:  # checked again: a submit in between did not see `_sleeping`
            with suppress(Empty):
                self._wake.get(timeout=timeout_s)
        self._sleeping = False

    def _store(self, group: list[_Submission]) -> None:
        first: int | None = self.committed.next_sequence
        due = {AckLevel.WRITTEN, AckLevel.SYNCED, AckLevel.REPLICATED}
        started = self._busy_since = time.perf_counter()
        try:
            data = _render(group)
            if data:
                self._check_limit()
                self._writer.write(data)
                if any(submission.ack is AckLevel.WRITTEN for submission in group):
                    due.remove(AckLevel.WRITTEN)
                    self._deliver(_answer, group, first, {AckLevel.WRITTEN})
                count = sum(submission.batch.count for submission in group)
                self._writer.commit(len(data), count, group[0].batch.received_ns)
                self._succeeded(time.perf_counter() - started, len(group))
        except Exception as error:  # noqa: BLE001 - without this thread every client would wait
            self._failed(error)
            first = None
        self._busy_since = None
        self._deliver(self._finish, group, first, due)

    def _succeeded(self, seconds: float, batches: int) -> None:
        self.last_commit_s = seconds
        self.commit_times.observe(seconds)
        self.commit_batches += batches
        self._pacer.committed(batches)
        self._recovered()
        with self.grown:
            self.grown.notify_all()
        self._seal_and_expire()

    def _check_limit(self) -> None:
        if self.full is not None:
            raise StorageError(self.full)

    def _recovered(self) -> None:
        """Report the end of a storage failure, if there was one."""
        if self.failing is not None:
            self.failing = None
            self._report("info", "the journal stores again")

    def _seal_and_expire(self) -> None:
        """Seal a segment that is due; after each seal, and at intervals, delete expired segments."""
        sealed = self._writer.seal_if_due()
        if sealed:
            self._sealer.wake()
        now = time.monotonic()
        if self._retention is None or not (sealed or now >= self._expire_at):
            return
        self._expire_at = now + RETENTION_INTERVAL_S
        try:
            self._retention.apply(self.folder, self.committed.next_sequence)
        except OSError as error:  # entries can still be stored
            self._report("error", f"old segments can't be deleted: {error}")

    def _failed(self, error: Exception) -> None:
        """Log once that nothing of the group was stored, and abandon the segment."""
        self.failed_groups += 1
        trouble = str(error)
        if self.failing is None:
            self._report("error", f"the journal can't store: {trouble}")
        self.failing = trouble
        self._writer.abandon()

    # --- the submitting thread again ---

    def _finish(self, group: list[_Submission], first: int | None, due: AbstractSet[AckLevel]) -> None:
        self.pending_bytes -= sum(_weight(submission.batch) for submission in group)
        _answer(group, first, due)
        if first is not None:
            self.answered = first + sum(submission.batch.count for submission in group)
        for callback in self.on_commit:
            callback()


def _weight(batch: Batch) -> int:
    """Bytes that a waiting batch counts for; none without entries, as it delays no other sender."""
    return batch.size_bytes if batch.entries or batch.lines else 0


def _answer(group: list[_Submission], first: int | None, due: AbstractSet[AckLevel]) -> None:
    """Deliver the receipts of the levels that are due; `first` is the group's first sequence, None if it failed."""
    sequence = first
    for batch, ack, done in group:
        if ack in due:
            done(
                batch.failed_receipt()
                if sequence is None
                else batch.receipt(sequence if batch.entries or batch.lines else None)
            )
        if sequence is not None:
            sequence += batch.count


def _render(group: list[_Submission]) -> bytes:
    """Make the group's journal lines: each entry in its envelope, one `replace` per batch."""
    parts: list[bytes] = []
    for batch, _, _ in group:
        parts.append(batch.lines)
        if not batch.entries:
            continue
        if batch.sources is not None:
            parts += _wrap_each(batch, batch.sources)
            continue
        source = batch.source
        head, tail = prefix(batch.received_ns), suffix(source.peer, source.listener)
        keys = batch.keys
        if isinstance(keys, bytes):
            tail = keyed_suffix(tail, keys)
        if isinstance(keys, list) and all(keys):
            before, after, entries = *map(repeat, ends_of_key(tail)), batch.entries.split(b"\n")
            parts += chain.from_iterable(zip(repeat(head), entries, before, keys, after))
        elif isinstance(keys, list):
            pairs = zip(batch.entries.split(b"\n"), keys, strict=True)
            parts += [head + entry + (keyed_suffix(tail, key) if key else tail) for entry, key in pairs]
        else:
            parts += (head, batch.entries.replace(b"\n", tail + head), tail)
    return b"".join(parts)


def _wrap_each(batch: Batch, sources: list[Source]) -> Iterable[bytes]:
    """The journal lines of entries that have different sources, in parts."""
    entries, tails = batch.entries.split(b"\n"), suffixes(sources)
    if isinstance(batch.keys, list):
        keyed = zip(tails, batch.keys, strict=True)
        tails = (keyed_suffix(tail, key) if key else tail for tail, key in keyed)
    return chain.from_iterable(zip(repeat(prefix(batch.received_ns)), entries, tails))
