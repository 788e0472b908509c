"""Event loop of a command: runs a coroutine to its end, or until the user stops it."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import TypeVar

T = TypeVar("T")


def run(main: Coroutine[object, object, T]) -> T:
    """Run a coroutine to its end, on uvloop where it is installed.

    Raises:
        KeyboardInterrupt: the user pressed Ctrl-C; the coroutine was cancelled and has cleaned up.
    """
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(main)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's factory, or None where it is not installed: asyncio's own loop does the same, slower."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def run_until_stopped(main: Coroutine[object, object, object]) -> bool:
    """Run a coroutine to its end or until Ctrl-C or SIGTERM, which cancel it. Returns True when it was stopped."""
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
