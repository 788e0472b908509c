"""Composition root: constructs all parts from the settings, connects, runs, and stops them in order."""

import asyncio
import errno
import gc
import math
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

import logboom
from logboom.cluster.cluster_settings import check_acks, cluster_settings
from logboom.cluster.membership import Cluster
from logboom.cluster.output_runners import output_runners
from logboom.config import default_listeners, differences, take_over
from logboom.errors import ConfigError
from logboom.extras import advice, is_missing, require
from logboom.formats.levels import severity
from logboom.journal.disk import Disk
from logboom.journal.journal import AckLevel, Journal
from logboom.journal.retention import Retention
from logboom.ops.alerts.alert_settings import alerts_settings, with_own_rules
from logboom.ops.alerts.service import Alerts
from logboom.ops.devices.device_book import DeviceBook
from logboom.ops.devices.device_reader import DeviceReader
from logboom.ops.health_socket import HealthSocket
from logboom.ops.index_service import IndexService
from logboom.ops.monitor import TICK_S, Monitor
from logboom.ops.oplog import OperationalLog
from logboom.ops.pack_service import PackService
from logboom.ops.server_operations import ServerOperations
from logboom.ops.source_book import SourceBook
from logboom.ops.source_reader import SourceReader
from logboom.ops.supervisor import Service, Supervised, supervise
from logboom.outputs.registry import make_outputs, output_settings
from logboom.outputs.runner import OutputRunner
from logboom.outputs.thread_service import OutputService
from logboom.pipeline.deduplicator import Deduplicator
from logboom.pipeline.intake import Intake, IntakeLimits
from logboom.pipeline.keylog import KeyLog
from logboom.pipeline.limiter import FixedWindowLimiter
from logboom.pipeline.open_files import OpenFiles
from logboom.pipeline.recent_lines import restored
from logboom.pipeline.refusals import RefusedLines
from logboom.pipeline.throttle import Throttle
from logboom.pipeline.tokens import TokenStore
from logboom.pipeline.turns import Turns
from logboom.query.sql.sql_service import SqlService
from logboom.receivers.base import Refusal
from logboom.receivers.registry import receiver
from logboom.servers.binding import report_unused
from logboom.servers.exposure import Exposure
from logboom.servers.listener import Listener, ListenerContext
from logboom.servers.registry import make_listener
from logboom.settings import ReceiverSettings, Settings

if TYPE_CHECKING:
    from logboom.cluster.replication import ReplicatedJournal

PENDING_BYTES_MAX: Final = 4 << 20
"""Most wire bytes of all connections that wait for the journal: two groups, one being written, one being gathered."""

STUCK_S_MAX: Final = 20.0
"""Duration of a write and sync after which the service manager may restart the server."""

LAST_LOOK_S: Final = 1.0
"""Time for the source book and for a notification in delivery at the end; the rest is for the outputs."""


class App:
    """The server: journal, outputs, listeners.

    Args:
        settings: validated settings.
        log: the operational log; the app closes it at the end.
        disk: the journal's disk; replaced by a faulty one in tests.
        clock: clock of operations, seconds, monotonic; replaced in tests.
    """

    def __init__(
        self,
        settings: Settings,
        log: OperationalLog,
        disk: Disk | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.log = log
        self.listeners: dict[str, Supervised[Listener]] = {}
        self.outputs: dict[str, Supervised[OutputService]] = {}
        self.stopping = asyncio.Event()
        self._disk = disk
        self._clock = clock
        self._opened = AsyncExitStack()
        """Closing of each part that was opened; run in reverse order."""
        self._ends_at = math.inf
        self.cluster: Cluster | None = None
        self.sql_engine: Any = None  # SqlEngine that was started before the process was confined
        self.open_files = OpenFiles(lambda: [one.service.intake.counters for one in self.listeners.values()])

    async def start(self) -> None:
        """Open the journal, start the outputs, then the listeners: downstream first.

        Raises:
            LogboomError: a part can't be started; the started ones are stopped again.
        """
        started = time.perf_counter()
        self.log.event("start", f"Logboom {logboom.__version__} starting, data in {self.settings.data_dir}")
        self._opened.callback(self.log.close)
        self._opened.callback(self.log.event, "info", "stopped")
        try:
            await self._open_parts()
        except BaseException as error:
            await self.stop()
            if isinstance(error, OSError) and error.errno == errno.EMFILE:
                raise ConfigError("too many open files: raise the limit with `ulimit -n`") from error
            raise
        gc.collect()
        gc.freeze()  # existing objects stay: the collector need not examine them again
        self.log.event("info", f"ready in {time.perf_counter() - started:.3f} s")

    async def _open_parts(self) -> None:
        """Open every part, and have each closed by `stop`, the last one first."""
        self._open_journal()
        self._open_keys()
        self._watch_over()
        if self.cluster is not None:
            await self.cluster.require_safe(self.settings)
        await self._start_outputs()
        self._opened.push_async_callback(self._close_readers)
        self._opened.push_async_callback(self._finish_journal)
        await self._start_listeners()
        for one in self._readers:
            await one.start()
        if few := self.open_files.started():
            self.log.warning(few)
        self._start_tasks()
        await self._health_socket.start()

    def _start_tasks(self) -> None:
        """Supervise the parts, and sample the counters."""
        supervised: list[Supervised[Service]] = [*self.listeners.values(), *self.outputs.values()]
        supervised += [Supervised(one, "task") for one in (*self._readers, self.alerts)]
        if self.cluster is not None:
            supervised.append(Supervised(self.cluster, "task"))
        tasks = [asyncio.create_task(supervise(one, self.log.event)) for one in supervised]
        tasks.append(asyncio.create_task(self._tick()))
        self._opened.push_async_callback(_cancel, tasks)
        self._opened.callback(setattr, self.monitor, "draining", True)  # noqa: FBT003 - setattr's signature

    def _open_journal(self) -> None:
        settings, data_dir = self.settings.journal, Path(self.settings.data_dir)
        replicated = cluster_settings(self.settings.cluster)
        check_acks(self.settings, replicated)
        age_max_s, bytes_max = settings.retention_age_s, settings.retention_bytes_max
        if replicated is not None and replicated.follow:
            age_max_s, bytes_max = replicated.spool_age_s, 0  # those of the settings are for the copy
        self.journal = Journal(
            data_dir,
            asyncio.get_running_loop().call_soon_threadsafe,
            segment_bytes_max=settings.segment_bytes_max,
            segment_age_max_s=settings.segment_age_max_s,
            free_bytes_min=settings.free_bytes_min,
            retention=Retention(
                age_max_s=age_max_s or None,
                bytes_max=bytes_max or None,
                positions=lambda: self._positions(self.journal.log),
                keeps_from=lambda: None if self.cluster is None else self.cluster.keeps_from,
                report=self.log.event,
            ),
            report=self.log.event,
            disk=self._disk,
        )
        self._opened.callback(self.journal.close)  # last: another server would run the same outputs
        if replicated is not None:
            self.cluster = Cluster(replicated, self.journal, data_dir, self.log.event)
            self._opened.push_async_callback(asyncio.to_thread, self.cluster.close)
            self.cluster.open_copy(self.settings, lambda: self._positions(self._readable))
        self._readable = self.journal.log if self.cluster is None else self.cluster.log
        self._turns = Turns(lambda: self._pending_bytes() >= PENDING_BYTES_MAX)
        self.journal.on_commit.append(self._turns.advanced)
        for note in self.journal.recovered.notes:
            self.log.warning(f"recovery: {note}")

    def _pending_bytes(self) -> int:
        replicating = 0 if self.cluster is None else self.cluster.replication.pending_bytes
        return self.journal.pending_bytes + replicating

    def _positions(self, log: object) -> dict[str, int]:
        """The next sequence of each output that reads `log`."""
        return {runner.name: runner.position for runner in self._runners() if runner.journal is log}

    def _open_keys(self) -> None:
        """Load the keys of stored entries. Raises `OSError`."""
        settings, window_s = self.settings.journal, self.settings.journal.deduplication_window_s
        self._deduplicator = Deduplicator(window_s, settings.deduplication_bytes_max)
        self._keylog = KeyLog(Path(self.settings.data_dir), self._deduplicator, window_s, self.log.event)
        self._keylog.open(log := self.journal.log)
        self._resends = restored(log, settings, self.settings.active_listeners)

    def _watch_over(self) -> None:
        """Construct the parts that watch the others: monitor, source book, alerts, and the requests to them."""
        self.monitor = Monitor(
            self.settings,
            self.journal,
            self.listeners,
            self.outputs,
            log=self._readable,
            deduplicator=self._deduplicator,
            version=logboom.__version__,
            clock=self._clock,
            connections_left=lambda: self.open_files.left,
        )
        self.monitor.cluster = self.cluster
        settings = alerts_settings(self.settings.alerts)
        data_dir, report = Path(self.settings.data_dir), self.log.event
        silent, burst = settings.rules.source_silent, settings.rules.error_burst
        self.sources = SourceBook(
            data_dir,
            lambda: self._readable.end,
            report,
            factor=silent.factor,
            silent_s_min=silent.silent_s_min,
            burst_window_s=burst.window_s,
            clock=self._clock,
        )
        self.source_reader = SourceReader(self._readable, self.sources)
        self.index_service = IndexService(self._readable.folder, self._readable, report)
        self.monitor.index_progress = lambda: self.index_service.progress
        self.monitor.refused = RefusedLines(data_dir, self.settings.refused.bytes_max, report)
        self.monitor.devices = DeviceBook(data_dir, self._readable, report)
        self.device_reader = DeviceReader(self._readable, self.monitor.devices, report)
        self.alerts = Alerts(settings, self.monitor, self.sources, data_dir, report)
        sql = self.monitor.sql = SqlService(self._readable, self.settings.sql, report, self.sql_engine)
        self._opened.callback(sql.close)
        self.packer = self.monitor.packer = PackService(
            self._readable, self.settings.archive, report, sql.pack_columns
        )
        own = (self.source_reader, self.index_service, self.device_reader, self.packer)
        self._readers = (*own, self.alerts.reader)
        self._operations = ServerOperations(self.monitor, self.sources, self.alerts, data_dir, report)
        self._health_socket = HealthSocket(data_dir, lambda: self._operations.health()[1], report)
        self._opened.callback(self._health_socket.close)

    async def _start_outputs(self) -> None:
        for runner in output_runners(self.settings, self.cluster, self._readable, self.log.event):
            await self._start_output(runner)

    async def _start_output(self, runner: OutputRunner) -> None:
        service = OutputService(runner)
        self.outputs[runner.name] = Supervised(service, "output")
        self._opened.push_async_callback(self._stop_output, runner)
        await service.start()

    async def _stop_output(self, runner: OutputRunner) -> None:
        await asyncio.to_thread(runner.stop, max(0.1, self._ends_at - time.monotonic()))

    def _runners(self) -> list[OutputRunner]:
        return [one.service.runner for one in self.outputs.values()]

    async def _tick(self) -> None:
        while True:
            self._operations.tick()
            self._keylog.note(self.journal.answered)
            await asyncio.sleep(TICK_S)

    async def _start_listeners(self) -> None:
        self._tokens = TokenStore(self.settings.tokens_path, self.log.event)
        self._opened.push_async_callback(self._stop_listeners)
        for name, settings in self.settings.active_listeners.items():
            if self._is_left_out(name, settings):
                continue
            exposure = Exposure(self.settings, name, self.log.event)
            exposure.check(has_tokens=len(self._tokens) > 0)
            listener = make_listener(self._context(name, settings))
            self.listeners[name] = Supervised(listener)
            self.journal.on_commit.append(listener.journal_advanced)
            await listener.start()
            exposure.announce_page(listener.ports)
        report_unused((one.service.ports for one in self.listeners.values()), self.log.warning)

    def _is_left_out(self, name: str, settings: ReceiverSettings) -> bool:
        """Return true for a default listener whose extra is missing. Raises `ConfigError` for a configured one."""
        extra = receiver(settings.protocol).extra
        if not extra or not is_missing(extra):
            return False
        if name in self.settings.only or settings != default_listeners().get(name):
            require(extra, f"listener {name}")
        self.log.event("info", f"listener {name} is left out: {advice(extra)}")
        return True

    def _context(self, name: str, settings: ReceiverSettings) -> ListenerContext[Any]:
        holds = receiver(settings.protocol).refusal is Refusal.HOLD
        journal: Journal | ReplicatedJournal | None = self.journal if settings.store else None
        if journal is not None and self.cluster is not None and settings.ack == "replicated":
            journal = self.cluster.way_into(self.journal, patient=holds)
        return ListenerContext(
            name=name,
            settings=settings,
            intake=Intake(
                journal,
                AckLevel(settings.ack),
                self.log.event,
                _intake_limits(settings),
                self._deduplicator,
                resends=self._resends,
                refused=self.monitor.refused,
                holds=receiver(settings.protocol).refusal is Refusal.HOLD,
            ),
            journal=self.journal,
            log=self._readable,
            turns=self._turns,
            connections_left=lambda: self.open_files.left,
            report=self.log.event,
            tokens=self._tokens if self.settings.needs_token(name) else None,
            operations=self._operations,
        )

    def reload(self, load_settings: Callable[[], Settings]) -> None:
        """Apply the settings marked as `RELOADED`; outputs reopen their files.

        An invalid configuration changes nothing. Settings that need a restart are logged.
        """
        try:
            fresh = load_settings()
            make_outputs(fresh.outputs, Path(fresh.data_dir))  # validates them
            wanted = _typed(fresh)
        except ConfigError as error:
            self.log.error(f"reload: nothing was changed: {error}")
            return
        take_over(self.settings, fresh)
        self.settings.alerts = with_own_rules(self.settings.alerts, fresh.alerts)
        if hasattr(self, "alerts"):
            self.alerts.configure(wanted["alerts"])
        for name, supervised in self.listeners.items():
            settings = self.settings.listeners[name]
            supervised.service.configure(settings)
            supervised.service.intake.limits = _intake_limits(settings)
        for runner in self._runners():
            runner.reopen()
        waiting = ", ".join(differences(_typed(self.settings), wanted))
        self.log.event("info", f"reloaded; these wait for a restart: {waiting}" if waiting else "reloaded")

    def is_alive(self) -> bool:
        """Return whether the journal's writer is working, for the watchdog."""
        return self.stopping.is_set() or (self.journal.alive and self.journal.stuck_s < STUCK_S_MAX)

    async def stop(self) -> None:
        """Close what was opened, upstream first, all within `shutdown_s`. Idempotent."""
        self._ends_at = time.monotonic() + self.settings.shutdown_s
        await self._opened.aclose()

    async def _stop_listeners(self) -> None:
        """Accept nothing more on any listener, then answer what was received."""
        listeners = [supervised.service for supervised in self.listeners.values()]
        for listener in listeners:
            listener.stop()
        for listener in listeners:
            await listener.drain(max(0.0, self._ends_at - time.monotonic()))
        await asyncio.sleep(0)  # the connections' last callbacks

    async def _finish_journal(self) -> None:
        """Commit what was submitted, and save its keys."""
        await asyncio.to_thread(self.journal.finish)
        await asyncio.sleep(0)  # the receipts of the last group
        self._keylog.note(self.journal.answered)

    async def _close_readers(self) -> None:
        """Let the journal's readers see its end, for `LAST_LOOK_S` each."""
        for reader in (self.packer, self.source_reader, self.index_service, self.device_reader, self.alerts):
            await asyncio.to_thread(reader.close, LAST_LOOK_S)


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _intake_limits(settings: ReceiverSettings) -> IntakeLimits:
    limiter = None
    if settings.rate_limit_enabled:
        limiter = FixedWindowLimiter(settings.rate_limit_requests_max, settings.rate_limit_window_s)
    throttle = None
    if settings.bytes_per_s_max or settings.lines_per_s_max:
        throttle = Throttle(settings.bytes_per_s_max, settings.lines_per_s_max)
    level_min = severity(settings.level_min) if settings.level_min else None
    return IntakeLimits(limiter, level_min, throttle, settings.duplicates)


def _typed(settings: Settings) -> dict[str, Any]:
    """All settings with typed tables for outputs and alerts. Raises `ConfigError`."""
    outputs = {name: output_settings(name, table) for name, table in settings.outputs.items()}
    alerts = alerts_settings(settings.alerts)
    return {**msgspec.structs.asdict(settings), "outputs": outputs, "alerts": alerts}
