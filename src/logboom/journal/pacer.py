"""How long the writer waits for a fuller group.

A commit has a fixed price, some 50 µs of processor time. A thousand devices that each send a line now and
then would pay it nearly a line; a few milliseconds of patience share it among all of them. But a client that
waits for each answer before it sends again must not wait for company that never comes. So the pacer learns
how many batches are worth waiting for: it tries the full wait now and then, and keeps to what that brought.
"""

import time
from collections.abc import Callable
from typing import Final

LINGER_S: Final = 0.003
"""The longest wait for company: far below what a device notices, some sixty times a commit's own price."""
PROBE_FIRST: Final = 32
PROBE_LAST: Final = 1024
"""Groups between two tries of the full wait: seldom where tries bring nothing, so that a single client that
waits for each answer loses about a hundredth."""


class Pacer:
    """Says for how many batches a group should wait, `LINGER_S` at most.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._target = 1
        self._last_commit = 0.0
        self._probe_every = PROBE_FIRST
        self._groups = 0
        self._probing = False

    def target(self) -> int:
        """How many batches to wait for; 1: none. A group after a pause never waits."""
        if self._clock() - self._last_commit > LINGER_S:
            self._target, self._groups = 1, 0
            return 1
        self._groups += 1
        self._probing = self._groups >= self._probe_every
        return 1 << 30 if self._probing else self._target

    def committed(self, count: int) -> None:
        """A group of `count` batches was committed: learn from it."""
        self._last_commit = self._clock()
        if self._probing:
            found_company = count > self._target + self._target // 2
            self._probe_every = PROBE_FIRST if found_company else min(self._probe_every * 2, PROBE_LAST)
            self._groups, self._probing = 0, False
            self._target = count if found_company else self._target
        self._target = min(self._target, count)
