"""The `http` listener: sockets, and aiohttp behind them. What it serves is in `logboom.web`."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, cast

from logboom.pipeline.door import Refused
from logboom.receivers.http import HttpSettings
from logboom.receivers.http_push import HttpRoute
from logboom.servers.http_front import HttpFront, address_of
from logboom.servers.listener import ListenerContext
from logboom.servers.sockets import Sockets

SWEEP_INTERVAL_S: Final = 1.0


class HttpListener:
    """One configured listener of protocol `http`.

    Args:
        context: its settings, and the parts of the app that it works with.
        make: returns the receiver's routes.
    """

    def __init__(
        self, context: ListenerContext[HttpSettings], make: Callable[[HttpSettings], Sequence[HttpRoute]]
    ) -> None:
        self.name = context.name
        self.intake = context.intake
        self._sockets = Sockets(context)
        self.ports = self._sockets.ports
        self._report = context.report
        self._door = self._sockets.door
        self.front = HttpFront(context, context.settings, make(context.settings), self._left)

    async def start(self) -> None:
        """Bind and accept.

        Raises:
            ListenerError: an address can't be bound; the text says which, why, and what to do.
            ConfigError: a certificate can't be used.
        """
        await self.front.prepare()
        for address in await self._sockets.open(self._accept):
            self._report("listening", f"{self.name} listening on {address}")

    def _accept(self) -> asyncio.Protocol:
        """Return the protocol of a new connection, or one that turns it away when there are too many."""
        if self.front.open_count >= self._sockets.connections_max:
            self.intake.counters.turned_away(Refused.FULL)
            return _TurnedAway()
        return _AtTheDoor(self._enter, self.front.adopt)

    def _enter(self, transport: asyncio.Transport) -> bool:
        """Return whether a new connection may stay."""
        counters = self.intake.counters
        refused = self._door.enter(address_of(transport))
        if refused is not None:
            counters.turned_away(refused)
            return False
        counters.accepted(self.front.open_count + 1)
        return True

    def _left(self, address: str) -> None:
        """A connection that was let in is gone."""
        self._door.leave(address)
        self.intake.counters.connections_open = self.front.open_count

    async def run(self) -> None:
        """Watch over the connections until the listener dies.

        Raises:
            ListenerError: a socket is no longer accepting.
        """
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_INTERVAL_S)
            self.front.look_after(loop.time(), self._door.welcomes)
            self._sockets.look_after(loop.time())

    def stop(self) -> None:
        """Accept no more; connections go on. Idempotent."""
        self._sockets.stop()

    async def drain(self, deadline_s: float) -> None:
        """Answer what was received, for `deadline_s` at most, then close everything. Idempotent."""
        await self.front.drain(deadline_s)

    def configure(self, settings: HttpSettings) -> None:
        """Take over limits; lengths count for new connections."""
        self._sockets.configure(settings)
        self.front.configure(settings)

    def journal_advanced(self) -> None:
        """The journal has committed something."""
        self.front.journal_advanced()


class _AtTheDoor(asyncio.Protocol):
    """A new connection whose address is looked at before aiohttp gets it."""

    def __init__(
        self, enter: Callable[[asyncio.Transport], bool], adopt: Callable[[asyncio.Transport], None]
    ) -> None:
        self._enter = enter
        self._adopt = adopt

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hand it on, or close it at once."""
        accepted = cast("asyncio.Transport", transport)
        if self._enter(accepted):
            self._adopt(accepted)
        else:
            accepted.abort()


class _TurnedAway(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Close it at once."""
        cast("asyncio.Transport", transport).abort()
