"""Running a client's coroutine from a plain function."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import TypeVar

T = TypeVar("T")


def run(main: Coroutine[object, object, T]) -> T:
    """Run to the end, on uvloop where it is installed.

    Raises:
        KeyboardInterrupt: the user pressed Ctrl-C; the coroutine was cancelled and has cleaned up.
    """
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(main)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Uvloop's loop; None where it does not exist: asyncio's own does the same, slower."""
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ImportError:
        return None
    return uvloop.new_event_loop
