"""Keeps listeners and outputs alive: one that dies is started again, with back-off."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Generic, Protocol, TypeVar

from logboom.model import Report

BACKOFF_FIRST_S: Final = 0.5
BACKOFF_LAST_S: Final = 30.0
"""A port that is taken for a moment is back soon; one that is gone is not worth a core."""


class Service(Protocol):
    """What can be supervised."""

    name: str

    async def start(self) -> None:
        """Start working. Raises when it can't."""

    async def run(self) -> None:
        """Return or raise only when it has died."""

    def stop(self) -> None:
        """Let go of what a start takes. Idempotent."""


ServiceT_co = TypeVar("ServiceT_co", bound=Service, covariant=True)


class Supervised(Generic[ServiceT_co]):
    """One service and its state, as health shows it.

    Args:
        service: what is kept alive.
        kind: what people call it: `listener` or `output`.
    """

    def __init__(self, service: ServiceT_co, kind: str = "listener") -> None:
        self._service = service
        self.kind = kind
        self.alive = False
        self.restarts = 0
        self.trouble: str | None = None
        """What it died of; None while it lives."""

    @property
    def service(self) -> ServiceT_co:
        """What is kept alive."""
        return self._service


async def supervise(
    supervised: Supervised[Service],
    report: Report,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Run a service that was started, for ever: whatever ends it, start it again. Ends by cancellation.

    The back-off starts anew for one that has lived for longer than the longest pause: a death at each start
    is one trouble, however often it starts.
    """
    service, name = supervised.service, f"{supervised.kind} {supervised.service.name}"
    supervised.alive = True
    backoff_s, started_at = BACKOFF_FIRST_S, clock()
    while True:
        try:
            if not supervised.alive:
                await service.start()
                supervised.alive, supervised.trouble, started_at = True, None, clock()
            await service.run()
            raise RuntimeError("ended by itself")  # noqa: TRY301 - the same road as any other death
        except Exception as error:  # noqa: BLE001 - whatever it died of, it is started again
            died = supervised.alive
            supervised.alive, supervised.trouble = False, _describe(error)
            supervised.restarts += 1
            with suppress(Exception):  # what is dead already can't be asked for more
                service.stop()
            if died and clock() - started_at > BACKOFF_LAST_S:
                backoff_s = BACKOFF_FIRST_S
            report(
                "fatal" if died else "error",
                f"{name} {'died' if died else 'does not start'}: {supervised.trouble}",
            )
            report("restarting", f"{name} starts again in {backoff_s:g} s")
            await sleep(backoff_s)
            backoff_s = min(backoff_s * 2, BACKOFF_LAST_S)


def _describe(error: Exception) -> str:
    """Text of an error; with its type where the text alone says little."""
    text = str(error)
    known = isinstance(error, OSError) or type(error).__module__.startswith("logboom.")
    return text if known or str(error) == "ended by itself" else f"{type(error).__name__}: {text}"
