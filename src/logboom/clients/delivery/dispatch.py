"""Deliveries from a spool while its reader goes on filling it."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Final

from logboom.clients.delivery.shipping import Shipper
from logboom.clients.delivery.spool import Spool
from logboom.clients.wire.dialect import Say

PARTING_S: Final = 1.0
"""Time for the answers to lines that are on their way when the command is stopped: else they are sent again."""
ADOPT_INTERVAL_S: Final = 1.0
"""Interval of the search for lines of commands that have ended meanwhile."""


class Dispatch:
    """Delivers what is in a spool. All methods belong to one event loop.

    Args:
        spool: is filled by a reader.
        shipper: delivers.
        say: reports to the user.
    """

    def __init__(self, spool: Spool, shipper: Shipper, say: Say) -> None:
        self._spool = spool
        self._shipper = shipper
        self._outgoing = shipper.outgoing(spool)
        self._say = say
        self._news = asyncio.Event()
        self._stops = False
        self._read_to_end = False
        self.room = asyncio.Event()
        """Set when something was delivered."""

    def wake(self) -> None:
        """Look at the spool: something was appended."""
        self._news.set()

    async def run(self, reading: Coroutine[object, object, None]) -> None:
        """Read and deliver; returns when the reader has ended and everything is delivered.

        When it is cancelled, the exchange that is on its way may come to its end, and the rest stays in the spool.

        Raises:
            ConnectFailedError: the server can't be reached.
            Exception: what the reader has raised.
        """
        tasks = [asyncio.create_task(self._deliver_always()), asyncio.create_task(reading)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if tasks[1].done():
                tasks[1].result()
                self._read_to_end = True
                self._news.set()
            await tasks[0]
        finally:
            await self._end(tasks)

    async def _end(self, tasks: list["asyncio.Task[None]"]) -> None:
        self._stops = True
        self._news.set()
        tasks[1].cancel()
        if self._shipper.connected:
            await asyncio.wait(tasks[:1], timeout=PARTING_S)
        tasks[0].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(OSError):
            await self._shipper.close()

    async def _deliver_always(self) -> None:
        while not self._stops:
            self._news.clear()
            ends = self._read_to_end
            try:
                count = await self._outgoing.deliver_some()
            except OSError as error:
                self._say(f"❌ {self._spool.folder}: {error}; a file of it is left out")
                self._spool.skip()
                continue
            self._shipper.say_refusals()
            self.room.set()
            if count or self._spool.adopt():
                continue
            if ends:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(ADOPT_INTERVAL_S):
                    await self._news.wait()
