"""What is told about peers that send nonsense: a few lines one by one, then a number."""

import time
from typing import Final

from logboom.model import Report

TOLD_MAX: Final = 10
TOLD_PERIOD_S: Final = 60.0
"""So many complaints are told one by one within this time: a scanner gives rise to thousands, which would bury
everything else in the operational log."""


class Complaints:
    """Belongs to one listener, and to the event loop.

    Args:
        name: the listener's.
        report: the operational log.
    """

    def __init__(self, name: str, report: Report) -> None:
        self._name = name
        self._report = report
        self._told = self._hushed = 0
        self._period_ends = 0.0

    def tell(self, peer: str, text: str) -> None:
        """Tell it, unless there were too many lately."""
        now = time.monotonic()
        if now >= self._period_ends:
            self.close()
            self._told = 0
            self._period_ends = now + TOLD_PERIOD_S
        if self._told >= TOLD_MAX:
            self._hushed += 1
            return
        self._told += 1
        self._report("warning", f"{self._name} {peer}: {text}")

    def close(self) -> None:
        """Tell the number of those that were not told. Idempotent."""
        if self._hushed:
            self._report("warning", f"{self._name}: {self._hushed} more connections sent what is not HTTP")
        self._hushed = 0
