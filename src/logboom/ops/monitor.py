"""What the running server looks like from outside: one place to ask, for health, metrics, alerts and the page."""

import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple, Protocol

from logboom.journal.journal import Journal
from logboom.model import Verdict
from logboom.ops.kept import KeptEntries
from logboom.ops.supervisor import Supervised
from logboom.outputs.thread_service import OutputService
from logboom.pipeline.deduplicator import Deduplicator
from logboom.pipeline.intake import Counters, Intake
from logboom.settings import Settings

TICK_S: Final = 1.0
"""How often the counters are looked at for rates."""

RATE_WINDOW_S: Final = 10
"""Rates are means over this long: a number that people can read while it changes."""

HOUR_S: Final = 3600
MINUTE_S: Final = 60

REFUSED: Final = frozenset(Verdict) - {
    Verdict.ACCEPTED,
    Verdict.FILTERED,
    Verdict.DUPLICATE,
    Verdict.FAILED,
}
"""What the sender was told to be wrong, or too much."""


class Watched(Protocol):
    """What is asked of a listener."""

    name: str
    intake: Intake
    ports: list[int]

    async def start(self) -> None: ...  # noqa: D102 - see `Service`
    async def run(self) -> None: ...  # noqa: D102
    def stop(self) -> None: ...  # noqa: D102


class Totals(NamedTuple):
    """Lines and bytes since the start."""

    received: int
    stored: int
    filtered: int
    refused: dict[str, int]
    """By reason, only those that occurred."""
    failed: int
    bytes: int


class _Sample(NamedTuple):
    at: float
    lines: dict[str, int]
    bytes: int


class Monitor:
    """Asks the parts. Belongs to the event loop; nothing here is on the way of an entry.

    Args:
        settings: checked already.
        journal: the server's.
        listeners: by name.
        outputs: by name.
        deduplicator: the server's; None: one that remembers nothing.
        version: Logboom's.
        clock: seconds, monotonic: the clock that activity is stamped with.
        wall: seconds since the epoch.
        connections_left: how many more the process's open files allow.
    """

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        listeners: Mapping[str, Supervised[Watched]],
        outputs: Mapping[str, Supervised[OutputService]],
        *,
        deduplicator: Deduplicator | None = None,
        version: str = "",
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        connections_left: Callable[[], int] = lambda: 1,
    ) -> None:
        self.settings = settings
        self.journal = journal
        self.listeners = listeners
        self.outputs = outputs
        self.deduplicator = deduplicator or Deduplicator(1.0, 0)
        self.version = version
        self.clock = clock
        self.wall = wall
        self.connections_left = connections_left
        self.kept = KeptEntries(journal, clock)
        self.started = clock()
        self.draining = False
        """The server is being stopped."""
        self._samples: deque[_Sample] = deque(maxlen=RATE_WINDOW_S + 1)
        self._minutes: deque[dict[str, int]] = deque(maxlen=HOUR_S // MINUTE_S)
        self._minute_at = self.started

    @property
    def uptime_s(self) -> float:
        """Since the start, seconds."""
        return self.clock() - self.started

    def tick(self) -> None:
        """Look at the counters; call it every `TICK_S`."""
        now = self.clock()
        lines = {
            name: sum(one.service.intake.counters.verdicts.values()) for name, one in self.listeners.items()
        }
        self._samples.append(_Sample(now, lines, self.totals().bytes))
        if now - self._minute_at >= MINUTE_S or not self._minutes:
            self._minute_at = now
            self._minutes.append({name: self.counters(name).connections_total for name in self.listeners})

    def counters(self, listener: str) -> Counters:
        """Of one listener."""
        return self.listeners[listener].service.intake.counters

    def totals(self, listener: str | None = None) -> Totals:
        """Of one listener, or of all."""
        names = self.listeners if listener is None else (listener,)
        every = [self.counters(name) for name in names]
        counts = {verdict: sum(one.verdicts[verdict] for one in every) for verdict in Verdict}
        return Totals(
            received=sum(counts.values()),
            stored=counts[Verdict.ACCEPTED],
            filtered=counts[Verdict.FILTERED],
            refused={one.name.lower(): counts[one] for one in Verdict if one in REFUSED and counts[one]},
            failed=counts[Verdict.FAILED],
            bytes=sum(one.bytes_received for one in every),
        )

    def lines_per_s(self, listener: str | None = None) -> float:
        """Lines that came a second, lately; of one listener, or of all."""
        return self._rate(
            lambda sample: sum(sample.lines.values()) if listener is None else sample.lines.get(listener, 0)
        )

    def bytes_per_s(self) -> float:
        """Bytes that came a second, lately."""
        return self._rate(lambda sample: sample.bytes)

    def _rate(self, value: Callable[[_Sample], int]) -> float:
        if len(self._samples) < 2:
            return 0.0
        first, last = self._samples[0], self._samples[-1]
        return (value(last) - value(first)) / max(last.at - first.at, 1e-3)

    def connections_last_hour(self, listener: str) -> int:
        """Connections that were taken within an hour, to the minute."""
        before = self._minutes[0].get(listener, 0) if len(self._minutes) == self._minutes.maxlen else 0
        return self.counters(listener).connections_total - before

    def since(self, moment: float | None) -> float | None:
        """Seconds since a moment of the monotonic clock; None when there is none."""
        return None if moment is None else max(0.0, self.clock() - moment)

    def utc(self, moment: float | None = None) -> datetime:
        """Now, or a moment of the monotonic clock, as UTC."""
        ago = self.since(moment) or 0.0
        return datetime.fromtimestamp(self.wall() - ago, UTC)
