"""The connections of a gRPC server.

Its core accepts them by itself, and tells nothing. But they are sockets of this process: about once a second they are
looked at, counted by address, and shut down where there are too many, or where they come from a denied network.
"""

import contextlib
import os
import socket
import stat
from collections.abc import Iterator
from typing import Final

from logboom.model import Report
from logboom.pipeline.door import Door, Refused
from logboom.pipeline.intake import Counters
from logboom.servers.complaints import Complaints

FOLDER: Final = "/proc/self/fd"
"""The open files of this process, by their numbers. Linux has it."""

DESCRIPTORS_PER_S_MAX: Final = 5000
"""Open files that are looked at, those of all listeners: about one hundredth of a processor. With more of them it takes
longer than a second until connections are counted."""

SLICE: Final = 200
"""Open files that are looked at in one turn of the loop: less than a millisecond."""

_MAPPED: Final = "::ffff:"
"""Begins an IPv4 address where the socket is one of IPv6."""
_EVERY: Final = ("0.0.0.0", "::")

_WHY: Final = {
    Refused.ADDRESS: "its address has as many connections as one may have",
    Refused.NETWORK: "its network may not connect",
}


class Connections:
    """Of one listener.

    Args:
        name: the listener's.
        door: who may come in.
        counters: the listener's.
        report: the operational log.
    """

    def __init__(self, name: str, door: Door, counters: Counters, report: Report) -> None:
        self.bound: set[tuple[str, int]] = set()
        """Where the listener accepts connections: address and port."""
        self.door_changed = False
        """Those that are in may have to go."""
        self._name = name
        self._door = door
        self._counters = counters
        self._report = report
        self._turned_away = Complaints(name, report, "connections were turned away")
        self._known: dict[int, str | None] = {}
        """Each socket of the process by its inode: the address, if it is a connection of ours that may stay."""
        self._due_at = 0.0
        self._blind = False

    def sweep(self, now: float) -> Iterator[None]:
        """Look at what is open, a step for each `SLICE`; nothing if it is too early. `now`: seconds, monotonic."""
        self._turned_away.flush_due(now)
        if self._blind or now < self._due_at:
            return
        door_changed, self.door_changed = self.door_changed, False
        here: set[int] = set()
        number = 0
        for number, descriptor in enumerate(self._descriptors(), 1):
            if number % SLICE == 0:
                yield
            inode = _socket_inode(descriptor)
            if inode is None:
                continue
            here.add(inode)
            if inode not in self._known:
                self._known[inode] = self._meet(descriptor)
            elif door_changed and (address := self._known[inode]) and not self._door.welcomes(address):
                self._cut_off(descriptor, address)
        for inode in self._known.keys() - here:
            if address := self._known.pop(inode):
                self._door.leave(address)
        self._counters.connections_open = self._door.open_now.total()
        self._due_at = now + number / DESCRIPTORS_PER_S_MAX

    def _descriptors(self) -> Iterator[int]:
        try:
            with os.scandir(FOLDER) as entries:
                yield from (int(entry.name) for entry in entries)
        except OSError as error:
            self._blind = True
            self._report(
                "warning",
                f"{self._name}: can't read {FOLDER} ({error.strerror}): connections are neither counted "
                "nor limited by address",
            )

    def _meet(self, descriptor: int) -> str | None:
        """Look at a socket for the first time: the address of a connection of ours that may stay."""
        try:
            with _duplicate(descriptor) as one:
                if not self._is_ours(one):
                    return None
                address: str = one.getpeername()[0].removeprefix(_MAPPED)
                if (refused := self._door.enter(address)) is None:
                    self._counters.accepted(self._door.open_now.total())
                    return address
                self._turn_away(one, address, refused)
        except OSError:  # closed since, or not connected
            pass
        return None

    def _cut_off(self, descriptor: int, address: str) -> None:
        """End a connection whose network is no longer welcome. It leaves when it is gone."""
        with contextlib.suppress(OSError), _duplicate(descriptor) as one:
            if self._is_ours(one):
                self._turn_away(one, address, Refused.NETWORK)

    def _turn_away(self, one: socket.socket, address: str, refused: Refused) -> None:
        self._counters.turned_away(refused)
        self._turned_away.tell(f"{address} turned away: {_WHY[refused]}")
        one.shutdown(socket.SHUT_RDWR)

    def _is_ours(self, one: socket.socket) -> bool:
        if one.family not in (socket.AF_INET, socket.AF_INET6):
            return False
        host, port = one.getsockname()[:2]
        return any((address, port) in self.bound for address in (host.removeprefix(_MAPPED), *_EVERY))


def _socket_inode(descriptor: int) -> int | None:
    """What tells a socket from all others; None: it is no socket, or closed since."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return None
    return status.st_ino if stat.S_ISSOCK(status.st_mode) else None


def _duplicate(descriptor: int) -> socket.socket:
    """The same socket, under a number that nobody else closes. Raises `OSError`."""
    copy = os.dup(descriptor)
    try:
        return socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        raise
