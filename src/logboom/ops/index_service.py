"""Service that indexes the journal in the background, on a thread of its own."""

import time
from pathlib import Path
from typing import Final

from logboom.journal.folder_log import FolderLog
from logboom.model import Report
from logboom.ops.ingest_rate import IDLE_REST_FACTOR, IngestRate
from logboom.outputs.thread_service import Worker
from logboom.query.indexer import Indexer, IndexProgress

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
        self._indexer = Indexer(folder, log, between=self._rest)
        self._report = report
        self._failing = False
        self._ingest = IngestRate(log)
        self._rest_factor = IDLE_REST_FACTOR
        self._began = 0.0
        """The thread's processor time at the end of the last rest, seconds."""

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
        self._began = time.thread_time()
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
        self._rest_factor = self._ingest.rest_factor()
        return self._worked_s() * self._rest_factor

    def _worked_s(self) -> float:
        return time.thread_time() - self._began

    def _rest(self) -> None:
        """Rest after a block: the event loop would wait for the interpreter all through a step."""
        self._stopping.wait(self._worked_s() * self._rest_factor)
        self._began = time.thread_time()
