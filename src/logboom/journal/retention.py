"""Deleting old segments, by age and by total size."""

import time
from collections.abc import Callable
from pathlib import Path

from logboom.durable import sync_folder
from logboom.journal.manifest import Event, append_events, read_manifest
from logboom.journal.segments import Segment, list_segments
from logboom.model import Report


class Retention:
    """Decides which sealed segments may go. The one being written never does.

    Args:
        age_max_s: segments whose last write is older may go; None: no limit.
        bytes_max: the oldest may go while all together are larger; None: no limit.
        positions: the next sequence that each output will read.
        report: told about each deletion, loudly when an output has not read the segment yet.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        *,
        age_max_s: float | None,
        bytes_max: int | None,
        positions: Callable[[], dict[str, int]] = dict,
        report: Report = lambda _kind, _text: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._age_max_s = age_max_s
        self._bytes_max = bytes_max
        self._positions = positions
        self._report = report
        self._clock = clock
        self._noted: set[int] | None = None
        """Segments of which the manifest tells already that they go; None: it was not read yet."""
        self._untold: dict[int, Segment] = {}
        """Those of which it could not be told."""

    def apply(self, folder: Path, next_sequence: int) -> list[Segment]:
        """Delete what is due, oldest first; returns what was deleted."""
        segments = list_segments(folder)
        sizes = [segment.path.stat().st_size for segment in segments]
        total = sum(sizes)
        due: list[tuple[Segment, int]] = []
        for segment, size, following in zip(segments, sizes, segments[1:], strict=False):
            too_large = self._bytes_max is not None and total > self._bytes_max
            if not too_large and not self._is_old(segment):
                break
            due.append((segment, min(following.first, next_sequence)))
            total -= size
        going = [segment for segment, _ in due]
        if due or self._untold:
            self._note(folder, going)
            try:
                for segment, end in due:
                    self._delete(segment, end)
                sync_folder(folder)
            finally:
                self._note(folder, going)  # a disk that was full has room now
        return going

    def _note(self, folder: Path, segments: list[Segment]) -> None:
        """Write into the manifest that they go, before they do: else they would look stolen.

        Those that can't be deleted are due at each look, and noted once.
        """
        self._untold |= {segment.first: segment for segment in segments}
        try:
            if self._noted is None:
                gone = read_manifest(folder).gone()
                self._noted = {first for first, event in gone.items() if event.event == "expired"}
            self._noted &= self._untold.keys()
            fresh = [segment for first, segment in self._untold.items() if first not in self._noted]
            append_events(folder, [Event("expired", segment.name) for segment in fresh])
            self._noted |= self._untold.keys()
            self._untold = {}
        except OSError as error:  # a full disk needs the room more than the note
            self._report("error", f"the manifest can't tell that segments go past their retention: {error}")

    def _is_old(self, segment: Segment) -> bool:
        return self._age_max_s is not None and self._clock() - segment.path.stat().st_mtime > self._age_max_s

    def _delete(self, segment: Segment, end: int) -> None:
        behind = [name for name, position in self._positions().items() if position < end]
        if behind:
            lost = f"outputs that have not read it yet and will miss entries: {', '.join(behind)}"
            self._report("error", f"deleting {segment.path.name}; {lost}")
        else:
            self._report("info", f"deleting {segment.path.name}: past its retention")
        segment.delete()
