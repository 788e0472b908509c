"""Answers that wait for clients which do not take them: bounded in bytes over all connections, and in time."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

UNREAD_S_MAX: Final = 60.0
"""A client that takes nothing of what waits for it is disconnected after this long, seconds."""

UNREAD_BYTES_MAX: Final = 64 << 20
"""Bytes that may wait over all connections of a listener: four pages of entries of the largest size."""

UNREAD_FREE_BYTES: Final = 64 << 10
"""Bytes that may wait for one connection whatever waits for others: more than most answers have."""

GRACE_S: Final = 10.0
"""A client may take this long before its answer counts as one that hinders others, seconds: a page over 7 Mbit/s."""


class BufferedTransport(Protocol):
    """The parts of a connection's transport that are used here."""

    def get_write_buffer_size(self) -> int:
        """See `asyncio.WriteTransport`."""

    def get_extra_info(self, name: str, default: Any = None, /) -> Any:
        """See `asyncio.BaseTransport`."""


class Connection(Protocol):
    """A connection for which answers wait."""

    @property
    def transport(self) -> BufferedTransport | None:
        """The transport that they are written to; None: it is gone."""


C = TypeVar("C", bound=Connection)


class _Waiting(NamedTuple):
    size: int
    """Bytes that wait."""
    since: float
    """The moment when the client last took some of it, seconds."""
    begun: float
    """The moment since which something has been waiting all the time, seconds."""
    address: str


class Unread(Generic[C]):
    """The answers that wait, of one listener. Belongs to the event loop.

    Args:
        connections: all, also those that are closed once they have taken what waits.
        cut_off: ends a connection, with the reason.
        clock: of the loop, seconds.
    """

    def __init__(
        self,
        connections: Callable[[], Iterable[C]],
        cut_off: Callable[[C, str], None],
        clock: Callable[[], float],
    ) -> None:
        self._connections = connections
        self._cut_off = cut_off
        self._clock = clock
        self._waiting: dict[C, _Waiting] = {}

    def sweep(self) -> None:
        """End connections that take nothing for too long, or hold too much. Called about once per second."""
        self._look()
        now = self._clock()
        stalled = [one for one, waiting in self._waiting.items() if now - waiting.since > UNREAD_S_MAX]
        for connection in stalled:
            self._end(connection, f"took nothing of what waits for it for {UNREAD_S_MAX:.0f} s")
        self._make_room(0)

    def has_room(self, size: int) -> bool:
        """Return whether an answer of `size` bytes may be written; slow clients are cut off for it if necessary."""
        self._look()
        return self._make_room(size)

    def _look(self) -> None:
        """Look at what waits now."""
        now, before, found = self._clock(), self._waiting, dict[C, _Waiting]()
        for connection in self._connections():
            transport = connection.transport
            size = transport.get_write_buffer_size() if transport is not None else 0
            if transport is None or not size:
                continue
            last = before.get(connection)
            if last is None:
                address = transport.get_extra_info("peername")
                found[connection] = _Waiting(size, now, now, address[0] if address else "")
            else:
                since = now if size < last.size else last.since
                found[connection] = last._replace(size=size, since=since)
        self._waiting = found

    def _make_room(self, size: int) -> bool:
        """Return whether `size` more bytes may wait. The address that holds most loses what hinders others."""
        total = sum(one.size for one in self._waiting.values())
        if total + size <= UNREAD_BYTES_MAX:
            return True
        for connection, waiting in self._hindering():
            self._end(connection, "takes its answers too slowly while others wait")
            total -= waiting.size
            if total + size <= UNREAD_BYTES_MAX:
                return True
        return False

    def _hindering(self) -> list[tuple[C, _Waiting]]:
        """The connections of the address that holds most, but for those that hold little, or only began."""
        held: Counter[str] = Counter()
        for one in self._waiting.values():
            held[one.address] += one.size
        worst = max(held, key=lambda address: held[address], default="")
        latest = self._clock() - GRACE_S
        found = [
            (connection, one)
            for connection, one in self._waiting.items()
            if one.address == worst and one.size > UNREAD_FREE_BYTES and one.begun <= latest
        ]
        return sorted(found, key=lambda pair: pair[1].begun)

    def _end(self, connection: C, why: str) -> None:
        del self._waiting[connection]
        self._cut_off(connection, why)
