"""The way to SQL queries: starts the fork server, and sends it one query after the other."""

import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from logboom.errors import LogboomError
from logboom.extras import advice, is_missing
from logboom.journal.columns.column_engine import EXTRA
from logboom.query.sql import sandbox
from logboom.query.sql.sql_messages import PACKET_BYTES_MAX, PackRequest, SqlReport, SqlRequest

LOOK_S: Final = 0.25
"""Interval of asking whether an answer is still wanted."""

CLOSE_S_MAX: Final = 2.0

OVERTIME_S: Final = 5.0
"""Time after the limit of a query in which the fork server has to report its end, seconds."""

_KEPT: Final = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")
"""Environment of the fork server: nothing that could be a secret."""


class SqlUnavailableError(LogboomError):
    """There is no SQL on this machine. The text is the reason, and what to do."""


class SqlRefusedError(LogboomError):
    """The query is wrong, or not allowed."""


class SqlFailedError(LogboomError):
    """The query met a limit, or the machine failed."""


class SqlAnswer(NamedTuple):
    """Answer of a query."""

    data: bytes
    """In the format that was asked for."""
    rows: int
    is_cut: bool
    """There may be more rows: the limit was reached."""


def why_not() -> str:
    """Return why there is no SQL on this machine, and what to do; empty: there is."""
    if is_missing(EXTRA):
        return advice(EXTRA)
    return sandbox.missing()


class SqlEngine:
    """A fork server, and the queries that it runs. Any number of threads may ask.

    Construct it before the process is confined: the fork server has to start programs and threads.

    Raises:
        SqlUnavailableError: see `why_not`.
    """

    def __init__(self) -> None:
        reason = why_not()
        if reason:
            raise SqlUnavailableError(f"SQL is not available: {reason}")
        self._control, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other:
            # -P: modules that lie in the working directory, which may be the data directory, are not ours.
            command = [sys.executable, "-P", "-m", "logboom.query.sql.fork_server", str(other.fileno())]
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[other.fileno()],
                env={name: os.environ[name] for name in _KEPT if name in os.environ},
            )

    def run(self, request: SqlRequest, is_wanted: Callable[[], bool] = lambda: True) -> SqlAnswer:
        """Run a query, and wait for its answer.

        Args:
            request: the query.
            is_wanted: asked while it runs; False ends it.

        Raises:
            SqlRefusedError: the query is wrong, or not allowed.
            SqlFailedError: it met a limit, or it is not wanted any more.
            SqlUnavailableError: the fork server has ended.
        """
        with open(os.memfd_create("answer"), "rb") as answer:  # noqa: PTH123 - a descriptor
            result = self._ask(request, answer.fileno(), is_wanted)
            answer.seek(0)
            return SqlAnswer(answer.read(), result.rows, result.is_cut)

    def pack(self, request: PackRequest, is_wanted: Callable[[], bool] = lambda: True) -> None:
        """Pack a segment as columns, and wait for the end.

        Args:
            request: the segment.
            is_wanted: asked meanwhile; False ends it.

        Raises:
            SqlFailedError: it can't be packed so, or it is not wanted any more.
            SqlUnavailableError: the fork server has ended.
        """
        with Path(os.devnull).open("rb") as answer:
            self._ask(request, answer.fileno(), is_wanted)

    def _ask(
        self, request: SqlRequest | PackRequest, answer: int, is_wanted: Callable[[], bool]
    ) -> SqlReport:
        """Have a process do something. Raises as `run` does."""
        report, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with report:
            with other:
                try:
                    data = msgspec.json.encode(request)
                    socket.send_fds(self._control, [data], [other.fileno(), answer])
                except OSError as error:
                    raise SqlUnavailableError(
                        f"SQL is not available: its process has ended ({error})"
                    ) from None
            result = _wait(report, is_wanted, request.time_s + OVERTIME_S)
        if result.error:
            raise (SqlRefusedError if result.is_refused else SqlFailedError)(result.error)
        return result

    @property
    def has_ended(self) -> bool:
        """Return whether the fork server has ended, by a fault of its own or a signal."""
        return self._process.poll() is not None

    def close(self) -> None:
        """End the fork server, and the queries that run. Idempotent."""
        self._control.close()
        try:
            self._process.wait(CLOSE_S_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _wait(report: socket.socket, is_wanted: Callable[[], bool], time_s: float) -> SqlReport:
    """Wait for a report. Raises `SqlFailedError`."""
    poll = select.poll()
    poll.register(report, select.POLLIN)
    ends_at = time.monotonic() + time_s
    while not poll.poll(LOOK_S * 1000):
        if not is_wanted():
            raise SqlFailedError("the answer is not wanted any more")
        if time.monotonic() > ends_at:
            raise SqlFailedError(f"the query's process has not ended within {time_s:g} s")
    data = report.recv(PACKET_BYTES_MAX)
    if not data:
        raise SqlFailedError("the query's process has ended without an answer")
    return msgspec.json.decode(data, type=SqlReport)
