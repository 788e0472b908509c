"""The socket by which gRPC's core is reached, from within this process only."""

import asyncio
import os
import secrets
import socket
from itertools import count
from pathlib import Path
from typing import Final

FOLDER: Final = "grpc"
"""A folder of the data directory that only this account may enter."""

_MODE: Final = 0o700
_PEER: Final = "unix-abstract:"
"""The core's prefix for a peer whose socket has a name without a file."""

CONNECT_TRIES_MAX: Final = 200
CONNECT_RETRY_S: Final = 0.01
"""The core's queue of new connections may be full for a moment."""


class InnerSocket:
    """Its address, and the names of those that connect: the core identifies a call's peer by that name.

    Args:
        data_dir: the server's.
        listener: the listener's name.
    """

    def __init__(self, data_dir: Path, listener: str) -> None:
        self._path = data_dir / FOLDER / f"{listener}.sock"
        self._secret = f"logboom-{secrets.token_hex(16)}-"
        self._numbers = count()
        self._folder: int | None = None
        self._has_file = True

    def prepare_without_file(self) -> str:
        """The same, for a data directory whose file system knows no sockets: others on this machine may reach it."""
        self._has_file = False
        return f"unix-abstract:{self._secret}core"

    def prepare(self) -> str:
        """Make place for the core's socket; returns the address for the core. Raises `OSError`."""
        self._path.parent.mkdir(mode=_MODE, exist_ok=True)
        self._path.parent.chmod(_MODE)
        self._path.unlink(missing_ok=True)
        if self._folder is None:  # the kernel takes names of 107 bytes, and data directories may lie deep
            self._folder = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._has_file = True
        return f"unix:{self._short}"

    @property
    def _short(self) -> str:
        return (
            f"/proc/self/fd/{self._folder}/{self._path.name}" if self._has_file else f"\0{self._secret}core"
        )

    def new_name(self) -> str:
        """The name of another connection: no other process can guess it."""
        return f"{self._secret}{next(self._numbers)}"

    @staticmethod
    def name_of(peer: str) -> str:
        """The name in the core's text for a peer; empty: it has none."""
        return peer[len(_PEER) :] if peer.startswith(_PEER) else ""

    async def connect(self, name: str) -> socket.socket:
        """A connection to the core under a name. Raises `OSError`."""
        one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            one.setblocking(False)  # noqa: FBT003 - it has no name
            one.bind(f"\0{name}")
            for _ in range(CONNECT_TRIES_MAX):
                try:
                    one.connect(self._short)
                except BlockingIOError:
                    await asyncio.sleep(CONNECT_RETRY_S)
                else:
                    return one
            raise TimeoutError("its queue is full")  # noqa: TRY301 - the socket is closed as for any error
        except BaseException:
            one.close()
            raise

    def close(self) -> None:
        """Take the socket away. Idempotent."""
        self._path.unlink(missing_ok=True)
        if self._folder is not None:
            os.close(self._folder)
            self._folder = None
