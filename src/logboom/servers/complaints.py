"""Rate-limited log messages about peers: a few one by one, then their number.

A scanner, or a fleet that comes back, gives rise to thousands, which would bury everything else in the operational log.
"""

from typing import Final

from logboom.model import Report

TOLD_MAX: Final = 10
TOLD_PERIOD_S: Final = 60.0
"""Messages per period that are logged one by one."""


class Complaints:
    """Rate-limited log messages of one kind about a listener's peers. Belongs to the event loop.

    Args:
        name: the listener's.
        report: the operational log.
        rest: what the number counts, such as `connections came or went`.
        kind: of the line with the number.
        told_max: most messages per period that are logged one by one.
        period_s: within this time, which begins with the first; 0: until the next `flush_due`.
    """

    def __init__(
        self,
        name: str,
        report: Report,
        rest: str,
        *,
        kind: str = "warning",
        told_max: int = TOLD_MAX,
        period_s: float = TOLD_PERIOD_S,
    ) -> None:
        self._name = name
        self._report = report
        self._rest = rest
        self._kind = kind
        self._told_max = told_max
        self._period_s = period_s
        self._told = self._hushed = 0
        self._ends_at: float | None = None

    def tell(self, text: str, kind: str = "warning", *, named: bool = True) -> None:
        """Report it, unless there were too many lately; with the listener's name in front."""
        if self._told >= self._told_max:
            self._hushed += 1
            return
        self._told += 1
        self._report(kind, f"{self._name} {text}" if named else text)

    def flush_due(self, now: float) -> None:
        """Start the next period when this one is over; to be called every second. `now` is monotonic, seconds."""
        if not self._told:
            return
        if self._ends_at is None:
            self._ends_at = now + self._period_s
        if now >= self._ends_at:
            self.flush()

    def flush(self) -> None:
        """Log the number of messages that were left out, and start the next period. Idempotent."""
        if self._hushed:
            self._report(self._kind, f"{self._name}: {self._hushed} more {self._rest}")
        self._told = self._hushed = 0
        self._ends_at = None
