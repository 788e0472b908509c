"""Rate at which entries come, by which background work rests."""

import time
from typing import Final

from logboom.journal.log import Log

REST_FACTOR: Final = 9
"""The work rests nine times as long as it takes while entries come: a tenth of a core, in the way of no sender."""

IDLE_REST_FACTOR: Final = 1
"""The same while few come."""

BUSY_ENTRIES_PER_S: Final = 1000
"""Rate from which on entries count as many. It is measured over a step and the rest before it: a step alone is often
shorter than the time between two commits."""

FLOOD_REST_FACTOR: Final = 49
FLOOD_ENTRIES_PER_S: Final = 20_000
"""From this rate on, a tenth of a core can't keep up either: most of the work waits until the flood is over."""


class IngestRate:
    """Rate of new entries between two looks.

    Args:
        log: the journal that grows.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._looked_at, self._seen = time.monotonic(), log.end

    def rest_factor(self) -> int:
        """Return the ratio of rest to work for the rate of entries since the last call."""
        now, end = time.monotonic(), self._log.end
        elapsed_s, entries = now - self._looked_at, end - self._seen
        self._looked_at, self._seen = now, end
        return rest_factor(entries, elapsed_s)


def rest_factor(entries: int, elapsed_s: float) -> int:
    """Return the ratio of rest to work after `entries` new entries in `elapsed_s` seconds."""
    if entries > elapsed_s * FLOOD_ENTRIES_PER_S:
        return FLOOD_REST_FACTOR
    return REST_FACTOR if entries > elapsed_s * BUSY_ENTRIES_PER_S else IDLE_REST_FACTOR
