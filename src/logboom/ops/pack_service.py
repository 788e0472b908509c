"""Service that packs old segments in the background, on a thread of its own with the lowest priority."""

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

from logboom.errors import StorageError
from logboom.extras import is_missing
from logboom.journal.columns.column_engine import EXTRA
from logboom.journal.folder_log import FolderLog
from logboom.journal.manifest import SegmentEvent
from logboom.journal.segment_packing import (
    ColumnPacker,
    StorageSizes,
    clean_up,
    delete_plain,
    is_requested,
    pack,
    packable,
    settle_request,
    storage_of,
)
from logboom.journal.segments import Segment
from logboom.model import Report
from logboom.ops.ingest_rate import IngestRate
from logboom.outputs.thread_service import Worker
from logboom.settings import ArchiveSettings

LOOK_INTERVAL_S = 60.0
"""Interval of looking for segments that are old enough."""

REQUEST_INTERVAL_S = 1.0
"""Interval of looking for a request of `logboom pack --now`."""

READERS_S = 10.0
"""Time between the packed form's appearance and the deletion of the plain one, seconds: readers that listed the folder
before have opened the plain one by then."""

MEASURE_INTERVAL_S = 10.0
"""Interval of measuring the journal while it is asked for: this takes one `stat` per segment."""

RECENT_S = 7 * 86_400.0
"""Age of segments whose size shows the growth of the journal, seconds."""

_LOWEST_PRIORITY = 19


def packs_columns(settings: ArchiveSettings) -> bool:
    """Return whether segments become columns: they are wanted, and their extra is there."""
    return settings.format == "parquet" and not is_missing(EXTRA)


class PackProgress(NamedTuple):
    """State of packing."""

    state: Literal["off", "waiting", "packing", "failed"] = "waiting"
    segment: str = ""
    """The one that is being packed."""
    packed: int = 0
    """Segments packed since the start."""
    trouble: str | None = None
    """Reason for which a segment stays plain."""


class _StoppedError(Exception):
    """The server is being stopped; the segment is packed after the next start."""


class PackService(Worker):
    """A service that can be supervised.

    Args:
        log: the journal.
        settings: of `[archive]`.
        report: logs each packed segment, and a disk that fails.
        columns: packs as columns in another process, as long as the last argument returns true; None: not here.
    """

    def __init__(
        self,
        log: FolderLog,
        settings: ArchiveSettings,
        report: Report,
        columns: Callable[[Segment, SegmentEvent, Path, int, Callable[[], bool]], None] | None = None,
    ) -> None:
        super().__init__("packer")
        self._log = log
        self._settings = settings
        self._report = report
        self._columns = columns
        self._ingest = IngestRate(log)
        self.progress = PackProgress()
        """State; replaced as a whole, so that any thread may read it."""
        self._measured = (float("-inf"), StorageSizes(0, 0, 0, 0, 0))

    @property
    def sizes(self) -> StorageSizes:
        """Sizes of the journal, at most `MEASURE_INTERVAL_S` old; any thread may ask, and waits for the disk."""
        if time.monotonic() - self._measured[0] >= MEASURE_INTERVAL_S:
            found = self._measured[1]
            with suppress(OSError):  # a folder that can't be read: the journal reports it
                found = storage_of(self._log.folder, time.time() - RECENT_S)
            self._measured = (time.monotonic(), found)
        return self._measured[1]

    # --- the thread ---

    def work(self) -> None:
        """See `Worker`."""
        with suppress(OSError):  # not allowed: it rests all the same
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST_PRIORITY)
        with suppress(_StoppedError):
            clean_up(self._log.folder)
            while not self._stopping.is_set():
                self._pack_all()
                self._await_next_look()

    def _await_next_look(self) -> None:
        until = time.monotonic() + LOOK_INTERVAL_S
        while time.monotonic() < until and not self._stopping.wait(REQUEST_INTERVAL_S):
            if is_requested(self._log.folder):
                return

    def _pack_all(self) -> None:
        """Pack all segments that are due. A failure is logged once, and retried at the next look."""
        requested = is_requested(self._log.folder)
        if not self._settings.pack_after_s and not requested:
            self.progress = PackProgress("off", packed=self.progress.packed)
            return
        try:
            for segment, sealed in packable(
                self._log.folder, 0.0 if requested else self._settings.pack_after_s
            ):
                self.progress = self.progress._replace(state="packing", segment=segment.name)
                packed = pack(
                    segment,
                    sealed,
                    level=self._settings.level,
                    rest=self._rest,
                    columns=self._column_packer(),
                )
                self._stopping.wait(READERS_S)
                delete_plain(segment)
                self.progress = self.progress._replace(packed=self.progress.packed + 1)
                ratio = packed.plain_bytes / max(1, packed.packed_bytes)
                form = f", as zstd frames, since {packed.not_columns}" if packed.not_columns else ""
                self._report("info", f"packed {segment.name}: {ratio:.1f} times smaller{form}")
            if requested:
                settle_request(self._log.folder)
            self.progress = PackProgress(packed=self.progress.packed)
        except (OSError, StorageError) as error:
            with suppress(OSError):  # a request is not repeated by itself: the next look is
                settle_request(self._log.folder)
            if str(error) != self.progress.trouble:
                self._report("error", f"a segment can't be packed: {error}; it stays as it is")
            self.progress = PackProgress("failed", packed=self.progress.packed, trouble=str(error))

    def _column_packer(self) -> ColumnPacker | None:
        """Return what packs as columns; None: segments are packed as frames."""
        columns = self._columns
        if columns is None or not packs_columns(self._settings):
            return None
        return lambda segment, sealed, part, level: columns(
            segment, sealed, part, level, lambda: not self._stopping.is_set()
        )

    def _rest(self, worked_s: float) -> None:
        """Rest after a piece of work, longer while many entries arrive."""
        if self._stopping.wait(worked_s * self._ingest.rest_factor()):
            raise _StoppedError
