"""TCP and UDP ports that stay free for the process that asked for them."""

import itertools
import os
import random
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_BLOCK: Final = 40
"""Ports that are claimed together."""
_BLOCKS_MAX: Final = 25
"""Blocks that one process claims; then it uses its first ports again, whose servers have ended long ago."""
_FIRST: Final = 10_000
_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_FIRST_OF_SYSTEM: Final = 32_768
"""First port that Linux gives to connections and for port 0, unless `_RANGE` names another."""


class Ports:
    """Ports of this process: none that the system hands out, and none of another process with this class.

    A block is claimed by the abstract name of a socket: the system keeps it from others, and frees it at the end of
    the process.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._claims: list[socket.socket] = []
        self._process = 0
        self._numbers: Iterator[int] = iter(())

    def reserve(self) -> int:
        """Return the next port that is free. Raises `OSError` when there is none."""
        with self._lock:
            if self._process != os.getpid():  # a fork: the blocks belong to its parent
                self.close()
                self._process, self._numbers = os.getpid(), self._all()
            return next(number for number in self._numbers if _is_free(number))

    def close(self) -> None:
        """Leave the ports to others. Idempotent."""
        while self._claims:
            self._claims.pop().close()

    def _all(self) -> Iterator[int]:
        blocks = list(range(_FIRST, _end() - _BLOCK, _BLOCK))
        random.shuffle(blocks)
        claimed: list[int] = []
        for first in blocks:
            if len(claimed) < _BLOCKS_MAX and self._claim(first):
                claimed.append(first)
                yield from range(first, first + _BLOCK)
        for first in itertools.cycle(claimed):
            yield from range(first, first + _BLOCK)
        raise OSError("other processes have claimed all ports")

    def _claim(self, first: int) -> bool:
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0logboom-ports-{first}")
        except OSError:
            claim.close()
            return False
        self._claims.append(claim)
        return True


def _end() -> int:
    """The port after the last that can be claimed."""
    try:
        first = int(_RANGE.read_text(encoding="ascii").split()[0])
    except OSError:
        return _FIRST_OF_SYSTEM
    return first if first > _FIRST + 100 * _BLOCK else _FIRST_OF_SYSTEM


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            probe.setsockopt(
                socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
            )  # what was closed just now does not matter
            try:
                probe.bind(("", port))
            except OSError:
                return False
    return True


_PORTS: Final = Ports()


def free_port() -> int:
    """Return a port that nothing listens on, and that no other test process gets while this one lives."""
    return _PORTS.reserve()
