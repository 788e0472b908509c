"""`<data_dir>/health.sock`: the health document for `logboom health` on the same machine, independent of listeners.

Each connection gets one JSON document. It needs no port, token or certificate: access depends on the file's mode.
"""

import asyncio
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

from logboom.model import Report
from logboom.ops.health_client import NAME, short_address

MODE: Final = 0o660
"""For users who may read the journal; connecting needs write permission."""


class HealthSocket:
    """Server of the health document. It runs on the event loop, so that a blocked loop gives no answer.

    Args:
        data_dir: data directory, locked by this server.
        document: makes the answer.
        report: logs when the socket can't be created; the server runs without it.
    """

    def __init__(self, data_dir: Path, document: Callable[[], dict[str, Any]], report: Report) -> None:
        self._path = data_dir / NAME
        self._document = document
        self._report = report
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Create the socket; one that a killed server left is replaced."""
        try:
            self._path.unlink(missing_ok=True)
            listening = _bound(self._path)
        except OSError as error:
            self._report("warning", f"logboom health can't use {self._path}: {error.strerror or error}")
            return
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: _Answer(self._document), sock=listening)

    def close(self) -> None:
        """Close and delete the socket. Idempotent."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self._path.unlink(missing_ok=True)


class _Answer(asyncio.Protocol):
    def __init__(self, document: Callable[[], dict[str, Any]]) -> None:
        self._document = document

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the document, and close."""
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
        path.unlink(missing_ok=True)  # `logboom health` would use it
        raise
    return listening
