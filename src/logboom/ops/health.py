"""`/api/health`, and the checks behind `/readyz`. Contract: docs/contracts/health.md."""

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from logboom.errors import StorageError
from logboom.ops.journal_extent import JournalExtent
from logboom.ops.monitor import Monitor, Watched
from logboom.ops.supervisor import Supervised
from logboom.receivers.base import Transport
from logboom.receivers.registry import transport_of
from logboom.settings import ReceiverSettings

if TYPE_CHECKING:
    from logboom.outputs.base import DatabaseState

MEMORY_READINGS_MAX: Final = 1000
"""Most readings in the field `memory`: the original server kept its last thousand in memory."""

PROBE_INTERVAL_S: Final = 1.0
"""Validity of the result of a test write, so that frequent requests do not wear out the disk."""


class Trouble(NamedTuple):
    """Current problems by severity."""

    errors: list[str]
    """Problems by which entries are refused or can't arrive."""
    warnings: list[str]

    @property
    def status(self) -> str:
        """Overall status: `ok`, `warning` or `error`."""
        return "error" if self.errors else "warning" if self.warnings else "ok"


class Check(NamedTuple):
    """A check of `/readyz`."""

    name: str
    ok: bool
    detail: str


def trouble_of(monitor: Monitor) -> Trouble:
    """All current problems of the server."""
    errors, warnings = [], []
    for name, listener in monitor.listeners.items():
        if not listener.alive:
            errors.append(f"listener {name} is down: {listener.trouble or 'not started'}")
    if (refusal := monitor.journal.trouble) is not None:
        errors.append(f"the journal can't store: {refusal}")
    idle_s = idle_too_long_s(monitor)
    if idle_s is not None:
        warnings.append(f"No TCP activity for {idle_s:.0f}s")
    if monitor.listeners and monitor.connections_left() <= 0:
        warnings.append("no open file is left for another connection: raise `ulimit -n`")
    for name, output in monitor.outputs.items():
        runner = output.service.runner
        trouble = runner.failing or output.trouble
        if trouble is not None:
            warnings.append(f"output {name}: {trouble}; {runner.lag:,} entries behind")
        elif 0 < monitor.settings.health.output_lag_max < runner.lag:
            warnings.append(f"output {name}: {runner.lag:,} entries behind")
    return Trouble(errors, warnings + _troubles_of_services(monitor))


def _troubles_of_services(monitor: Monitor) -> list[str]:
    """Problems of services that are neither listeners nor outputs."""
    troubles = [] if monitor.cluster is None else list(monitor.cluster.troubles)
    if monitor.packer is not None and monitor.packer.progress.trouble:
        troubles.append(f"a segment can't be packed: {monitor.packer.progress.trouble}")
    return troubles


def health_document(monitor: Monitor) -> tuple[int, dict[str, Any]]:
    """Return the HTTP status, and the document with the fields for both generations of clients."""
    trouble = trouble_of(monitor)
    listeners = tcp_listeners(monitor)
    counters = [one.service.intake.counters for one in listeners]
    activity = latest_activity(monitor)
    totals = [monitor.totals(one.service.name) for one in listeners]
    data = max((one.last_data for one in counters if one.last_data is not None), default=None)
    connection = max(
        (one.last_connection for one in counters if one.last_connection is not None), default=None
    )
    ports = [port for one in listeners for port in one.service.ports[:1]]
    extent = monitor.extent.look()
    in_memory = min(extent.entries, MEMORY_READINGS_MAX)
    document: dict[str, Any] = {
        "status": trouble.status,
        "tcp_server": {
            "started": activity is not None,
            "thread_alive": bool(listeners) and all(one.alive for one in listeners),
            "last_activity": activity and _naive(monitor.utc(activity)),
            "seconds_since_activity": _rounded(monitor.since(activity)),
            "heartbeat_age": _rounded(monitor.since(activity)),
            "listening": bool(listeners) and all(one.alive and one.service.ports for one in listeners),
            "port": ports[0] if ports else None,
            "last_connection_time": connection and _naive(monitor.utc(connection)),
            "seconds_since_last_data": _rounded(monitor.since(data)),
            "connections_received": sum(one.connections_total for one in counters),
            "messages_parsed": sum(one.stored + one.filtered for one in totals),
            "invalid_messages": sum(sum(one.refused.values()) for one in totals),
        },
        "database": _database(monitor, extent),
        "memory_readings_count": in_memory,
        "memory": {"count": in_memory, "max_size": MEMORY_READINGS_MAX},
        "start_time": _naive(monitor.utc(monitor.started)),
        "uptime_seconds": _rounded(monitor.uptime_s),
        "timestamp": _naive(monitor.utc()),
    }
    index = monitor.index_progress()
    if index.indexed < index.segments:
        document["index"] = index._asdict()
    if trouble.warnings:
        document["warnings"] = trouble.warnings
    if trouble.errors:
        document["errors"] = trouble.errors
    return 200 if trouble.status == "ok" else 503, document


def idle_too_long_s(monitor: Monitor) -> float | None:
    """Seconds without TCP activity if they reach `health.idle_warn_s`, else None.

    Always None for a server with HTTP listeners only, which has no TCP server that could be idle.
    """
    if not _tcp_log_listeners(monitor):
        return None
    idle_s = monitor.since(latest_activity(monitor))
    return idle_s if idle_s is not None and 0 < monitor.settings.health.idle_warn_s <= idle_s else None


def _tcp_log_listeners(monitor: Monitor) -> list[Supervised[Watched]]:
    """Listeners of all protocols except HTTP."""
    settings = monitor.settings.listeners
    return [one for name, one in monitor.listeners.items() if not _is_http(settings[name])]


def _is_http(settings: ReceiverSettings) -> bool:
    """True for a listener whose connections come from browsers and probes, too: no sign that a device lives."""
    return transport_of(settings) is Transport.HTTP


def tcp_listeners(monitor: Monitor) -> list[Supervised[Watched]]:
    """Listeners for the field `tcp_server`: all that take entries; HTTP only without any other."""
    settings = monitor.settings.listeners
    http = [one for name, one in monitor.listeners.items() if settings[name].serves_entries]
    return _tcp_log_listeners(monitor) or http


def latest_activity(monitor: Monitor) -> float | None:
    """Time of the last start, connection or data of any of them; None before the first start."""
    moments = [_activity(monitor, one) for one in tcp_listeners(monitor)]
    return max((moment for moment in moments if moment is not None), default=None)


def _activity(monitor: Monitor, listener: Supervised[Watched]) -> float | None:
    """Time of a listener's last activity; for HTTP the start or the last data, as probes connect, too."""
    counters = listener.service.intake.counters
    is_http = _is_http(monitor.settings.listeners[listener.service.name])
    if not is_http or counters.last_activity is None:
        return counters.last_activity
    return monitor.started if counters.last_data is None else counters.last_data


def _database(monitor: Monitor, extent: JournalExtent) -> dict[str, Any]:
    """State of the first database among the outputs; without one, of the journal."""
    for output in monitor.outputs.values():
        runner = output.service.runner
        state = getattr(runner.output, "database_state", None)
        if state is not None and not runner.standby:
            found: DatabaseState = state()
            connected = found.connected and runner.failing is None and output.alive
            dates = [datetime.fromisoformat(text) for text in found.date_range or ()]
            return _database_document(connected, found.total_readings, *dates)
    return _database_document(monitor.journal.trouble is None, extent.entries, extent.first, extent.last)


def _database_document(
    connected: bool, readings: int | None, first: datetime | None = None, last: datetime | None = None
) -> dict[str, Any]:
    """Make the block `database`. Both ends of the range have the two names that clients read."""
    dates = None
    if first is not None and last is not None:
        start, end = _naive(first), _naive(last)
        dates = {"start": start, "end": end, "min_date": start, "max_date": end}
    return {"connected": connected, "total_readings": readings, "date_range": dates}


def _naive(moment: datetime) -> str:
    """ISO 8601 in UTC without an offset, as clients of `/api/health` expect it."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds")


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _free_bytes(monitor: Monitor) -> int:
    """Free space of the journal's disk; 0 when it can't be determined."""
    try:
        return monitor.journal.free_bytes
    except OSError:
        return 0


class Readiness:
    """The checks of `/readyz`, with a durable test write at most once per `PROBE_INTERVAL_S`."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._probed_at = float("-inf")
        self._trouble: str | None = None
        self._probing: asyncio.Task[None] | None = None

    async def checks(self) -> list[Check]:
        """Run all checks; the server is ready when all are ok."""
        monitor = self._monitor
        stored = await self._durable_write()
        free, floor = _free_bytes(monitor), monitor.settings.journal.free_bytes_min
        down = [name for name, one in monitor.listeners.items() if not one.alive]
        lag = max((one.service.runner.lag for one in monitor.outputs.values()), default=0)
        lag_max = monitor.settings.health.output_lag_max
        return [
            Check("storage", stored is None, stored or "a durable write worked"),
            Check("space", free >= floor, f"{free} bytes free, {floor} are kept"),
            Check("listeners", not down, f"{', '.join(down)} down" if down else "all are up"),
            Check("outputs", not lag_max or lag <= lag_max, f"the slowest is {lag} entries behind"),
            Check("draining", not monitor.draining, "stopping" if monitor.draining else "no"),
        ]

    def look_again(self) -> None:
        """Test the disk after a failure, without a request: senders may wait for a good state of health."""
        if self._monitor.journal.failing is not None and (self._probing is None or self._probing.done()):
            self._probing = asyncio.create_task(self._probe())

    async def _durable_write(self) -> str | None:
        """Reason why a write and a sync fail; None when they work."""
        clock = self._monitor.clock
        if self._monitor.journal.failing is None and clock() - self._probed_at < PROBE_INTERVAL_S:
            return self._trouble
        if self._probing is None or self._probing.done():
            self._probing = asyncio.create_task(self._probe())
        await asyncio.shield(self._probing)
        return self._trouble

    async def _probe(self) -> None:
        try:
            await asyncio.to_thread(self._monitor.journal.probe)
            self._trouble = None
        except (OSError, StorageError) as error:
            self._trouble = str(error)
        self._probed_at = self._monitor.clock()
