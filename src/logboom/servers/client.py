"""Listener of a receiver that connects outwards: it binds nothing, and its client runs under supervision."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final

from logboom.errors import ListenerError
from logboom.model import Source
from logboom.pipeline.inlet import AwaitedInlet
from logboom.receivers.outward import ClientReceiver
from logboom.servers.listener import ListenerContext
from logboom.settings import ReceiverSettings

DETAIL_CHARS_MAX: Final = 200
"""Characters of an error of the client in the operational log."""


class ClientListener:
    """One configured listener; see `servers.listener.Listener`.

    Args:
        context: its settings, and the parts of the app that it works with.
        make: returns the receiver's client.
    """

    def __init__(
        self, context: ListenerContext[ReceiverSettings], make: Callable[[Any], ClientReceiver]
    ) -> None:
        self.name = context.name
        self.intake = context.intake
        self.ports: list[int] = []
        self._context = context
        self._make = make
        self._settings = context.settings
        self._client: ClientReceiver | None = None
        self._running: asyncio.Task[None] | None = None
        self._inlet: AwaitedInlet | None = None

    async def start(self) -> None:
        """Make the client; it connects in `run`."""
        client = self._client = self._make(self._settings)
        source = Source(self.name, client.address)
        self._inlet = AwaitedInlet(self.intake, self._context.turns, source)
        self.intake.counters.started()
        self._context.report("listening", f"{self.name} receives from {client.address}")

    async def run(self) -> None:
        """Run the client until it ends.

        Raises:
            ListenerError: it has ended; the supervisor starts it again after a pause.
        """
        client, inlet = self._client, self._inlet
        if client is None or inlet is None:
            raise ListenerError(f"{self.name} was not started")
        self._running = asyncio.create_task(client.run(inlet, self._context.report))
        try:
            await self._running
        except (OSError, EOFError, ValueError) as error:
            detail = " ".join(str(error).split())[:DETAIL_CHARS_MAX]
            raise ListenerError(f"{self.name}: {client.address}: {detail or type(error).__name__}") from error
        finally:
            self.stop()
        raise ListenerError(f"{self.name}: {client.address} has ended the connection")

    def stop(self) -> None:
        """End the client. Idempotent."""
        if self._running is not None:
            self._running.cancel()

    async def drain(self, deadline_s: float) -> None:
        """Wait until what was submitted is stored, for `deadline_s` at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                if self._running is not None:
                    await asyncio.gather(self._running, return_exceptions=True)
                if self._inlet is not None:
                    await self._inlet.settled()

    def configure(self, settings: ReceiverSettings) -> None:
        """Take over settings; they count from the client's next start."""
        self._settings = settings

    def journal_advanced(self) -> None:
        """See `Listener`: the inlet waits."""
