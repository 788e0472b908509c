"""Senders that wait until the journal has room: woken in turn, as many as there is room for."""

import asyncio
from collections.abc import Callable
from typing import Final

from logboom.pipeline.pauses import Pauses

WAKES_MAX: Final = 100
"""Senders that are woken in one turn of the loop: a few milliseconds, in which all others wait."""


class Turns:
    """One queue for the senders of all listeners, so that each gets its turn. Belongs to the event loop.

    To wake all of them at each commit would cost the square of their number: most would have to wait again.

    Args:
        behind: whether the journal has more to do than it should; then nothing is to be read.
    """

    def __init__(self, behind: Callable[[], bool]) -> None:
        self.behind = behind
        """Return True while a sender has to wait."""
        self.pauses = Pauses()
        """Turns on the event loop."""
        self._waiting: dict[Callable[[], None], bool] = {}
        """Callback per waiting sender, in order; True where it acts only in the loop's next turn."""
        self._goes_on = False

    def __len__(self) -> int:
        """Number of senders that wait."""
        return len(self._waiting)

    def wait(self, wake: Callable[[], None]) -> None:
        """Call `wake` once, when there is room; it brings what it has at once. Idempotent."""
        self._waiting.setdefault(wake, False)

    def leave(self, wake: Callable[[], None]) -> None:
        """Do not call `wake`. Idempotent."""
        self._waiting.pop(wake, None)

    async def room(self) -> None:
        """Wait until there is room; what the caller then brings, it brings without waiting for anything else."""
        while self.behind():
            woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

            def wake(woken: asyncio.Future[None] = woken) -> None:
                if not woken.done():
                    woken.set_result(None)

            self._waiting[wake] = True
            try:
                await woken
            finally:
                self._waiting.pop(wake, None)

    def advanced(self) -> None:
        """Wake those whose turn it is. Called after each commit."""
        if not self._goes_on:
            self._wake_some()

    def _go_on(self) -> None:
        self._goes_on = False
        self._wake_some()

    def _wake_some(self) -> None:
        for _ in range(WAKES_MAX):
            if not self._waiting or self.behind():
                return
            wake = next(iter(self._waiting))
            is_later = self._waiting.pop(wake)
            wake()
            if is_later:
                break
        if self._waiting:  # after what was woken last has brought what it has
            self._goes_on = True
            asyncio.get_running_loop().call_soon(self._go_on)
