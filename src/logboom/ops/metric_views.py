"""What metrics are made of, and what they are read from.

Reading takes what other threads write while it runs. Each value is one reference or one copy made by a
single call, so it is whole; two values of one scrape may be a moment apart.
"""

import os
import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, NamedTuple, TypeVar

from logboom.histogram import Histogram
from logboom.model import Verdict
from logboom.ops.alerts.sender import TargetSender
from logboom.ops.alerts.service import Alerts
from logboom.ops.alerts.settings import CRITICAL, WARNING
from logboom.ops.monitor import REFUSED, Monitor
from logboom.ops.sources import SourceBook
from logboom.ops.status import journal_size
from logboom.ops.supervisor import Supervised
from logboom.outputs.thread_service import OutputService

ViewT = TypeVar("ViewT")

Reading = float | Mapping[str, float] | Histogram | None
"""One value, or one a value of the metric's own label, or observations; None: there is nothing to tell."""


@dataclass(frozen=True)
class Metric(Generic[ViewT]):
    """One metric.

    Args:
        name: as it is scraped, without a histogram's suffixes.
        kind: Prometheus' type.
        help: one sentence, for the exposition and for the reference page.
        read: asks the part that it tells of.
        unit: the last word of the name, where that is a unit.
        label: one beside the group's labels; `read` returns a value for each of its values.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    read: Callable[[ViewT], Reading]
    unit: str = ""
    label: str = ""


class Parts(NamedTuple):
    """What metrics are read from."""

    monitor: Monitor
    sources: SourceBook
    alerts: Alerts


@dataclass(frozen=True)
class Group(Generic[ViewT]):
    """Metrics of one kind of part.

    Args:
        title: of the section in the reference page.
        labels: names; no value of theirs may come from a peer.
        views: the parts that there are now, each with its labels' values.
        metrics: what is told of each part.
    """

    title: str
    labels: tuple[str, ...]
    views: Callable[[Parts], Iterator[tuple[tuple[str, ...], ViewT]]]
    metrics: tuple[Metric[ViewT], ...]


class ListenerView(NamedTuple):
    """A listener, as its metrics read it."""

    monitor: Monitor
    name: str

    def verdicts(self, verdict: Verdict) -> int:
        """Entries that had this verdict."""
        return self.monitor.counters(self.name).verdicts[verdict]

    def refused(self) -> dict[str, float]:
        """Refused entries by reason; every reason is there from the start, or its first entry would be no increase."""
        return {verdict.name.lower(): self.verdicts(verdict) for verdict in Verdict if verdict in REFUSED}

    def turned_away(self) -> dict[str, float]:
        """Connections that were not taken, by reason."""
        return {
            reason.value: count
            for reason, count in dict(self.monitor.counters(self.name).connections_turned_away).items()
        }

    def limits_reached(self) -> dict[str, float]:
        """How often somebody was held to a limit, by limit."""
        reached = dict(self.monitor.counters(self.name).limits_reached)
        return {limit.value: count for limit, count in reached.items()}

    def moment(self, monotonic: float | None) -> float | None:
        """A moment of the monotonic clock as seconds since the epoch, to a tenth: it must not seem to move."""
        return None if monotonic is None else round(self.monitor.utc(monotonic).timestamp(), 1)


class JournalView(NamedTuple):
    """The journal's numbers at one moment."""

    monitor: Monitor
    next_sequence: int
    oldest_sequence: int
    size_bytes: int
    segments: int
    disk_free_bytes: int | None
    disk_size_bytes: int | None


def server_view(parts: Parts) -> Iterator[tuple[tuple[str, ...], None]]:
    """The server itself, by what it is."""
    yield (parts.monitor.version, platform.python_version()), None


def listener_views(parts: Parts) -> Iterator[tuple[tuple[str, ...], ListenerView]]:
    """Each listener, by name and protocol."""
    monitor = parts.monitor
    for name in list(monitor.listeners):  # a copy: at the start, listeners come one by one
        yield (name, monitor.settings.listeners[name].protocol), ListenerView(monitor, name)


def output_views(parts: Parts) -> Iterator[tuple[tuple[str, ...], Supervised[OutputService]]]:
    """Each output, by name and type."""
    monitor = parts.monitor
    for name, output in list(monitor.outputs.items()):
        yield (name, str(monitor.settings.outputs[name]["type"])), output


def journal_view(parts: Parts) -> Iterator[tuple[tuple[str, ...], JournalView]]:
    """The journal: a `stat` a segment, and one of the disk."""
    monitor, journal = parts.monitor, parts.monitor.journal
    oldest, size, segments = journal_size(monitor)
    end = journal.committed.next_sequence  # asked last: it never is before the oldest
    try:
        disk = os.statvfs(journal.folder)
    except OSError:  # the journal's own trouble is told by `writable`
        free = whole = None
    else:
        free, whole = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
    yield (), JournalView(monitor, end, oldest if segments else end, size, segments, free, whole)


def source_view(parts: Parts) -> Iterator[tuple[tuple[str, ...], SourceBook]]:
    """What is known of senders."""
    yield (), parts.sources


def alert_view(parts: Parts) -> Iterator[tuple[tuple[str, ...], Alerts]]:
    """What fires, and what became of the news of it."""
    yield (), parts.alerts


def firing_by_severity(alerts: Alerts) -> dict[str, float]:
    """How many alerts fire; both are there from the start."""
    severities = [alert.severity for alert in alerts.firing()]
    return {severity: severities.count(severity) for severity in (CRITICAL, WARNING)}


def by_target(read: Callable[[TargetSender], int]) -> Callable[[Alerts], dict[str, float]]:
    """A number of each target, by its name, which holds no secret."""
    return lambda alerts: {target.name: read(target) for target in alerts.targets}
