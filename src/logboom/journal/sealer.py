"""The sealer: computes the hash of each sealed segment on its own thread, and records it in the manifest.

SHA-256 would add a third to the cost of the write path, so it is not computed there. The sealer reads the segments
back, and uses 2 % of a core while entries arrive. After a faster burst it catches up: the segments without a hash
are found in the folder, so nothing accumulates in memory, and a crash loses no work.

A segment is sealed when a later one holds durable lines: then it can't grow again.
"""

import threading
import time
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from contextlib import closing, suppress
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from logboom.journal.log import nth_line_end
from logboom.journal.manifest import SegmentEvent, append_events, read_manifest
from logboom.journal.segment_file import lines_size, open_file
from logboom.journal.segments import Segment, list_segments
from logboom.journal.sums import read_sums
from logboom.journal.writer import Committed
from logboom.model import Report

CHUNK_BYTES: Final = 1 << 20
"""Bytes per hash update: 0.6 ms, during which the interpreter's lock is released."""

BUSY_SHARE: Final = 50
"""Length of a pause relative to the work before it while entries arrive: 2 % of a core, about 20 MB/s."""

LOOK_INTERVAL_S: Final = 60.0
"""Interval between checks of the folder; the writer also wakes the sealer at each seal."""

CLOSE_BYTES_MAX: Final = 64 << 20
"""Bytes that are still hashed when the server stops: 0.1 s. The rest follows after the next start."""


class Sealer:
    """Thread that keeps the manifest up to date with the segments.

    Args:
        folder: the journal's folder.
        committed: returns the end of the durable entries.
        report: logs errors.
    """

    def __init__(self, folder: Path, committed: Callable[[], Committed], report: Report) -> None:
        self._folder = folder
        self._committed = committed
        self._report = report
        self._known: set[int] | None = None
        self._end = 0
        self._reported: set[int] = set()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._failed = False
        self._thread = threading.Thread(target=self._run, name="journal-sealer", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Wake the thread, since a segment was sealed."""
        self._wake.set()

    def close(self) -> None:
        """Hash what fits in `CLOSE_BYTES_MAX`, then stop. Idempotent."""
        self._closing.set()
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._seal_all()
            self._wake.wait(LOOK_INTERVAL_S)
            self._wake.clear()
        self._seal_all()

    def _seal_all(self) -> None:
        """Bring the manifest up to date. An error is logged once, and retried at the next check."""
        try:
            if self._known is None:  # a readable line counts, even if it does not match the chain
                manifest = read_manifest(self._folder)
                self._known = {line.event.first for line in manifest.lines if line.event and line.event.hash}
                self._end = manifest.sealed_end
            known, budget = self._known, CLOSE_BYTES_MAX
            for segment, following in self._due(known):
                extent = _Extent.of(segment, following.first - segment.first)
                budget -= extent.size
                event = self._hash(segment, extent) if budget >= 0 or not self._closing.is_set() else None
                if event is not None and segment.form.exists():  # else it expired meanwhile
                    append_events(self._folder, [event])
                    known.add(segment.first)
                    self._end = max(self._end, event.end)
                    self._failed = False
        except Exception as error:  # noqa: BLE001 - it must neither end the thread nor refuse entries
            if not self._failed:
                self._report("error", f"the manifest of the journal can't be written: {error}")
            self._failed = True

    def _due(self, known: AbstractSet[int]) -> list[tuple[Segment, Segment]]:
        """Sealed segments that have no line yet, each with the one after it."""
        committed = self._committed()
        if not committed.offset:  # the newest one is empty, and may vanish in a crash
            return []
        segments = [one for one in list_segments(self._folder) if one.first <= committed.segment_first]
        new = [pair for pair in pairwise(segments) if pair[0].first not in known]
        return [(one, following) for one, following in new if self._may_be_sealed(one, following)]

    def _may_be_sealed(self, segment: Segment, following: Segment) -> bool:
        """Return whether sealing it contradicts no earlier record. A contradiction is logged once, for the operator."""
        if segment.first < self._end:
            trouble = "it came after later ones were sealed, or its line in the manifest was damaged"
        elif any(one.next > following.first for one in read_sums(segment)):
            trouble = f"{following.name} begins inside it and hides what was stored"
        else:
            return True
        if segment.first not in self._reported:
            self._reported.add(segment.first)
            self._report("error", f"{segment.name} is not sealed: {trouble}; see logboom verify")
        return False

    def _hash(self, segment: Segment, extent: "_Extent") -> SegmentEvent | None:
        """Make the line of a segment; None when it was deleted, or is large and the server stops meanwhile."""
        digest, before = sha256(), self._committed()
        offset, lines_left = 0, extent.lines
        with suppress(FileNotFoundError), closing(open_file(segment)) as file:  # past its retention
            while offset < extent.size:
                started = time.thread_time()
                data = file.read_at(offset, min(CHUNK_BYTES, extent.size - offset))
                if not extent.sure:
                    data, lines_left = _cut(data, lines_left)
                if not data:
                    break
                digest.update(data)
                file.forget(offset, len(data))
                offset += len(data)
                busy, before = before != self._committed(), self._committed()
                if busy:
                    self._closing.wait((time.thread_time() - started) * BUSY_SHARE)
                if self._closing.is_set() and extent.size > CLOSE_BYTES_MAX:
                    return None
            return SegmentEvent("sealed", segment.name, extent.lines, offset, digest.hexdigest())
        return None


class _Extent(NamedTuple):
    """The valid part of a sealed segment."""

    lines: int
    size: int
    """Bytes; an upper bound unless `sure`."""
    sure: bool

    @classmethod
    def of(cls, segment: Segment, lines: int) -> "_Extent":
        """Use the checksums; without them lines are counted, as lines of a failed write may follow."""
        sums = read_sums(segment)
        if sums and sums[-1].next == segment.first + lines:
            return cls(lines, sums[-1].end, sure=True)
        try:
            return cls(lines, lines_size(segment), sure=False)
        except FileNotFoundError:
            return cls(lines, 0, sure=False)


def _cut(data: bytes, lines: int) -> tuple[bytes, int]:
    """The part of `data` that belongs to the next `lines` lines, and the number of lines left."""
    found = data.count(b"\n")
    if found < lines:
        return data, lines - found
    return data[: nth_line_end(data, lines)], 0
