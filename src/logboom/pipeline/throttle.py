"""Rate limit per address: a faster sender is read more slowly, and loses nothing."""

import time
from collections.abc import Callable
from typing import Final

ADDRESSES_MAX: Final = 65536
"""Addresses in the table, about 10 MB; the one without data for longest is removed first, with its debt."""

BURST_S: Final = 1.0
"""Largest burst after a pause, in seconds of the rate: devices send what they have gathered."""

DELAY_S_MAX: Final = 5.0
"""The longest pause for one batch; the debt beyond it counts for the next one."""


class Throttle:
    """Token bucket of bytes, and one of lines, per address.

    Args:
        bytes_per_s: 0: no limit.
        lines_per_s: 0: no limit.
        clock: seconds, monotonic.
    """

    def __init__(
        self, bytes_per_s: int, lines_per_s: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds_a_byte = 1 / bytes_per_s if bytes_per_s else 0.0
        self._seconds_a_line = 1 / lines_per_s if lines_per_s else 0.0
        self._clock = clock
        self._paid_until: dict[str, tuple[float, float]] = {}

    def __len__(self) -> int:
        """Number of addresses in the table."""
        return len(self._paid_until)

    def take(self, address: str, size_bytes: int, lines: int) -> float:
        """Count what an address has sent; returns for how long it is not to be read, seconds."""
        now = self._clock()
        earliest = now - BURST_S
        for_bytes, for_lines = self._paid_until.pop(address, (earliest, earliest))
        for_bytes = max(for_bytes, earliest) + size_bytes * self._seconds_a_byte
        for_lines = max(for_lines, earliest) + lines * self._seconds_a_line
        if len(self._paid_until) >= ADDRESSES_MAX:
            del self._paid_until[next(iter(self._paid_until))]
        self._paid_until[address] = (for_bytes, for_lines)
        return _delay(now, for_bytes, for_lines)

    def debt_s(self, address: str) -> float:
        """Return for how long none of the connections of an address is to be read, seconds."""
        paid_until = self._paid_until.get(address)
        return 0.0 if paid_until is None else _delay(self._clock(), *paid_until)


def _delay(now: float, for_bytes: float, for_lines: float) -> float:
    return min(DELAY_S_MAX, max(0.0, for_bytes - now, for_lines - now))
