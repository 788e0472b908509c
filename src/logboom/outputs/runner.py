"""Runner of an output: a thread that writes the journal to it, and retries after errors."""

import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Final

from logboom.errors import OutputError, TakenAwayError
from logboom.journal.log import Block, Log, LogCursor
from logboom.model import Report
from logboom.outputs.base import Output, OutputPace
from logboom.outputs.permit import ALWAYS, Permit

RETRY_MIN_S: Final = 0.1
"""Delay of the first retry; doubled each time, up to `OutputPace.retry_s_max`."""

FAILURES_LOGGED: Final = 3
"""Failures in a row from which on they are logged. Shorter interruptions (retries after 0.1 and 0.2 s) are not."""

IDLE_WAIT_S: Final = 1.0
"""Interval at which an idle thread checks the journal even without a notification."""

PERMIT_WAIT_S: Final = 0.2
"""Interval at which an output that another server writes looks for its permission."""


class OutputRunner:
    """Reads the journal from the output's position, writes and flushes; logs an error once, and retries.

    Args:
        name: name of the output in the configuration.
        output: not opened yet; used only by the runner's thread from `start` on.
        journal: the journal to read.
        report: logs errors and recoveries, on the runner's thread.
        permit: permission to write; without it, the output waits.
        flush_interval_s: interval of flushes, and so the amount of work that a crash repeats; by default the output's.
        advanced: called on the runner's thread with each new durable position.
        pause: waits a number of seconds, or until `stop`; replaced in tests.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        name: str,
        output: Output,
        journal: Log,
        report: Report,
        *,
        permit: Permit = ALWAYS,
        flush_interval_s: float | None = None,
        advanced: Callable[[int], None] = lambda _position: None,
        pause: Callable[[float], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.position = 0
        """The next sequence to be written, as of the output's last durable state; used by retention."""
        self.failing: str | None = None
        """The current error; None while the output works."""
        self.output = output
        self.journal = journal
        """The log that it reads."""
        self._report = report
        self._permit = permit
        self._pace: OutputPace = getattr(output, "pace", OutputPace())
        if flush_interval_s is not None:
            self._pace = self._pace._replace(flush_interval_s=flush_interval_s)
        self._advanced = advanced
        self._stopping = threading.Event()
        self._pause = pause or self._stopping.wait
        self._clock = clock
        self._abandoned = False
        self._reopening = False
        self._retry_s = RETRY_MIN_S
        self._failures = 0  # in a row
        self._expected = 0  # the next sequence to come from the journal
        self._damaged = 0
        self._thread: threading.Thread | None = None

    @property
    def standby(self) -> bool:
        """True while another server writes the output."""
        return not self._permit.granted

    @property
    def lag(self) -> int:
        """Number of entries that are not durable in the output yet; 0 while another server writes it."""
        return 0 if self.standby else max(0, self.journal.end - self.position)

    def start(self, ended: Callable[[Exception | None], None] = lambda _: None) -> None:
        """Start the thread, or a new one after the first has failed.

        Args:
            ended: called on the thread at its end, with the unexpected error or None after a stop.
        """
        self._thread = threading.Thread(
            target=self._run, args=(ended,), name=f"output-{self.name}", daemon=True
        )
        self._thread.start()

    def reopen(self) -> None:
        """Close and open the output's files soon, as for an external log rotation."""
        with self.journal.grown:
            self._reopening = True
            self.journal.grown.notify_all()

    def stop(self, deadline_s: float) -> None:
        """Catch up with the journal, flush and close; log the number of remaining entries. Idempotent.

        Args:
            deadline_s: time limit. A failing output gets one more try.
        """
        if self._abandoned or self._thread is None:
            return
        with self.journal.grown:
            self._stopping.set()
            self.journal.grown.notify_all()
        self._thread.join(deadline_s)
        self._abandoned = True
        if self.lag:
            self._report("error", f"output {self.name}: {self.lag} entries are left for the next start")

    # --- the thread ---

    def _run(self, ended: Callable[[Exception | None], None]) -> None:
        death = None
        try:
            self._keep_going()
        except Exception as error:  # noqa: BLE001 - a bug: the supervisor logs it, and starts the thread again
            death = error
            self.failing = f"{type(error).__name__}: {error}"
        ended(death)

    def _keep_going(self) -> None:
        """Follow the journal, and retry after errors of the output."""
        ended = False
        while not ended and not self._abandoned:
            last_try = self._stopping.is_set()
            try:
                ended = self._follow_journal()
            except TakenAwayError as error:
                ended = self._taken_away(error) and last_try
            except (OutputError, OSError) as error:
                self._failed(error)
                ended = last_try
                if not ended:
                    self._back_off()

    def _follow_journal(self) -> bool:
        """Open the output and write the journal to it; return True to stop, False to reopen."""
        if not self._await_permit():
            return True
        self._permit.writing = True
        try:
            return self._write_journal()
        finally:
            self._permit.writing = False

    def _write_journal(self) -> bool:
        """See `_follow_journal`."""
        with closing(self.output):
            self._reopening = False
            self.output.open()
            self._take_position()
            with closing(self.journal.cursor(self.position)) as reader:
                while True:
                    stopping, reopening = self._stopping.is_set(), self._reopening
                    self._drain(reader)
                    if self.standby:
                        return False
                    if stopping or self._abandoned or reopening:
                        return not reopening
                    self._pause(self._pace.flush_interval_s)
                    self._await_growth(reader.position)

    def _await_permit(self) -> bool:
        """Wait for the permission; False: the output is to stop before."""
        while self.standby:
            self.failing = None
            self.position = self._permit.position
            if self._stopping.is_set():
                return False
            self._pause(PERMIT_WAIT_S)
        return True

    def _take_position(self) -> None:
        if self._permit.moves and self.output.position() < self._permit.position:
            self.output.rewind(self._permit.position)
        position, end = self.output.position(), self.journal.end
        if position > end and self._permit is not ALWAYS:
            raise OutputError(f"another server has written it up to {position}, and the copy ends at {end}")
        if position > end:
            self._report(
                "error",
                f"output {self.name} was at sequence {position}, but the journal ends at {end}: "
                "it is not the one that was read before; continuing with the next entry",
            )
            self.output.rewind(end)
        self.position = self._expected = self.output.position()
        self._note()

    def _drain(self, reader: LogCursor) -> None:
        """Write all committed entries, with flushes in between if it takes long."""
        flushed_at = self._clock()
        while not self._abandoned and (block := reader.read(self._pace.block_bytes)) is not None:
            if self.standby:
                return
            self._check_gap(block)
            self.output.write(block)
            self._expected = block.next_sequence
            if self._clock() - flushed_at >= self._pace.flush_interval_s:
                self._flush()
                flushed_at = self._clock()
        if not self.standby:
            self._flush()

    def _flush(self) -> None:
        self.output.flush()
        self.position = self.output.position()
        self._note()
        if self.output.damaged > self._damaged:
            lines = self.output.damaged - self._damaged
            self._damaged = self.output.damaged
            self._report("error", f"output {self.name}: {lines} damaged journal lines were skipped")
        self._failures, self._retry_s = 0, RETRY_MIN_S
        if self.failing is not None:
            self.failing = None
            self._report("info", f"output {self.name} works again, {self.lag} entries behind")

    def _note(self) -> None:
        self._permit.note(self.position)
        self._advanced(self.position)

    def _check_gap(self, block: Block) -> None:
        """Log entries that were deleted before they could be written."""
        missing = block.first_sequence - self._expected
        if missing > 0 and self._expected == 0:  # a new output, or one that never worked
            text = f"output {self.name} starts with sequence {missing}: older entries are deleted already"
            self._report("warning", text)
        elif missing > 0:
            text = f"{missing} entries were deleted before output {self.name} could write them"
            self._report("error", f"{text}: sequences {self._expected} to {block.first_sequence - 1}")

    def _await_growth(self, position: int) -> None:
        with self.journal.grown:
            wanted = self._stopping.is_set() or self._reopening
            if not wanted and self.journal.end <= position:
                self.journal.grown.wait(IDLE_WAIT_S)

    def _failed(self, error: Exception) -> None:
        """Count a failure; log a lasting error once."""
        trouble = str(error)
        self._failures += 1
        if self._failures < FAILURES_LOGGED:
            return
        if trouble != self.failing:
            self._report("error", f"output {self.name} can't write: {trouble}; it will be retried")
        self.failing = trouble

    def _taken_away(self, error: TakenAwayError) -> bool:
        """Log the error; return True when it recurs without a successful write in between."""
        self._report("warning", f"output {self.name}: {error}")
        self._failures += 1
        again = self._failures >= FAILURES_LOGGED
        if again:
            self._back_off()
        return again

    def _back_off(self) -> None:
        self._pause(self._retry_s)
        self._retry_s = min(2 * self._retry_s, self._pace.retry_s_max)
