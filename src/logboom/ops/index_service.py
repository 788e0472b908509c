"""Service that indexes the journal in the background, on a thread of its own."""

import time
from pathlib import Path
from typing import Final

from logboom.journal.folder_log import FolderLog
from logboom.journal.log import Log
from logboom.model import Report
from logboom.outputs.thread_service import Worker
from logboom.query.indexer import Indexer, IndexProgress

REST_FACTOR: Final = 9
"""The thread rests nine times as long as it works while entries come: a tenth of a core, in the way of no sender."""

IDLE_REST_FACTOR: Final = 1
"""The same while few come."""

BUSY_ENTRIES_PER_S: Final = 1000
"""Rate from which on entries count as many. It is measured over a step and the rest before it: a step alone is often
shorter than the time between two commits."""

FLOOD_REST_FACTOR: Final = 49
FLOOD_ENTRIES_PER_S: Final = 100_000
"""From this rate on, a tenth of a core could not keep up either: most of the work waits until the flood is over."""

IDLE_WAIT_S: Final = 2.0
"""Interval of looking for new steps: a step is about a megabyte."""

RETRY_S: Final = 60.0
"""Interval of trying again after an error of the disk: queries are slower meanwhile, and as right."""


class IndexService(Worker):
    """A service that can be supervised.

    Args:
        folder: the journal's.
        log: the same journal, to be read.
        report: logs a disk that fails.
    """

    def __init__(self, folder: Path, log: FolderLog, report: Report) -> None:
        super().__init__("index")
        self._indexer = Indexer(folder, log)
        self._report = report
        self._failing = False
        self._ingest = IngestRate(log)

    @property
    def progress(self) -> IndexProgress:
        """Number of segments that are indexed. Any thread may ask."""
        return self._indexer.progress

    # --- the thread ---

    def work(self) -> None:
        """See `Worker`."""
        while not self._stopping.is_set():
            self._stopping.wait(self._advance())

    def _advance(self) -> float:
        """Index one step; return for how long to rest, seconds."""
        started = time.thread_time()
        try:
            size = self._indexer.advance()
        except OSError as error:
            if not self._failing:
                self._report(
                    "warning", f"the journal can't be indexed: {error}; queries are slower meanwhile"
                )
            self._failing = True
            return RETRY_S
        self._failing = False
        if not size:
            return IDLE_WAIT_S
        return (time.thread_time() - started) * self._ingest.rest_factor()


class IngestRate:
    """Rate of new entries between two looks, by which background work rests.

    Args:
        log: the journal that grows.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._looked_at, self._seen = time.monotonic(), log.end

    def rest_factor(self) -> int:
        """Return the ratio of rest to work for the rate of entries since the last call."""
        now, end = time.monotonic(), self._log.end
        elapsed_s, entries = now - self._looked_at, end - self._seen
        self._looked_at, self._seen = now, end
        return rest_factor(entries, elapsed_s)


def rest_factor(entries: int, elapsed_s: float) -> int:
    """Return the ratio of rest to work after `entries` new entries in `elapsed_s` seconds."""
    if entries > elapsed_s * FLOOD_ENTRIES_PER_S:
        return FLOOD_REST_FACTOR
    return REST_FACTOR if entries > elapsed_s * BUSY_ENTRIES_PER_S else IDLE_REST_FACTOR
