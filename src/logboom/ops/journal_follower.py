"""Threads that read the journal as it grows, off the path of an entry.

When more entries arrive than a reader can take with its share of a core, it skips ahead.
"""

import time
from abc import abstractmethod
from typing import Final, NamedTuple

from logboom.journal.log import Block, Log, LogCursor
from logboom.ops.ingest_rate import FLOOD_REST_FACTOR, IngestRate
from logboom.outputs.thread_service import Worker

BLOCK_BYTES: Final = 32 << 10
"""Size of a block: decoding it holds the interpreter for half a millisecond."""

PACE_S: Final = 0.25
"""Interval of reading at the journal's end, so that many entries are read at once."""

IDLE_WAIT_S: Final = 1.0
"""Longest wait for new entries."""

SAVE_INTERVAL_S: Final = 60.0
"""Interval of saving the state; a crash loses what was learned since."""


class Effort(NamedTuple):
    """Limits of a reader."""

    rest_factor: float
    """Ratio of pauses to work."""
    flood_rest_factor: float
    """The same while entries flood in, and after it has skipped some, until it reaches the end."""
    behind_max: int
    """Largest lag that is caught up with, entries; more are skipped."""


class JournalFollower(Worker):
    """Service that reads the journal block by block on a thread.

    Args:
        name: name of the service.
        journal: journal to read.
        effort: see there.
    """

    def __init__(self, name: str, journal: Log, effort: Effort) -> None:
        super().__init__(name)
        self._journal = journal
        self._effort = effort
        self._saved_at = time.monotonic()
        self._rest_factor = effort.rest_factor
        self._ingest = IngestRate(journal)

    @property
    @abstractmethod
    def position(self) -> int:
        """The next sequence to be read."""

    @abstractmethod
    def take(self, block: Block) -> None:
        """Take a block, and move the position to its end."""

    @abstractmethod
    def skip_to(self, position: int) -> None:
        """Continue at a position; what is before it will not be read."""

    @abstractmethod
    def save(self) -> None:
        """Save the state. Raises no error."""

    def reached_end(self) -> None:
        """Notice that there was nothing more to be read."""

    def close(self, deadline_s: float) -> None:
        """Read the remaining entries, save, and end the thread within `deadline_s`. Idempotent."""
        self._stopping.set()
        with self._journal.grown:
            self._journal.grown.notify_all()
        super().close(deadline_s)

    # --- the thread ---

    def work(self) -> None:
        """See `Worker`."""
        try:
            self._follow()
        except Exception:
            self.skip_to(self._journal.end)  # past the entry that caused it
            raise

    def _follow(self) -> None:
        reader = self._reader_at_end()
        try:
            while True:
                stopping = self._stopping.is_set()
                began = time.thread_time()
                if self._is_far() or reader.position != self.position:
                    reader.close()
                    reader = self._reader_at_end()
                if self._read(reader):
                    if not stopping:
                        self._stopping.wait((time.thread_time() - began) * self._rest())
                    continue
                self._rest_factor = self._effort.rest_factor
                self._save(due=stopping)
                if stopping:
                    return
                self._stopping.wait(PACE_S)
                self._await_growth()
        finally:
            reader.close()

    def _rest(self) -> float:
        """Return the ratio of the next pause to the work before it."""
        floods = self._ingest.rest_factor() == FLOOD_REST_FACTOR
        return self._effort.flood_rest_factor if floods else self._rest_factor

    def _is_far(self) -> bool:
        return not 0 <= self._journal.end - self.position <= self._effort.behind_max

    def _reader_at_end(self) -> LogCursor:
        """Make a reader at the position, or at the journal's end if that is too far away."""
        if self._is_far():
            self.skip_to(self._journal.end)
            self._rest_factor = self._effort.flood_rest_factor
        return self._journal.cursor(self.position)

    def _read(self, reader: LogCursor) -> bool:
        """Read one block; False when there is none."""
        try:
            block = reader.read(BLOCK_BYTES)
        except FileNotFoundError:  # deleted in between: the next read continues with the remaining segments
            return False
        if block is None:
            self.reached_end()
            return False
        self.take(block)
        return True

    def _save(self, *, due: bool) -> None:
        now = time.monotonic()
        if due or now - self._saved_at >= SAVE_INTERVAL_S:
            self._saved_at = now
            self.save()

    def _await_growth(self) -> None:
        with self._journal.grown:
            if not self._stopping.is_set() and self._journal.end <= self.position:
                self._journal.grown.wait(IDLE_WAIT_S)
