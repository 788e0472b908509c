"""Supervision of listeners and outputs: a service that fails is restarted with back-off."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Generic, Protocol, TypeVar

from logboom.model import Report

BACKOFF_FIRST_S: Final = 0.5
BACKOFF_LAST_S: Final = 30.0
"""Delay before a restart: short at first, for a port that is in use for a moment; a lasting failure must not use a
whole core."""


class Service(Protocol):
    """A service that can be supervised."""

    name: str

    async def start(self) -> None:
        """Start the service. Raises an error on failure."""

    async def run(self) -> None:
        """Run until the service fails; returns or raises only then."""

    def stop(self) -> None:
        """Release the resources of `start`. Idempotent."""


_ENDED: Final = "ended unexpectedly"

ServiceT_co = TypeVar("ServiceT_co", bound=Service, covariant=True)


class Supervised(Generic[ServiceT_co]):
    """A supervised service and its state for health.

    Args:
        service: the service.
        kind: its kind in texts: `listener` or `output`.
    """

    def __init__(self, service: ServiceT_co, kind: str = "listener") -> None:
        self._service = service
        self.kind = kind
        self.alive = False
        self.restarts = 0
        self.trouble: str | None = None
        """Error of the last failure; None while the service runs."""

    @property
    def service(self) -> ServiceT_co:
        """The service."""
        return self._service


async def supervise(
    supervised: Supervised[Service],
    report: Report,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Run a started service, and restart it after each failure, until cancelled.

    The back-off is reset after the service has run for longer than the longest delay.
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
            raise RuntimeError(_ENDED)  # noqa: TRY301 - handled like any other failure
        except Exception as error:  # noqa: BLE001 - restarted after any error
            died = supervised.alive
            supervised.alive, supervised.trouble = False, _describe(error)
            supervised.restarts += 1
            with suppress(Exception):  # it has failed already
                service.stop()
            if died and clock() - started_at > BACKOFF_LAST_S:
                backoff_s = BACKOFF_FIRST_S
            report(
                "fatal" if died else "error",
                f"{name} {'died' if died else 'does not start'}: {supervised.trouble}",
            )
            report("restarting", f"{name} restarts in {backoff_s:g} s")
            await sleep(backoff_s)
            backoff_s = min(backoff_s * 2, BACKOFF_LAST_S)


def _describe(error: Exception) -> str:
    """Text of an error; with its type if the text alone is not clear."""
    text = str(error)
    known = isinstance(error, OSError) or type(error).__module__.startswith("logboom.")
    return text if known or text == _ENDED else f"{type(error).__name__}: {text}"
