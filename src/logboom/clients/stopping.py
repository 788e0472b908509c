"""Clients that run until somebody stops them."""

import asyncio
import signal
from collections.abc import Coroutine

from logboom.clients.running import run


def run_until_stopped(main: Coroutine[object, object, object]) -> bool:
    """Run to the end, or until Ctrl-C or SIGTERM; returns whether it was one of those. The coroutine cleans up."""
    try:
        return run(_stoppable(main))
    except KeyboardInterrupt:
        return True


async def _stoppable(main: Coroutine[object, object, object]) -> bool:
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(main)
    stopped = asyncio.Event()

    def stop() -> None:
        stopped.set()
        task.cancel()

    loop.add_signal_handler(signal.SIGTERM, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not stopped.is_set():
            raise
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
    return stopped.is_set()
