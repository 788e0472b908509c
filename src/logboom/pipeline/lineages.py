"""Lineages: the connections that surely come from one sender, although it has no name.

A device that loses its connection makes another one. Behind one address there may be several devices, so a connection
continues the lineage of one that has ended, and never that of one that is still open.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

PLACES_MAX: Final = 20_000
"""Addresses with ended connections that are remembered: twice as many as a large fleet has."""

ENDED_MAX: Final = 16
"""Ended connections per address: those of a house behind one router. Together with `PLACES_MAX` some 10 MB."""

NONE: Final = 0
"""No lineage: a transport without connections."""


@dataclass(slots=True)
class _Connected:
    """Time of a connection, seconds since the epoch."""

    lineage: int
    began: float
    ended: float | None = None
    """None: it is open."""


class Lineages:
    """Numbers the lineages of all listeners, and remembers when their connections were there. Used on the event loop.

    Args:
        wall: seconds since the epoch.
    """

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._newest = NONE
        self._ended: dict[tuple[str, str], deque[int]] = {}
        self._wall = wall
        self._times: dict[tuple[str, str], deque[_Connected]] = {}
        """Times of the last connections, with the bounds of `_ended`."""

    def begin(self, listener: str, address: str) -> int:
        """Return the lineage of a connection that has sent its first bytes.

        It continues the one from that address that has ended last, and that no other connection has continued.
        """
        ended = self._ended.get((listener, address))
        lineage = ended.pop() if ended else self._next()
        place = (listener, address)
        if place not in self._times and len(self._times) >= PLACES_MAX:
            del self._times[next(iter(self._times))]
        self._times.setdefault(place, deque(maxlen=ENDED_MAX)).append(_Connected(lineage, self._wall()))
        return lineage

    def was_connected(self, listener: str, address: str, since: float, until: float) -> bool | None:
        """Return whether one connection from an address lasted through a time; None: not known. Any thread may ask.

        Args:
            listener: that it was to.
            address: of the device.
            since: seconds since the epoch.
            until: the same.
        """
        known = [*self._times.get((listener, address), ())]
        if any(one.began <= since and (one.ended is None or one.ended >= until) for one in known):
            return True
        return False if any(one.ended is not None and since <= one.ended <= until for one in known) else None

    def end(self, listener: str, address: str, lineage: int) -> None:
        """Note that a connection sends no more. Idempotent."""
        place = (listener, address)
        ended = self._ended.get(place)
        if ended is None:
            if len(self._ended) >= PLACES_MAX:
                del self._ended[next(iter(self._ended))]
            ended = self._ended[place] = deque(maxlen=ENDED_MAX)
        if lineage not in ended:
            ended.append(lineage)
        for one in self._times.get(place, ()):
            if one.lineage == lineage and one.ended is None:
                one.ended = self._wall()

    def restored(self, listener: str, address: str) -> int:
        """Return the lineage of what came from an address before the server's start."""
        ended = self._ended.get((listener, address))
        if ended:
            return ended[-1]
        lineage = self._next()
        self.end(listener, address, lineage)
        return lineage

    def _next(self) -> int:
        self._newest += 1
        return self._newest
