"""`logboom.LogboomHandler`: Python's `logging` to a Logboom server, without ever stopping the application."""

import contextlib
import hashlib
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from logboom.clients.delivery.courier import Courier
from logboom.clients.delivery.spool import MEMORY_BYTES_MAX, Spool
from logboom.clients.handler.logentry import Entries, Shape
from logboom.clients.handler.request_ids import request_id
from logboom.clients.wire.bearer import exposure, shown_url
from logboom.clients.wire.dialect_registry import choose
from logboom.clients.wire.tls_trust import Trust
from logboom.errors import ConfigError

if TYPE_CHECKING:
    from types import FrameType

URL: Final = "http://127.0.0.1:8080"
"""A server of this machine with its default settings."""

PROTOCOLS: Final = {
    "http": "http",
    "https": "http",
    "ws": "ws",
    "wss": "ws",
    "grpc": "grpc",
    "grpcs": "grpc",
    "tcp": "collector",
    "tcps": "collector",
    "capnp": "capnp",
    "capnps": "capnp",
}
"""The protocol of each URL scheme."""

_BASIC_FORMATS: Final = frozenset(form for _, form in logging._STYLES.values())  # noqa: SLF001

TOKEN_VARIABLE: Final = "LOGBOOM_TOKEN"  # noqa: S105 - a name
"""The variable that holds the token of all clients."""

_FIXED_FIELDS: Final = frozenset({"grpc", "capnp"})
"""Protocols whose entries have no room for further fields."""

_DELIVERING: Final = frozenset({"asyncio", "aiohttp", "grpc"})
"""Loggers of libraries that delivery uses."""


class LogboomHandler(logging.Handler):
    """Sends log records to a Logboom server, in the background, until it acknowledges them.

    `emit` writes the record to a file, the spool, and returns. What is in the spool outlives the process, however that
    ends: the next process with the same URL and spool folder sends it. A record may arrive twice, when an
    acknowledgement was lost.

    A formatter, if one is set, makes the message; the default one of `logging.basicConfig` is ignored. Exceptions are
    sent as `stack_trace` in any case, values of `extra` as fields of their own.

    Args:
        url: `http://HOST:PORT`, `ws://HOST:PORT`, `grpc://HOST:PORT` or `tcp://HOST:PORT` (a `collector` listener), all
            acknowledged; or `capnp://HOST:PORT`, which has no acknowledgements: a lost connection loses what was on
            its way. With TLS: `https://`, `wss://`, `grpcs://`, `tcps://`, `capnps://`.
        level: of the records that are taken, as for any handler.
        service_name: of the application; sent with each record.
        spool_dir: folder for records that wait; may be shared by processes. None: `logboom/spool` in the user's
            folder for state, `$XDG_STATE_HOME` or `~/.local/state`.
        spool_bytes_max: room for records of this process that wait. When it is full, further ones are dropped and
            counted, and a warning goes to stderr. 0: no files, they wait in memory.
        queue_max: has no meaning any more: records go straight to the spool.
        flush_timeout_s: how long `flush` and `close`, and so the end of the process, wait for acknowledgements.
            They do not wait while the server is away.
        ca: PEM file of the authority that signed the server's certificate. None: those of the system.
        client_cert: PEM file of a certificate to show to a server that wants one; with `client_key`.
        client_key: its key's file.
        token: for servers that ask for one; it may also stand in the URL as the password. None: $LOGBOOM_TOKEN.
        verify: False accepts any certificate, so that an attacker on the network can read everything; not for `grpcs://`.

    Raises:
        ConfigError: the URL is wrong, or a certificate or the token can't be used.
    """

    def __init__(
        self,
        url: str = URL,
        level: int | str = logging.NOTSET,
        *,
        service_name: str = "",
        spool_dir: str | os.PathLike[str] | None = None,
        spool_bytes_max: int = 64 << 20,
        queue_max: int = 10_000,  # noqa: ARG002 - configurations of earlier versions have it
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
                f"{shown_url(url)!r}: expected http://HOST:PORT, ws://HOST:PORT, grpc://HOST:PORT, "
                "tcp://HOST:PORT or capnp://HOST:PORT"
            )
        files = [os.fspath(path) if path is not None else "" for path in (ca, client_cert, client_key)]
        token = os.environ.get(TOKEN_VARIABLE, "") if token is None else token
        dialect, target = choose(PROTOCOLS[scheme], url, Trust(files[0], files[1], files[2], verify, token))
        if warning := exposure(str(target), target.trust):
            _warn(warning)
        own = {"type": "log", "source": service_name or os.uname().nodename} if dialect.name == "ws" else {}
        self._entries = Entries(Shape(service_name, dialect.name not in _FIXED_FIELDS, own))
        self._timeout_s = flush_timeout_s
        folder = _spool_folder(spool_dir) if spool_bytes_max else None
        key = hashlib.sha256(f"{dialect.name} {target}".encode()).hexdigest()[:16]
        spool = Spool(folder, key, spool_bytes_max or MEMORY_BYTES_MAX)
        self._courier = Courier(dialect, target, spool, _warn)
        super().__init__(
            level
        )  # last: from here on `logging` flushes and closes it at the end of the process

    @property
    def dropped(self) -> int:
        """Records lost, because the spool was full."""
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
        if self._courier.in_own_thread and not _is_finalizing(record):
            return False
        found: bool | logging.LogRecord = self.filter(record)
        if isinstance(found, logging.LogRecord):  # Python 3.12: filters may replace it
            record = found
        if found:
            self.emit(record)
        return bool(found)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record to the spool. Waits for no server, and raises nothing."""
        if current := request_id.get():
            record.__dict__.setdefault("request_id", current)
        try:
            line = self._entries.line(record, self.formatter)
        except Exception:  # noqa: BLE001 - logging's rule: see Handler.handleError
            with contextlib.suppress(Exception):
                self.handleError(record)
            line = self._entries.rescued_line(record)
        self._courier.put(line)

    def setFormatter(self, fmt: logging.Formatter | None) -> None:  # noqa: N802 - logging's name
        """Set the formatter of messages. The default one of `logging.basicConfig` is ignored."""
        super().setFormatter(None if _is_basic(fmt) else fmt)

    def flush(self) -> None:
        """Wait for acknowledgements, `flush_timeout_s` at most."""
        self._courier.flush(self._timeout_s)

    def close(self) -> None:
        """Flush, and stop the background thread. What is not acknowledged stays in the spool."""
        self._courier.close(self._timeout_s)
        super().close()


def _is_finalizing(record: logging.LogRecord) -> bool:
    """Find out if the application logs from a `__del__`, which the interpreter calls in any thread."""
    if record.name.partition(".")[0] in _DELIVERING:
        return False
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - traceback.walk_stack() reads source files
    while frame is not None and frame.f_code.co_name != "__del__":
        frame = frame.f_back
    return frame is not None


def _is_basic(formatter: logging.Formatter | None) -> bool:
    """Find out if a formatter is the one of `basicConfig`: it puts level and name in front, which are fields here."""
    if type(formatter) is not logging.Formatter or formatter.datefmt is not None:
        return False
    return formatter._fmt in _BASIC_FORMATS  # noqa: SLF001 - it has no public name


def _spool_folder(chosen: str | os.PathLike[str] | None) -> Path | None:
    """The folder of waiting records; None: this user has no folder."""
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
