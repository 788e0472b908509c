"""`<data_dir>/health.sock`: how the server is, for `logboom health` on the same machine, whatever listeners there are.

Who connects gets one JSON document, and the end. It needs no port, token or certificate: the file's rights decide.
"""

import asyncio
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, cast

from logboom.model import Report

NAME: Final = "health.sock"

MODE: Final = 0o660
"""Whoever may read the journal may ask; connecting takes the right to write."""

DOCUMENT_BYTES_MAX: Final = 1 << 20
"""What is read of an answer; real ones have one or two kilobytes."""


class HealthSocket:
    """Answers on the event loop: one that is stuck gives no answer, and is not well.

    Args:
        data_dir: the server holds its lock.
        document: makes the answer.
        report: told when there can be no socket here; the server runs all the same.
    """

    def __init__(self, data_dir: Path, document: Callable[[], dict[str, Any]], report: Report) -> None:
        self._path = data_dir / NAME
        self._document = document
        self._report = report
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Take the place of whatever a server that was killed left there."""
        try:
            self._path.unlink(missing_ok=True)
            listening = _bound(self._path)
        except OSError as error:
            self._report("warning", f"logboom health can't ask by {self._path}: {error.strerror or error}")
            return
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: _Answer(self._document), sock=listening)

    def close(self) -> None:
        """Answer no more. Idempotent."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self._path.unlink(missing_ok=True)


class _Answer(asyncio.Protocol):
    def __init__(self, document: Callable[[], dict[str, Any]]) -> None:
        self._document = document

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say how it is, and close."""
        answering = cast("asyncio.Transport", transport)
        try:
            answering.write(json.dumps(self._document()).encode())
        finally:
            answering.close()


def ask(data_dir: Path, timeout_s: float) -> bytes:
    """The health document of the server of a data directory.

    Raises:
        FileNotFoundError: none has been started there, or it was stopped as it should.
        OSError: none answers.
    """
    pieces, size = [], 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(timeout_s)
        with _address(data_dir / NAME) as address:
            asking.connect(address)
        while size < DOCUMENT_BYTES_MAX and (piece := asking.recv(1 << 16)):
            pieces.append(piece)
            size += len(piece)
    return b"".join(pieces)


def _bound(path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _address(path) as address:
            listening.bind(address)
        path.chmod(MODE)
    except OSError:
        listening.close()
        path.unlink(missing_ok=True)  # who finds it would ask here, and nowhere else
        raise
    return listening


@contextmanager
def _address(path: Path) -> Iterator[str]:
    """A short name of a socket: the kernel takes 107 bytes, and data directories may lie deep."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
