"""Lineages: the connections that surely come from one sender, although it has no name.

A device that loses its connection makes another one. Behind one address there may be several devices, so a connection
continues the lineage of one that has ended, and never that of one that is still open.
"""

from collections import deque
from typing import Final

PLACES_MAX: Final = 20_000
"""Addresses with ended connections that are remembered: twice as many as a large fleet has."""

ENDED_MAX: Final = 16
"""Ended connections per address: those of a house behind one router. Together with `PLACES_MAX` some 10 MB."""

NONE: Final = 0
"""No lineage: a transport without connections."""


class Lineages:
    """Numbers the lineages of all listeners. Used on the event loop."""

    def __init__(self) -> None:
        self._newest = NONE
        self._ended: dict[tuple[str, str], deque[int]] = {}

    def begin(self, listener: str, address: str) -> int:
        """Return the lineage of a connection that has sent its first bytes.

        It continues the one from that address that has ended last, and that no other connection has continued.
        """
        ended = self._ended.get((listener, address))
        if ended:
            return ended.pop()
        return self._next()

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
