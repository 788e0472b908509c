"""An output's runner as a service that the event loop can supervise."""

import asyncio
from contextlib import suppress

from logboom.outputs.runner import OutputRunner


class OutputService:
    """Starts the runner's thread, and tells the event loop when it has died."""

    def __init__(self, runner: OutputRunner) -> None:
        self.name = runner.name
        self.runner = runner
        self._ended: asyncio.Future[None] | None = None

    async def start(self) -> None:
        """Start the thread."""
        loop = asyncio.get_running_loop()
        future = self._ended = loop.create_future()

        def ended(error: Exception | None) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody asks any more
                loop.call_soon_threadsafe(_settle, future, error)

        self.runner.start(ended)

    async def run(self) -> None:
        """Until the thread ends; raises what it died of."""
        if self._ended is not None:
            await self._ended

    def stop(self) -> None:
        """Nothing is left of a thread that has died; `OutputRunner.stop` ends one that lives."""


def _settle(future: asyncio.Future[None], error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
