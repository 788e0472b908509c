"""Retention: deleting old segments by age and by total size."""

import time
from collections.abc import Callable
from pathlib import Path

from logboom.durable import sync_folder
from logboom.journal.manifest import SegmentEvent, append_events, read_manifest
from logboom.journal.segments import Segment, list_segments
from logboom.model import Report


class Retention:
    """Deletes sealed segments that are due, never the one being written.

    Args:
        age_max_s: segments whose last write is older are deleted; None: no limit.
        bytes_max: the oldest ones are deleted while the total is larger; None: no limit.
        positions: the next sequence that each output will read.
        keeps_from: the sequence from which on nothing may be deleted; None: no limit.
        report: logs each deletion; an error if an output has not read the segment yet.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        *,
        age_max_s: float | None,
        bytes_max: int | None,
        positions: Callable[[], dict[str, int]] = dict,
        keeps_from: Callable[[], int | None] = lambda: None,
        report: Report = lambda _kind, _text: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._age_max_s = age_max_s
        self._bytes_max = bytes_max
        self._positions = positions
        self._keeps_from = keeps_from
        self._report = report
        self._clock = clock
        self._noted: set[int] | None = None
        """Segments that the manifest records as expired; None before it was read."""
        self._unnoted: dict[int, Segment] = {}
        """Deleted segments that could not be recorded yet."""

    def apply(self, folder: Path, next_sequence: int) -> list[Segment]:
        """Delete the segments that are due, oldest first, and return them."""
        segments = list_segments(folder)
        sizes = [segment.form.stat().st_size for segment in segments]
        total = sum(sizes)
        due: list[tuple[Segment, int]] = []
        kept = self._keeps_from()
        for segment, size, following in zip(segments, sizes, segments[1:], strict=False):
            too_large = self._bytes_max is not None and total > self._bytes_max
            if not too_large and not self._is_old(segment):
                break
            if kept is not None and following.first > kept:
                break
            due.append((segment, min(following.first, next_sequence)))
            total -= size
        going = [segment for segment, _ in due]
        if due or self._unnoted:
            self._note(folder, going)
            try:
                for segment, end in due:
                    self._delete(segment, end)
                sync_folder(folder)
            finally:
                self._note(folder, going)  # a disk that was full has space now
        return going

    def _note(self, folder: Path, segments: list[Segment]) -> None:
        """Record expired segments in the manifest before they are deleted: otherwise they would count as missing."""
        self._unnoted |= {segment.first: segment for segment in segments}
        try:
            if self._noted is None:
                gone = read_manifest(folder).gone()
                self._noted = {first for first, event in gone.items() if event.event == "expired"}
            self._noted &= self._unnoted.keys()
            fresh = [segment for first, segment in self._unnoted.items() if first not in self._noted]
            append_events(folder, [SegmentEvent("expired", segment.name) for segment in fresh])
            self._noted |= self._unnoted.keys()
            self._unnoted = {}
        except OSError as error:  # on a full disk, the space matters more than the record
            self._report("error", f"expired segments can't be recorded in the manifest: {error}")

    def _is_old(self, segment: Segment) -> bool:
        return self._age_max_s is not None and self._clock() - segment.form.stat().st_mtime > self._age_max_s

    def _delete(self, segment: Segment, end: int) -> None:
        behind = [name for name, position in self._positions().items() if position < end]
        if behind:
            lost = f"outputs that have not read it yet and will miss entries: {', '.join(behind)}"
            self._report("error", f"deleting {segment.path.name}; {lost}")
        else:
            self._report("info", f"deleting {segment.path.name}: past its retention")
        segment.delete()
