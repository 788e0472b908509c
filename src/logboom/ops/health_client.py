"""Client of the health socket. Container engines run it every few seconds, so it imports nothing heavy."""

import os
import socket
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "health.sock"

DOCUMENT_BYTES_MAX = 1 << 20
"""Largest answer that is read; usual ones have one or two kilobytes."""


def ask(data_dir: str, timeout_s: float) -> bytes:
    """Return the health document of the server of a data directory.

    Raises:
        FileNotFoundError: no server was started there, or it was stopped normally.
        OSError: no server answers.
    """
    pieces, size = [], 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(timeout_s)
        with short_address(os.path.join(data_dir, NAME)) as address:  # noqa: PTH118 - pathlib is slow to import
            asking.connect(address)
        while size < DOCUMENT_BYTES_MAX and (piece := asking.recv(1 << 16)):
            pieces.append(piece)
            size += len(piece)
    return b"".join(pieces)


@contextmanager
def short_address(path: str) -> "Iterator[str]":
    """Short path of a socket: the kernel accepts 107 bytes, and paths of data directories may be longer."""
    folder, name = os.path.split(path)
    descriptor = os.open(folder or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)
