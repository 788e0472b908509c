"""The whole server in the test's own process and event loop, on free ports."""

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import uvloop

from logboom.app import App
from logboom.config import parse
from logboom.journal.disk import Disk
from logboom.ops.oplog import OperationalLog

Result = TypeVar("Result")

SCENARIO_S_MAX: Final = 60.0
"""A scenario that takes longer waits for something that will not come."""


def run_scenario(scenario: Coroutine[Any, Any, Result]) -> Result:
    """Run a test's coroutine on the loop that the server uses."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(asyncio.wait_for(scenario, SCENARIO_S_MAX))


async def until(done: Callable[[], bool]) -> None:
    """Let the server, and its threads, go on until something is so."""
    while not done():  # noqa: ASYNC110 - there is no event to wait for, and the scenario has a limit
        await asyncio.sleep(0.005)


class HasApp(Protocol):
    """A test's own server."""

    app: App


Server = TypeVar("Server", bound=HasApp)


def run_server(server: Server, scenario: Callable[[Server], Awaitable[None]]) -> Server:
    """Run a scenario between a server's start and its stop."""

    async def main() -> None:
        await server.app.start()
        try:
            await scenario(server)
        finally:
            await server.app.stop()

    run_scenario(main())
    return server


class FailingDisk(Disk):
    """Disk that fails on request."""

    def __init__(self) -> None:
        self.failing = False

    def write(self, descriptor: int, data: bytes) -> None:
        """See `Disk`."""
        if self.failing:
            raise OSError(28, "no space, says the test")
        super().write(descriptor, data)


@asynccontextmanager
async def running_app(
    data_dir: Path,
    protocol: str = "http",
    *,
    disk: Disk | None = None,
    log: io.StringIO | None = None,
    **listener: Any,
) -> AsyncIterator[App]:
    """An app with one listener on 127.0.0.1, started; stopped at the end.

    Args:
        data_dir: its data directory.
        protocol: what the listener speaks; it is its name, too.
        disk: the journal's disk.
        log: gets the operational log.
        listener: further settings of the listener.
    """
    table = {
        "data_dir": str(data_dir),
        "listeners": {protocol: {"protocol": protocol, "host": "127.0.0.1", "port": 0, **listener}},
    }
    app = App(parse(table), OperationalLog(stream=log or io.StringIO()), disk)
    await app.start()
    try:
        yield app
    finally:
        await app.stop()


def port_of(app: App) -> int:
    """The port of an app's only listener."""
    [supervised] = app.listeners.values()
    return supervised.service.ports[0]


def journal_lines(data_dir: Path) -> list[bytes]:
    """Every line of the journal, in order, without newlines."""
    paths = sorted((data_dir / "journal").glob("*.jsonl"))
    return [line for path in paths for line in path.read_bytes().split(b"\n")[:-1]]
