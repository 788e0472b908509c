"""Thread that reads the journal for the source book, off the path of an entry.

When more entries arrive than it can read with its share of a core, it skips ahead. Then the silence of sources in the
skipped time is unknown.
"""

import threading
import time
from typing import Final

from logboom.journal.log import Log, LogCursor
from logboom.ops.source_book import SourceBook
from logboom.ops.source_lines import senders_of
from logboom.outputs.thread_service import Ended, ThreadService

BLOCK_BYTES: Final = 32 << 10
"""Size of a block: decoding it holds the interpreter for half a millisecond."""

REST_FACTOR: Final = 9
"""Ratio of pauses to work: the thread uses at most a tenth of a core."""

FLOOD_REST_FACTOR: Final = 49
"""The same while it skips entries: a few samples are enough, since they do not affect silence."""

PACE_S: Final = 0.25
"""Interval of reading at the journal's end, so that many entries are read at once."""

IDLE_WAIT_S: Final = 1.0
"""Longest wait for new entries."""

BEHIND_MAX: Final = 50_000
"""Largest lag that is caught up with, about 10 MiB; more entries are skipped."""

SAVE_INTERVAL_S: Final = 60.0
"""Interval of saving the book; a crash loses what was learned since."""


class SourceReader(ThreadService):
    """Service that reads the journal for the source book.

    Args:
        journal: journal to read.
        book: source book to update.
    """

    def __init__(self, journal: Log, book: SourceBook) -> None:
        super().__init__("sources", self._begin_thread)
        self._journal = journal
        self._book = book
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._saved_at = time.monotonic()
        self._rest_factor = REST_FACTOR

    def close(self, deadline_s: float) -> None:
        """Read the remaining entries, save, and end the thread within `deadline_s`. Idempotent."""
        self._stopping.set()
        with self._journal.grown:
            self._journal.grown.notify_all()
        if self._thread is not None:
            self._thread.join(deadline_s)
            self._thread = None

    def _begin_thread(self, ended: Ended) -> None:
        self._thread = threading.Thread(target=self._run, args=(ended,), name="sources", daemon=True)
        self._thread.start()

    # --- the thread ---

    def _run(self, ended: Ended) -> None:
        death: Exception | None = None
        try:
            self._follow()
        except Exception as error:  # noqa: BLE001 - a bug: the supervisor logs it, and starts the thread again
            death = error
            self._book.skip_to(self._journal.end)  # past the entry that caused it
        ended(death)

    def _follow(self) -> None:
        reader = self._reader_at_end()
        try:
            while True:
                stopping = self._stopping.is_set()
                began = time.thread_time()
                if not 0 <= self._journal.end - self._book.position <= BEHIND_MAX:
                    reader.close()
                    reader = self._reader_at_end()
                if self._read(reader):
                    if not stopping:
                        self._stopping.wait((time.thread_time() - began) * self._rest_factor)
                    continue
                self._rest_factor = REST_FACTOR
                self._save(due=stopping)
                if stopping:
                    return
                self._stopping.wait(PACE_S)
                self._await_growth()
        finally:
            reader.close()

    def _reader_at_end(self) -> LogCursor:
        """Make a reader at the book's position, or at the journal's end if that is too far away."""
        journal, book = self._journal, self._book
        end = journal.end
        if not 0 <= end - book.position <= BEHIND_MAX:
            book.skip_to(end)
            self._rest_factor = FLOOD_REST_FACTOR
        return journal.cursor(book.position)

    def _read(self, reader: LogCursor) -> bool:
        """Read one block; False when there is none."""
        try:
            block = reader.read(BLOCK_BYTES)
        except FileNotFoundError:  # deleted in between: the next read continues with the remaining segments
            return False
        if block is None:
            return False
        self._book.take(senders_of(block), block.next_sequence)
        return True

    def _save(self, *, due: bool) -> None:
        now = time.monotonic()
        if due or now - self._saved_at >= SAVE_INTERVAL_S:
            self._saved_at = now
            self._book.save()

    def _await_growth(self) -> None:
        with self._journal.grown:
            if not self._stopping.is_set() and self._journal.end <= self._book.position:
                self._journal.grown.wait(IDLE_WAIT_S)
