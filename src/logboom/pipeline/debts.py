"""Senders that wait until their address may send again: one queue and one timer per address."""

import asyncio
from collections.abc import Callable
from typing import Final

from logboom.pipeline.throttle import Throttle

LOOK_S_MIN: Final = 0.001
"""Shortest time between two looks at a debt: the loop's clock has milliseconds."""


class Debts:
    """The queues of addresses that have sent faster than their limit. Belongs to the event loop.

    Senders of one address are woken one after the other: each looks at the debt that the one before has left.

    Args:
        throttle: returns the limits in force; None: there are none.
    """

    def __init__(self, throttle: Callable[[], Throttle | None]) -> None:
        self._throttle = throttle
        self._waiting: dict[str, dict[Callable[[], None], None]] = {}

    def __len__(self) -> int:
        """Number of senders that wait."""
        return sum(map(len, self._waiting.values()))

    def owes(self, address: str) -> bool:
        """Return True while nothing more of an address is to be taken."""
        throttle = self._throttle()
        return throttle is not None and throttle.debt_s(address) > 0

    def wait(self, address: str, wake: Callable[[], None]) -> None:
        """Call `wake` once, when its turn has come and the address has paid. Idempotent."""
        queue = self._waiting.get(address)
        if queue is None:
            self._waiting[address] = {wake: None}
            self._look(address)
        else:
            queue.setdefault(wake)

    def leave(self, address: str, wake: Callable[[], None]) -> None:
        """Do not call `wake`. Idempotent."""
        queue = self._waiting.get(address)
        if queue is not None:
            queue.pop(wake, None)

    async def paid(self, address: str) -> None:
        """Wait for the turn of a coroutine; what it then brings, it brings without waiting for anything else."""
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def wake() -> None:
            if not woken.done():
                woken.set_result(None)

        self.wait(address, wake)
        try:
            await woken
        finally:
            self.leave(address, wake)

    def _look(self, address: str) -> None:
        """Wake the first sender of an address that has paid; look again later otherwise."""
        loop = asyncio.get_running_loop()
        queue = self._waiting[address]
        throttle = self._throttle()
        debt_s = throttle.debt_s(address) if throttle is not None else 0.0
        if not queue:
            del self._waiting[address]
        elif debt_s > 0:
            loop.call_later(max(debt_s, LOOK_S_MIN), self._look, address)
        else:
            wake = next(iter(queue))
            del queue[wake]
            loop.call_soon(wake)
            loop.call_soon(self._turn_over, address)

    def _turn_over(self, address: str) -> None:
        """Let a coroutine that was woken bring its batch, then look at the next sender."""
        asyncio.get_running_loop().call_soon(self._look, address)
