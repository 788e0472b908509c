"""`<data_dir>/health.sock`: how the server is, for `logboom health` on the same machine, whatever listeners there are.

Who connects gets one JSON document, and the end. It needs no port, token or certificate: the file's rights decide.
"""

import asyncio
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

from logboom.model import Report
from logboom.ops.health_asking import NAME, short_address

MODE: Final = 0o660
"""Whoever may read the journal may ask; connecting takes the right to write."""


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


def _bound(path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with short_address(str(path)) as address:
            listening.bind(address)
        path.chmod(MODE)
    except OSError:
        listening.close()
        path.unlink(missing_ok=True)  # who finds it would ask here, and nowhere else
        raise
    return listening
