"""Fork server of SQL queries and of packing: a small process that is started before the server confines itself.

It gets a request and two descriptors, forks a process that runs the query (`query_process`), and ends that process
at its time limit or when the other end of the report's socket is closed. It runs as
`python -m logboom.query.sql.fork_server DESCRIPTOR`, and ends when the server does.
"""

import os
import select
import signal
import socket
import sys
import time
import traceback
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from logboom.errors import LogboomError
from logboom.journal.segments import Segment
from logboom.query.sql.sql_messages import PACKET_BYTES_MAX, PackRequest, SqlReport, SqlRequest

DESCRIPTORS: Final = 2
"""Descriptors of a request: the report's socket, and the file of the answer."""

PACKING_NICE: Final = 19
"""Priority of packing, the lowest."""

_MODULES: Final = (
    "logboom.query.sql.query_process",
    "logboom.query.sql.column_writer",
    "duckdb",
    "decimal",
    "heapq",
    "uuid",
)
"""Modules that the process of a query uses, also those that libraries load late."""


class _Running(NamedTuple):
    """A query that runs."""

    pid: int
    process: int
    """Descriptor of the process, readable when it has ended."""
    report: socket.socket
    request: SqlRequest | PackRequest
    ends_at: float


class ForkServer:
    """The loop of the fork server.

    Args:
        control: packets with requests; its end is the end of the fork server.
    """

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._running: list[_Running] = []

    def serve(self) -> None:
        """Run until the control socket is closed."""
        while True:
            poll = select.poll()
            poll.register(self._control, select.POLLIN)
            for one in self._running:
                poll.register(one.process, select.POLLIN)
                poll.register(one.report, select.POLLRDHUP)
            ready = {descriptor for descriptor, _ in poll.poll(self._timeout_ms())}
            for one in list(self._running):
                self._look_at(one, ready)
            if self._control.fileno() in ready and not self._take():
                return

    def _timeout_ms(self) -> float | None:
        if not self._running:
            return None
        ends_at = min(one.ends_at for one in self._running)
        return max(0.0, ends_at - time.monotonic()) * 1000 + 1

    def _look_at(self, one: _Running, ready: set[int]) -> None:
        """End a query whose time is up, or whose answer is not wanted; report one that has ended."""
        is_late = time.monotonic() >= one.ends_at
        if is_late or one.report.fileno() in ready:
            signal.pidfd_send_signal(one.process, signal.SIGKILL)
        elif one.process not in ready:
            return
        pid, status = os.waitpid(one.pid, os.WNOHANG)
        if not pid:  # it has not ended yet: its descriptor becomes ready
            return
        os.close(one.process)
        code = os.waitstatus_to_exitcode(status)
        if code:
            _send(one.report, SqlReport(error=_reason(one.request, code, is_late=is_late)))
        one.report.close()
        self._running.remove(one)

    def _take(self) -> bool:
        """Start a query. Return False at the end of the requests."""
        data, descriptors, _, _ = socket.recv_fds(self._control, PACKET_BYTES_MAX, DESCRIPTORS)
        if not data:
            return False
        if len(descriptors) != DESCRIPTORS:  # there was no room for them
            for one in descriptors:
                os.close(one)
            return True
        report, answer = socket.socket(fileno=descriptors[0]), descriptors[1]
        try:
            self._start(msgspec.json.decode(data, type=SqlRequest | PackRequest), report, answer)
        except Exception as error:  # noqa: BLE001 - the next query may be well
            _send(report, SqlReport(error=f"the query can't be started: {error}"))
            report.close()
        finally:
            os.close(answer)
        return True

    def _start(self, request: SqlRequest | PackRequest, report: socket.socket, answer: int) -> None:
        _preload()
        pid = os.fork()
        if pid == 0:
            self._become_process(request, report, answer)
        ends_at = time.monotonic() + request.time_s
        try:
            process = os.pidfd_open(pid)
        except OSError:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise
        self._running.append(_Running(pid, process, report, request, ends_at))

    def _become_process(self, request: SqlRequest | PackRequest, report: socket.socket, answer: int) -> None:
        """Run a query, or pack a segment, in the forked process, which ends here."""
        code = 1
        try:
            self._control.close()
            for one in self._running:
                os.close(one.process)
                one.report.close()
            _send(report, _result(request, answer))
            code = 0
        except BaseException:  # noqa: BLE001 - the process ends here
            traceback.print_exc()
        finally:
            os._exit(code)


def _result(request: SqlRequest | PackRequest, answer: int) -> SqlReport:
    """Do what was asked for, in the forked process."""
    from logboom.query.sql import column_writer, query_process  # noqa: PLC0415 - loaded already

    if isinstance(request, SqlRequest):
        return query_process.run(request, answer)
    os.nice(PACKING_NICE)
    segment = Segment(request.first, Path(request.segment))
    try:
        column_writer.pack_columns(segment, request.sealed, Path(request.part), request.level)
    except (LogboomError, OSError) as error:
        return SqlReport(error=str(error))
    return SqlReport()


def _preload() -> None:
    """Load what a query needs, before it loses the right to read files; with the first query, for all of them."""
    for name in _MODULES:
        import_module(name)
    ZoneInfo("UTC")


def _send(report: socket.socket, content: SqlReport) -> None:
    """Send a report, unless its reader is gone. Uses `write`: the sandbox has no calls for sockets."""
    with suppress(OSError):
        os.write(report.fileno(), msgspec.json.encode(content))


def _reason(request: SqlRequest | PackRequest, code: int, *, is_late: bool) -> str:
    """Return why a process ended without a report."""
    if code == -signal.SIGKILL and not is_late:
        return "the query's process was killed, usually for want of memory"
    if isinstance(request, PackRequest):
        return "its process was ended" if is_late else f"its process ended with code {code}"
    if is_late or code == -signal.SIGXCPU:
        return f"the query was ended after {request.time_s:g} s, the limit `sql.time_s_max`: a shorter time span helps"
    if code in (-signal.SIGABRT, -signal.SIGSEGV):
        return "the query's process has crashed, usually for want of memory: `sql.memory_bytes_max`"
    return f"the query's process ended with code {code}"


def main() -> None:
    """Serve on the socket whose descriptor is the argument."""
    for number in (signal.SIGINT, signal.SIGTERM):  # the server ends it, after what is in flight
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    ForkServer(socket.socket(fileno=int(sys.argv[1]))).serve()


if __name__ == "__main__":
    main()
