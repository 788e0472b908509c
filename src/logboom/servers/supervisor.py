"""Keeps listeners alive: one that dies is started again, with back-off."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from logboom.model import Report
from logboom.servers.listener import Listener

BACKOFF_FIRST_S: Final = 0.5
BACKOFF_LAST_S: Final = 30.0
"""A port that is taken for a moment is back soon; one that is gone is not worth a core."""


class Supervised:
    """One listener and its state, as health shows it."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.alive = False
        self.restarts = 0
        self.trouble: str | None = None


async def supervise(
    supervised: Supervised,
    report: Report,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Run a listener that was started, for ever: whatever ends it, start it again. Ends by cancellation."""
    listener = supervised.listener
    supervised.alive = True
    backoff_s = BACKOFF_FIRST_S
    while True:
        try:
            if not supervised.alive:
                await listener.start()
                supervised.alive, supervised.trouble, backoff_s = True, None, BACKOFF_FIRST_S
            await listener.run()
            raise RuntimeError("ended by itself")  # noqa: TRY301 - the same road as any other death
        except Exception as error:  # noqa: BLE001 - whatever it died of, it is started again
            supervised.alive, supervised.trouble = False, str(error)
            supervised.restarts += 1
            listener.stop()
            report("error", f"listener {listener.name}: {error}")
            report("restarting", f"listener {listener.name} starts again in {backoff_s:g} s")
            await sleep(backoff_s)
            backoff_s = min(backoff_s * 2, BACKOFF_LAST_S)
