"""Asking the health socket of a data directory. Container engines do it every few seconds: no heavy import here."""

import os
import socket
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "health.sock"

DOCUMENT_BYTES_MAX = 1 << 20
"""Bytes of an answer that are read at most; real ones have one or two kilobytes."""


def ask(data_dir: str, timeout_s: float) -> bytes:
    """The health document of the server of a data directory.

    Raises:
        FileNotFoundError: none has been started there, or it was stopped as it should.
        OSError: none answers.
    """
    pieces, size = [], 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(timeout_s)
        with short_address(os.path.join(data_dir, NAME)) as address:  # noqa: PTH118 - pathlib takes its time
            asking.connect(address)
        while size < DOCUMENT_BYTES_MAX and (piece := asking.recv(1 << 16)):
            pieces.append(piece)
            size += len(piece)
    return b"".join(pieces)


@contextmanager
def short_address(path: str) -> "Iterator[str]":
    """A short name of a socket: the kernel takes 107 bytes, and data directories may lie deep."""
    folder, name = os.path.split(path)
    descriptor = os.open(folder or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)
