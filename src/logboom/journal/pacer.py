"""Pacing of group commits: how many batches the writer waits for.

A commit has a fixed cost, about 50 µs of processor time. With a thousand devices that each send a line now and
then, almost every line would pay it; waiting a few milliseconds shares it among them. But a client that waits
for each answer before it sends again must not wait for others without a result. So the pacer learns how many
batches are worth waiting for: it tries the full wait occasionally, and keeps the number that this brought.
"""

import time
from collections.abc import Callable
from typing import Final

LINGER_S: Final = 0.003
"""The longest wait for further batches: not noticeable for a device, about sixty times the cost of a commit."""
PROBE_FIRST: Final = 32
PROBE_LAST: Final = 1024
"""Groups between two tries of the full wait. Fruitless tries become rare, so that a single client that waits for
each answer loses about 1 %."""


class Pacer:
    """Decides for how many batches a group waits, `LINGER_S` at most.

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
        """Number of batches to wait for; 1 means not to wait. A group after a pause never waits."""
        if self._clock() - self._last_commit > LINGER_S:
            self._target, self._groups = 1, 0
            return 1
        self._groups += 1
        self._probing = self._groups >= self._probe_every
        return 1 << 30 if self._probing else self._target

    def committed(self, count: int) -> None:
        """Learn from the commit of a group of `count` batches."""
        self._last_commit = self._clock()
        if self._probing:
            gained = count > self._target + self._target // 2
            self._probe_every = PROBE_FIRST if gained else min(self._probe_every * 2, PROBE_LAST)
            self._groups, self._probing = 0, False
            self._target = count if gained else self._target
        self._target = min(self._target, count)
