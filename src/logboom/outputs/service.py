"""What follows the journal on a thread of its own, as a service that the event loop can supervise."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from logboom.outputs.runner import OutputRunner

Ended = Callable[[Exception | None], None]
"""Told at the end of a thread, on it, what it died of; None: it was stopped."""


class ThreadService:
    """Starts a thread, and tells the event loop when it has ended.

    Args:
        name: of the service.
        begin: starts the thread, or another one after the first has died.
    """

    def __init__(self, name: str, begin: Callable[[Ended], None]) -> None:
        self.name = name
        self._begin = begin
        self._ended: asyncio.Future[None] | None = None

    async def start(self) -> None:
        """Start the thread."""
        loop = asyncio.get_running_loop()
        future = self._ended = loop.create_future()

        def ended(error: Exception | None) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody asks any more
                loop.call_soon_threadsafe(_settle, future, error)

        self._begin(ended)

    async def run(self) -> None:
        """Until the thread ends; raises what it died of."""
        if self._ended is not None:
            await self._ended

    def stop(self) -> None:
        """Nothing is left of a thread that has died; who began it ends one that lives."""


class OutputService(ThreadService):
    """An output's runner."""

    def __init__(self, runner: OutputRunner) -> None:
        super().__init__(runner.name, runner.start)
        self.runner = runner


def _settle(future: asyncio.Future[None], error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
