"""Service that packs old segments in the background, on a thread of its own with the lowest priority."""

import os
import threading
from contextlib import suppress

from logboom.errors import StorageError
from logboom.journal.folder_log import FolderLog
from logboom.journal.segment_packing import clean_up, delete_plain, pack, packable
from logboom.model import Report
from logboom.ops.ingest_rate import IngestRate
from logboom.outputs.thread_service import Worker
from logboom.settings import ArchiveSettings

LOOK_INTERVAL_S = 60.0
"""Interval of looking for segments that are old enough."""

READERS_S = 10.0
"""Time between the packed form's appearance and the deletion of the plain one, seconds: readers that listed the folder
before have opened the plain one by then."""

_LOWEST_PRIORITY = 19


class _StoppedError(Exception):
    """The server is being stopped; the segment is packed after the next start."""


class PackService(Worker):
    """A service that can be supervised.

    Args:
        log: the journal.
        settings: of `[archive]`.
        report: logs each packed segment, and a disk that fails.
    """

    def __init__(self, log: FolderLog, settings: ArchiveSettings, report: Report) -> None:
        super().__init__("packer")
        self._log = log
        self._settings = settings
        self._report = report
        self._failed: str | None = None
        self._ingest = IngestRate(log)

    # --- the thread ---

    def work(self) -> None:
        """See `Worker`."""
        with suppress(OSError):  # not allowed: it rests all the same
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST_PRIORITY)
        with suppress(_StoppedError):
            clean_up(self._log.folder)
            while not self._stopping.is_set():
                self._pack_all()
                self._stopping.wait(LOOK_INTERVAL_S)

    def _pack_all(self) -> None:
        """Pack all segments that are due. A failure is logged once, and retried at the next look."""
        if not self._settings.pack_after_s:
            return
        try:
            for segment, sealed in packable(self._log.folder, self._settings.pack_after_s):
                packed = pack(segment, sealed, level=self._settings.level, rest=self._rest)
                self._stopping.wait(READERS_S)
                delete_plain(segment)
                ratio = packed.plain_bytes / max(1, packed.packed_bytes)
                self._report("info", f"packed {segment.name}: {ratio:.1f} times smaller")
            self._failed = None
        except (OSError, StorageError) as error:
            if str(error) != self._failed:
                self._report("error", f"a segment can't be packed: {error}; it stays as it is")
            self._failed = str(error)

    def _rest(self, worked_s: float) -> None:
        """Rest after a piece of work, longer while many entries arrive."""
        if self._stopping.wait(worked_s * self._ingest.rest_factor()):
            raise _StoppedError
