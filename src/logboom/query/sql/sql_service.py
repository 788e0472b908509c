"""SQL queries of a server: one at a time per asker, few at once, each in the operational log."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from logboom.errors import LogboomError, StorageError
from logboom.journal.folder_log import FolderLog
from logboom.journal.manifest import SegmentEvent
from logboom.journal.segments import Segment
from logboom.model import Report
from logboom.query.sql.sql_engine import (
    SqlAnswer,
    SqlEngine,
    SqlFailedError,
    SqlRefusedError,
    SqlUnavailableError,
)
from logboom.query.sql.sql_messages import Format, PackRequest, SqlRequest
from logboom.settings import SqlSettings

QUERIES_MAX: Final = 2
"""Queries at once: each may use `sql.memory_bytes_max`, and two threads."""

ANSWER_BYTES_MAX: Final = 16 << 20
"""Size of an answer, which is in the server's memory until the client has it."""

PACKING_S_MAX: Final = 3600.0
"""Longest time of packing a segment; a core of its own needs some 20 s for 256 MiB."""

_SHOWN_CHARS: Final = 500
"""Length of a query in the operational log."""


class SqlBusyError(Exception):
    """Other queries run. The text says whose."""


class SqlService:
    """Runs the queries of all listeners. Any thread may ask.

    Args:
        log: the journal.
        settings: of `[sql]`.
        report: the operational log.
        engine: a running one, for a process that must not start programs; None: it is started with the first query.
    """

    def __init__(
        self, log: FolderLog, settings: SqlSettings, report: Report, engine: SqlEngine | None = None
    ) -> None:
        self._log = log
        self._settings = settings
        self._report = report
        self._engine = engine
        self._is_confined = engine is not None
        """Another engine can't be started: the process may not start programs any more."""
        self._lock = threading.Lock()
        self._askers: set[str] = set()
        self.counts = {"done": 0, "refused": 0, "failed": 0}
        """Queries since the start, by outcome."""
        self.seconds = 0.0
        """Time of all queries together."""

    @contextmanager
    def turn(self, asker: str) -> Iterator[None]:
        """Take the turn of an asker, such as the name of a token. Raises `SqlBusyError`."""
        with self._lock:
            if asker in self._askers:
                raise SqlBusyError("another query of the same token runs" if asker else "another query runs")
            if len(self._askers) >= QUERIES_MAX:
                raise SqlBusyError(f"{QUERIES_MAX} queries run")
            self._askers.add(asker)
        try:
            yield
        finally:
            self._askers.discard(asker)

    def run(
        self,
        query: str,
        *,
        since: str,
        until: str,
        limit: int,
        form: Format,
        asker: str,
        is_wanted: Callable[[], bool],
    ) -> SqlAnswer:
        """Run a query, within `turn`; blocks until it has ended.

        Args:
            query: the text.
            since: entries at or after this; ISO 8601, UTC. Empty: no limit.
            until: entries before this.
            limit: of the answer's rows.
            form: of the answer.
            asker: for the operational log.
            is_wanted: asked while it runs; False ends it.

        Raises:
            SqlUnavailableError: there is no SQL on this machine.
            SqlRefusedError: the query is wrong, or not allowed.
            SqlFailedError: it met a limit.
        """
        engine = self._started()
        request = SqlRequest(
            query=query,
            folder=str(self._log.folder.absolute()),
            end=self._log.end,
            since=since,
            until=until,
            format=form,
            limit=limit,
            time_s=self._settings.time_s_max,
            memory_bytes=self._settings.memory_bytes_max,
            answer_bytes=ANSWER_BYTES_MAX,
        )
        started, outcome, text = time.monotonic(), "failed", ""
        try:
            answer = engine.run(request, is_wanted)
            outcome = "done"
        except SqlRefusedError as error:
            outcome, text = "refused", f": {error}"
            raise
        except (LogboomError, OSError) as error:
            text = f": {error}"
            raise
        else:
            return answer
        finally:
            seconds = time.monotonic() - started
            self.counts[outcome] += 1
            self.seconds += seconds
            shown = " ".join(query.split())[:_SHOWN_CHARS]
            self._report("info", f"SQL of {asker}, {outcome} in {seconds:.1f} s{text}: {shown}")

    def pack_columns(
        self, segment: Segment, sealed: SegmentEvent, part: Path, level: int, is_wanted: Callable[[], bool]
    ) -> None:
        """Pack a segment in a process of its own, see `ColumnPacker`. Raises `StorageError`: it can't be packed so."""
        request = PackRequest(
            segment=str(segment.path.absolute()),
            first=segment.first,
            sealed=sealed,
            part=str(part.absolute()),
            level=level,
            time_s=PACKING_S_MAX,
        )
        try:
            self._started().pack(request, is_wanted)
        except (SqlFailedError, SqlUnavailableError, OSError) as error:
            raise StorageError(str(error)) from error

    def _started(self) -> SqlEngine:
        """Return the engine; it is started when there is none. Raises `SqlUnavailableError`."""
        with self._lock:
            if self._engine is not None and self._engine.has_ended and not self._is_confined:
                self._engine.close()
                self._engine = None
            if self._engine is None:
                self._engine = SqlEngine()
            return self._engine

    def close(self) -> None:
        """End the engine, and the queries that run. Idempotent."""
        with self._lock:
            if self._engine is not None:
                self._engine.close()
