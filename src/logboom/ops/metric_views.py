"""Declaration of a metric, and the views that metrics are read from.

Other threads write the values during a scrape. Each value is one reference or one copy made by a single call, so it
is consistent; two values of one scrape may be from slightly different times.
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
from logboom.ops.alerts.severity import CRITICAL, WARNING
from logboom.ops.devices.device_book import DeviceBook
from logboom.ops.monitor import REFUSED, Monitor
from logboom.ops.pack_service import PackService
from logboom.ops.source_book import SourceBook
from logboom.ops.supervisor import Supervised
from logboom.outputs.thread_service import OutputService

ViewT = TypeVar("ViewT")

Reading = float | Mapping[str, float] | Histogram | None
"""One value, one per value of the metric's own label, or a histogram; None: no value."""


@dataclass(frozen=True)
class Metric(Generic[ViewT]):
    """Declaration of one metric.

    Args:
        name: name in the exposition, without a histogram's suffixes.
        kind: type in Prometheus.
        help: one sentence, for the exposition and for the reference page.
        read: reads the value from the group's view.
        unit: last word of the name, if that is a unit.
        label: label in addition to those of the group; `read` returns one value per value of this label.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    read: Callable[[ViewT], Reading]
    unit: str = ""
    label: str = ""


class Parts(NamedTuple):
    """Parts of the server that metrics are read from."""

    monitor: Monitor
    sources: SourceBook
    alerts: Alerts


@dataclass(frozen=True)
class MetricGroup(Generic[ViewT]):
    """Metrics of one kind of part.

    Args:
        title: title of the section in the reference page.
        labels: names of the labels; their values may not come from a peer.
        views: yields the current parts, each with the values of its labels.
        metrics: the metrics of each part.
    """

    title: str
    labels: tuple[str, ...]
    views: Callable[[Parts], Iterator[tuple[tuple[str, ...], ViewT]]]
    metrics: tuple[Metric[ViewT], ...]


class ListenerView(NamedTuple):
    """View of a listener for its metrics."""

    monitor: Monitor
    name: str

    def verdicts(self, verdict: Verdict) -> int:
        """Number of entries with this verdict."""
        return self.monitor.counters(self.name).verdicts[verdict]

    def refused(self) -> dict[str, float]:
        """Refused entries by reason; every reason exists from the start, so that its first entry is an increase."""
        return {verdict.name.lower(): self.verdicts(verdict) for verdict in Verdict if verdict in REFUSED}

    def turned_away(self) -> dict[str, float]:
        """Refused connections by reason."""
        return {
            reason.value: count
            for reason, count in dict(self.monitor.counters(self.name).connections_turned_away).items()
        }

    def limits_reached(self) -> dict[str, float]:
        """Number of times each limit was enforced."""
        reached = dict(self.monitor.counters(self.name).limits_reached)
        return {limit.value: count for limit, count in reached.items()}

    def moment(self, monotonic: float | None) -> float | None:
        """Convert a monotonic time to seconds since the epoch, rounded so that it does not seem to change."""
        return None if monotonic is None else round(self.monitor.utc(monotonic).timestamp(), 1)


class JournalView(NamedTuple):
    """View of the journal at one time."""

    monitor: Monitor
    next_sequence: int
    oldest_sequence: int
    size_bytes: int
    segments: int
    disk_free_bytes: int | None
    disk_size_bytes: int | None


def server_view(parts: Parts) -> Iterator[tuple[tuple[str, ...], None]]:
    """Yield the server, by versions."""
    yield (parts.monitor.version, platform.python_version()), None


def listener_views(parts: Parts) -> Iterator[tuple[tuple[str, ...], ListenerView]]:
    """Yield each listener, by name and protocol."""
    monitor = parts.monitor
    for name in list(monitor.listeners):  # a copy: at the start, listeners are added one by one
        yield (name, monitor.settings.listeners[name].protocol), ListenerView(monitor, name)


def output_views(parts: Parts) -> Iterator[tuple[tuple[str, ...], Supervised[OutputService]]]:
    """Yield each output, by name and type."""
    monitor = parts.monitor
    for name, output in list(monitor.outputs.items()):
        yield (name, monitor.output_type(name)), output


def journal_view(parts: Parts) -> Iterator[tuple[tuple[str, ...], JournalView]]:
    """Yield the journal; this takes one `stat` per segment, and one of the disk."""
    monitor, journal = parts.monitor, parts.monitor.journal
    oldest, size, segments = journal.log.extent()
    end = journal.log.end  # read last, so that it is not before the oldest
    try:
        disk = os.statvfs(journal.folder)
    except OSError:  # the metric `writable` shows a failing disk
        free = whole = None
    else:
        free, whole = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
    yield (), JournalView(monitor, end, oldest, size, segments, free, whole)


def source_view(parts: Parts) -> Iterator[tuple[tuple[str, ...], SourceBook]]:
    """Yield the source book."""
    yield (), parts.sources


def device_view(parts: Parts) -> Iterator[tuple[tuple[str, ...], DeviceBook]]:
    """Yield the book of devices."""
    if parts.monitor.devices is not None:
        yield (), parts.monitor.devices


def pack_view(parts: Parts) -> Iterator[tuple[tuple[str, ...], PackService]]:
    """Yield the service that packs and measures the journal."""
    if parts.monitor.packer is not None:
        yield (), parts.monitor.packer


def alert_view(parts: Parts) -> Iterator[tuple[tuple[str, ...], Alerts]]:
    """Yield the alerts."""
    yield (), parts.alerts


def firing_by_severity(alerts: Alerts) -> dict[str, float]:
    """Number of firing alerts by severity; both severities exist from the start."""
    severities = [alert.severity for alert in alerts.firing()]
    return {severity: severities.count(severity) for severity in (CRITICAL, WARNING)}


def by_target(read: Callable[[TargetSender], int]) -> Callable[[Alerts], dict[str, float]]:
    """Make a reader of a number per target; targets' names contain no secret."""
    return lambda alerts: {target.name: read(target) for target in alerts.targets}
