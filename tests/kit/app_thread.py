"""The whole server inside the test's process, on a thread of its own: for faults that need a hand inside."""

import asyncio
import io
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from logboom.app import App
from logboom.config import load
from logboom.journal.disk import Disk
from logboom.ops.oplog import OperationalLog
from tests.kit.app_kit import until

START_S_MAX = 30.0


class AppThread:
    """An `App` with its own event loop.

    Args:
        data_dir: its data directory.
        listeners: the names of the listeners to start, each on a free port of 127.0.0.1.
        disk: the journal's disk; None: the real one.
        settings: further settings, shaped like the TOML file.
    """

    def __init__(
        self,
        data_dir: Path,
        listeners: tuple[str, ...] = ("device",),
        disk: Disk | None = None,
        settings: dict[str, Any] | None = None,
    ) -> None:
        table: dict[str, Any] = {"data_dir": str(data_dir), "only": list(listeners), **(settings or {})}
        sections = table.setdefault("listeners", {})
        for name in listeners:
            section = sections.setdefault(name, {})
            if "broker_port" not in section:  # one that connects outwards has no port of its own
                section.update({"host": "127.0.0.1", "port": 0})
        self._settings = load(environment={}, flags=table)
        self._disk = disk
        self.log = io.StringIO()
        """The operational log as text."""
        self._started = threading.Event()
        self._trouble: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.app = App(self._settings, OperationalLog(stream=self.log), self._disk)
        try:
            await self.app.start()
        except BaseException as error:  # noqa: BLE001 - it is raised on the test's thread
            self._trouble = error
            self._started.set()
            return
        listeners = self.app.listeners.items()
        self._ports = {name: one.service.ports[0] for name, one in listeners if one.service.ports}
        self._started.set()
        await self.app.stopping.wait()
        await self.app.stop()

    def port(self, listener: str) -> int:
        """The port that a listener was given; stays known after its end."""
        return self._ports[listener]

    def call(self, function: Any, *arguments: Any) -> Any:
        """Run a function on the server's loop, and bring back what it returns."""

        async def run() -> Any:
            return function(*arguments)

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(START_S_MAX)

    def until(self, done: Callable[[], bool]) -> None:
        """Wait until `done`, which is called on the server's loop. Raises `TimeoutError` after `START_S_MAX`."""
        waiting = asyncio.wait_for(until(done), START_S_MAX)
        asyncio.run_coroutine_threadsafe(waiting, self._loop).result()

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._started.wait(START_S_MAX):
            raise AssertionError("the app did not start")
        if self._trouble is not None:
            raise self._trouble
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self.app.stopping.set)
        self._thread.join(START_S_MAX)
