"""`logboom.LogboomHandler`: Python's `logging` to a Logboom server, without ever stopping the application."""

import contextlib
import copy
import hashlib
import logging
import os
import sys
import traceback
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from logboom.clients.bearer import exposure, shown_url
from logboom.clients.courier import Courier
from logboom.clients.dialects import choose
from logboom.clients.spool import MEMORY_BYTES_MAX, Spool
from logboom.clients.tls import Trust
from logboom.errors import ConfigError
from logboom.formats.levels import name as level_name
from logboom.formats.levels import wire_number
from logboom.formats.times import iso_from_ns

PROTOCOLS: Final = {
    "grpc": "grpc",
    "grpcs": "grpc",
    "tcp": "collector",
    "tcps": "collector",
    "capnp": "capnp",
    "capnps": "capnp",
}
"""The protocol of each URL scheme."""

TOKEN_VARIABLE: Final = "LOGBOOM_TOKEN"  # noqa: S105 - a name
"""The variable that holds the token of all clients."""

_encode: Final = msgspec.json.Encoder().encode


class LogboomHandler(logging.Handler):
    """Sends log records to a Logboom server, in the background, until it acknowledges them.

    `emit` only puts the record into a queue. While the server is away, records wait in files, which outlive the
    process: the next one sends them. A record may arrive twice, when an acknowledgement was lost.

    A formatter, if one is set, makes the message; exceptions are sent as `stack_trace` in any case.

    Args:
        url: `grpc://HOST:PORT` or `tcp://HOST:PORT` (a `collector` listener), both acknowledged; or
            `capnp://HOST:PORT`, which has no acknowledgements: a lost connection loses what was on its way.
            With TLS: `grpcs://`, `tcps://`, `capnps://`.
        level: of the records that are taken, as for any handler.
        service_name: of the application; sent with each record.
        spool_dir: folder for records that wait; may be shared by processes. None: `logboom/spool` in the user's
            folder for state, `$XDG_STATE_HOME` or `~/.local/state`.
        spool_bytes_max: room for records of this process that wait. When it is full, further ones are dropped and
            counted, and a warning goes to stderr. 0: no files, they wait in memory.
        queue_max: records between the application and the background thread.
        flush_timeout_s: how long `flush` and `close`, and so the end of the process, wait for acknowledgements.
            They do not wait while the server is away.
        ca: PEM file of the authority that signed the server's certificate. None: those of the system.
        client_cert: PEM file of a certificate to show to a server that wants one; with `client_key`.
        client_key: its key's file.
        token: for servers that ask for one; it may also stand in the URL as the password. None: $LOGBOOM_TOKEN.
        verify: False takes any certificate, so that whoever is on the way can read everything; not for `grpcs://`.

    Raises:
        ConfigError: the URL is wrong, or a certificate or the token can't be used.
    """

    def __init__(
        self,
        url: str,
        level: int | str = logging.NOTSET,
        *,
        service_name: str = "",
        spool_dir: str | os.PathLike[str] | None = None,
        spool_bytes_max: int = 64 << 20,
        queue_max: int = 10_000,
        flush_timeout_s: float = 5.0,
        ca: str | os.PathLike[str] | None = None,
        client_cert: str | os.PathLike[str] | None = None,
        client_key: str | os.PathLike[str] | None = None,
        verify: bool = True,
        token: str | None = None,
    ) -> None:
        scheme = url.partition("://")[0].lower()
        if scheme not in PROTOCOLS:
            raise ConfigError(
                f"{shown_url(url)!r}: expected grpc://HOST:PORT, tcp://HOST:PORT or capnp://HOST:PORT"
            )
        files = [os.fspath(path) if path is not None else "" for path in (ca, client_cert, client_key)]
        token = os.environ.get(TOKEN_VARIABLE, "") if token is None else token
        dialect, target = choose(PROTOCOLS[scheme], url, Trust(files[0], files[1], files[2], verify, token))
        if warning := exposure(str(target), target.trust):
            _warn(warning)
        self._keeps_words = dialect.name == "collector"
        self._service_name = service_name
        self._timeout_s = flush_timeout_s
        self._hostname = os.uname().nodename
        folder = _spool_folder(spool_dir) if spool_bytes_max else None
        key = hashlib.sha256(f"{dialect.name} {target}".encode()).hexdigest()[:16]
        make_spool = partial(Spool, folder, key, spool_bytes_max or MEMORY_BYTES_MAX)
        self._courier = Courier(dialect, target, make_spool, queue_max, _warn)
        super().__init__(
            level
        )  # last: from here on `logging` flushes and closes it at the end of the process

    @property
    def dropped(self) -> int:
        """Records lost, because the queue and the spool were full, or they came after `close`."""
        return self._courier.dropped

    @property
    def refused(self) -> int:
        """Records that the server will never take, for example since they are too long."""
        return self._courier.report.refused.total()

    @property
    def acknowledged(self) -> int:
        """Records that the server has stored, or filtered by their level."""
        report = self._courier.report
        return report.acknowledged + report.filtered

    def handle(self, record: logging.LogRecord) -> bool:
        """Filter a record, and take it; without the lock that others need, which `logging.shutdown` holds over `flush`.

        What delivering logs is left out: it would cause more of itself.
        """
        if self._courier.in_own_thread:
            return False
        found: bool | logging.LogRecord = self.filter(record)
        if isinstance(found, logging.LogRecord):  # Python 3.12: filters may replace it
            record = found
        if found:
            self.emit(record)
        return bool(found)

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record. Never blocks, and raises nothing."""
        try:
            self._courier.put(self._line(record))
        except Exception:  # noqa: BLE001 - logging's rule: see Handler.handleError
            self.handleError(record)

    def flush(self) -> None:
        """Wait for acknowledgements, `flush_timeout_s` at most."""
        self._courier.flush(self._timeout_s)

    def close(self) -> None:
        """Flush, and stop the background thread. What is not acknowledged stays in the spool."""
        self._courier.close(self._timeout_s)
        super().close()

    def _line(self, record: logging.LogRecord) -> bytes:
        entry = self._entry(record)
        try:
            return _encode(entry)
        except UnicodeEncodeError:  # half of a surrogate pair, as undecodable file names bring them
            return _encode({key: value.encode(errors="replace").decode() for key, value in entry.items()})

    def _entry(self, record: logging.LogRecord) -> dict[str, str]:
        """The record in the fields of a `LogRequest`, without those that are empty."""
        fields = {
            "timestamp": iso_from_ns(int(record.created * 1e6) * 1000),
            "hostname": self._hostname,
            "logger_name": record.name,
            "module": record.module,
            "level": self._level(record),
            "filename": record.filename,
            "function_name": record.funcName or "",
            "line_number": str(record.lineno),
            "message": self._message(record),
            "path_name": record.pathname,
            "process_id": str(record.process or ""),
            "process_name": record.processName or "",
            "thread_id": str(record.thread or ""),
            "thread_name": record.threadName or "",
            "service_name": self._service_name,
            "stack_trace": _stack_trace(record),
        }
        return {key: value for key, value in fields.items() if value or key == "message"}

    def _level(self, record: logging.LogRecord) -> str:
        """The level's name; where the protocol has numbers only, that of the next common level below."""
        if self._keeps_words or wire_number(record.levelname) is not None:
            return record.levelname
        return level_name(record.levelno)

    def _message(self, record: logging.LogRecord) -> str:
        if self.formatter is None:
            return record.getMessage()
        bare = copy.copy(record)
        bare.exc_info = bare.exc_text = bare.stack_info = None
        return self.formatter.format(bare)


def _stack_trace(record: logging.LogRecord) -> str:
    parts = []
    if record.exc_info and record.exc_info[0] is not None:
        parts.append("".join(traceback.format_exception(*record.exc_info)).rstrip("\n"))
    elif record.exc_text:
        parts.append(record.exc_text)
    if record.stack_info:
        parts.append(record.stack_info)
    return "\n".join(parts)


def _spool_folder(chosen: str | os.PathLike[str] | None) -> Path | None:
    """Where records wait; None: this user has no folder."""
    if chosen is not None:
        return Path(chosen)
    state = os.environ.get("XDG_STATE_HOME")
    try:
        return (Path(state) if state else Path.home() / ".local" / "state") / "logboom" / "spool"
    except RuntimeError:
        _warn("no home folder, so log entries wait in memory; set spool_dir")
        return None


def _warn(text: str) -> None:
    """To stderr, as `logging` does with its own trouble: a record of ours would come back to us."""
    if sys.stderr is not None and logging.raiseExceptions:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"logboom: {text}\n")
