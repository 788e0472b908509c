"""Services that run on their own thread, and are supervised by the event loop."""

import asyncio
import threading
from abc import abstractmethod
from collections.abc import Callable
from contextlib import suppress

from logboom.outputs.runner import OutputRunner

Ended = Callable[[Exception | None], None]
"""Called on a thread at its end, with its unexpected error or None after a stop."""


class ThreadService:
    """Service that runs on a thread, and notifies the event loop at its end.

    Args:
        name: name of the service.
        begin: starts the thread, or a new one after the first has failed.
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
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(_settle, future, error)

        self._begin(ended)

    async def run(self) -> None:
        """Wait for the end of the thread; raises its unexpected error."""
        if self._ended is not None:
            await self._ended

    def stop(self) -> None:
        """Do nothing: a failed thread has ended, and a running one is stopped by its owner."""


class Worker(ThreadService):
    """Service with a thread of its own, which works until `close`.

    Args:
        name: name of the service and of its thread.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name, self._begin_thread)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @abstractmethod
    def work(self) -> None:
        """Work on the thread until `_stopping` is set. An error ends the thread, and the supervisor starts another."""

    def close(self, deadline_s: float) -> None:
        """End the thread, for `deadline_s` at most. Idempotent."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(deadline_s)
            self._thread = None

    def _begin_thread(self, ended: Ended) -> None:
        self._thread = threading.Thread(target=self._run, args=(ended,), name=self.name, daemon=True)
        self._thread.start()

    def _run(self, ended: Ended) -> None:
        death: Exception | None = None
        try:
            self.work()
        except Exception as error:  # noqa: BLE001 - a defect: the supervisor logs it
            death = error
        ended(death)


class OutputService(ThreadService):
    """Service of an output's runner."""

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
