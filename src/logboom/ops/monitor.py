"""Monitor: the state of the running server for health, metrics, alerts and the page."""

import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from logboom.journal.journal import Journal
from logboom.journal.log import Log
from logboom.model import Verdict
from logboom.ops.journal_extent import ExtentReader
from logboom.ops.supervisor import Supervised
from logboom.outputs.thread_service import OutputService
from logboom.pipeline.deduplicator import Deduplicator
from logboom.pipeline.intake import Counters, Intake
from logboom.query.indexer import IndexProgress
from logboom.settings import Settings

if TYPE_CHECKING:
    from logboom.cluster.membership import Cluster
    from logboom.ops.devices.device_book import DeviceBook
    from logboom.ops.pack_service import PackService
    from logboom.pipeline.refusals import RefusedLines

TICK_S: Final = 1.0
"""Interval of sampling the counters for rates."""

RATE_WINDOW_S: Final = 10
"""Window of rates: long enough to be readable while it changes."""

HOUR_S: Final = 3600
MINUTE_S: Final = 60

REFUSED: Final = frozenset(Verdict) - {
    Verdict.ACCEPTED,
    Verdict.FILTERED,
    Verdict.DUPLICATE,
    Verdict.FAILED,
}
"""Verdicts for entries that were not valid, or over a limit."""


class Watched(Protocol):
    """The part of a listener that is monitored."""

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
    """By reason; only reasons that occurred."""
    failed: int
    bytes: int


class _Sample(NamedTuple):
    at: float
    lines: dict[str, int]
    bytes: int


class Monitor:
    """Reads the state of the server's parts. Used on the event loop, and never on the path of an entry.

    Args:
        settings: validated settings.
        journal: journal of the server.
        listeners: listeners by name.
        outputs: outputs by name.
        log: what is read here; None: the journal.
        deduplicator: deduplicator of the server; None: an empty one.
        version: version of Logboom.
        clock: seconds, monotonic; the clock of the counters.
        wall: seconds since the epoch.
        connections_left: returns the number of connections that the limit for open files still allows.
    """

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        listeners: Mapping[str, Supervised[Watched]],
        outputs: Mapping[str, Supervised[OutputService]],
        *,
        log: Log | None = None,
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
        self.extent = ExtentReader(journal.log if log is None else log, clock)
        self.index_progress: Callable[[], IndexProgress] = lambda: IndexProgress(0, 0)
        self.packer: PackService | None = None
        """Packs old segments, and measures the journal."""
        self.cluster: Cluster | None = None
        """Replication, if there is any."""
        self.devices: DeviceBook | None = None
        """Devices that count their lines; None: they are not looked at."""
        self.refused: RefusedLines | None = None
        """Refused lines; None: they are not kept."""
        self.started = clock()
        self.draining = False
        """True if the server is being stopped."""
        self._samples: deque[_Sample] = deque(maxlen=RATE_WINDOW_S + 1)
        self._minutes: deque[dict[str, int]] = deque(maxlen=HOUR_S // MINUTE_S)
        self._minute_at = self.started

    @property
    def uptime_s(self) -> float:
        """Seconds since the start."""
        return self.clock() - self.started

    def output_type(self, name: str) -> str:
        """Type of an output; the one of `[cluster]` is not among the settings of outputs."""
        return str(self.settings.outputs.get(name, {"type": "jetstream"})["type"])

    def tick(self) -> None:
        """Sample the counters; to be called every `TICK_S`."""
        now = self.clock()
        lines = {
            name: sum(one.service.intake.counters.verdicts.values()) for name, one in self.listeners.items()
        }
        self._samples.append(_Sample(now, lines, self.totals().bytes))
        if now - self._minute_at >= MINUTE_S or not self._minutes:
            self._minute_at = now
            self._minutes.append({name: self.counters(name).connections_total for name in self.listeners})

    def counters(self, listener: str) -> Counters:
        """Counters of one listener."""
        return self.listeners[listener].service.intake.counters

    def totals(self, listener: str | None = None) -> Totals:
        """Totals of one listener, or of all."""
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
        """Recent rate of lines per second, of one listener or of all."""
        return self._rate(
            lambda sample: sum(sample.lines.values()) if listener is None else sample.lines.get(listener, 0)
        )

    def bytes_per_s(self) -> float:
        """Recent rate of bytes per second."""
        return self._rate(lambda sample: sample.bytes)

    def _rate(self, value: Callable[[_Sample], int]) -> float:
        if len(self._samples) < 2:
            return 0.0
        first, last = self._samples[0], self._samples[-1]
        return (value(last) - value(first)) / max(last.at - first.at, 1e-3)

    def connections_last_hour(self, listener: str) -> int:
        """Number of connections within the last hour, to the minute."""
        before = self._minutes[0].get(listener, 0) if len(self._minutes) == self._minutes.maxlen else 0
        return self.counters(listener).connections_total - before

    def since(self, moment: float | None) -> float | None:
        """Seconds since a monotonic time; None for None."""
        return None if moment is None else max(0.0, self.clock() - moment)

    def utc(self, moment: float | None = None) -> datetime:
        """Convert a monotonic time, by default now, to UTC."""
        ago = self.since(moment) or 0.0
        return datetime.fromtimestamp(self.wall() - ago, UTC)
