"""Composition root: constructs all parts from the settings, connects, runs, and stops them in order."""

import asyncio
import errno
import gc
import signal
import time
import traceback
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import msgspec

import logboom
from logboom.cluster.cluster_settings import check_acks, cluster_settings
from logboom.cluster.membership import Cluster
from logboom.config import default_listeners, differences, take_over
from logboom.errors import ConfigError
from logboom.extras import advice, is_missing, require
from logboom.formats.levels import severity
from logboom.journal.disk import Disk
from logboom.journal.journal import AckLevel, Journal
from logboom.journal.log import Log
from logboom.journal.retention import Retention
from logboom.ops.alerts.alert_settings import alerts_settings, with_own_rules
from logboom.ops.alerts.service import Alerts
from logboom.ops.health import health_document
from logboom.ops.health_socket import HealthSocket
from logboom.ops.index_service import IndexService
from logboom.ops.monitor import TICK_S, Monitor
from logboom.ops.oplog import OperationalLog
from logboom.ops.server_operations import ServerOperations
from logboom.ops.source_book import SourceBook
from logboom.ops.source_reader import SourceReader
from logboom.ops.supervisor import Service, Supervised, supervise
from logboom.ops.systemd import ServiceNotifier
from logboom.outputs.registry import make_outputs, output_settings
from logboom.outputs.runner import OutputRunner
from logboom.outputs.thread_service import OutputService
from logboom.pipeline.deduplicator import Deduplicator
from logboom.pipeline.intake import Intake, IntakeLimits, Store
from logboom.pipeline.keylog import KeyLog
from logboom.pipeline.limiter import FixedWindowLimiter
from logboom.pipeline.open_files import OpenFiles
from logboom.pipeline.throttle import Throttle
from logboom.pipeline.tokens import ADVICE, TokenStore
from logboom.pipeline.turns import Turns
from logboom.receivers.base import Refusal
from logboom.receivers.registry import receiver
from logboom.servers.listener import Listener, ListenerContext
from logboom.servers.page_urls import page_urls
from logboom.servers.registry import make_listener
from logboom.settings import ListenerSettings, ReceiverSettings, Settings

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
        self._tasks: list[asyncio.Task[None]] = []
        self.cluster: Cluster | None = None
        self.open_files = OpenFiles(lambda: [one.service.intake.counters for one in self.listeners.values()])

    async def start(self) -> None:
        """Open the journal, start the outputs, then the listeners: downstream first.

        Raises:
            LogboomError: a part can't be started; the started ones are stopped again.
        """
        started = time.perf_counter()
        self.log.event("start", f"Logboom {logboom.__version__} starting, data in {self.settings.data_dir}")
        try:
            self._open_journal()
            self._open_keys()
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
            self._health_socket = HealthSocket(
                Path(self.settings.data_dir), lambda: health_document(self.monitor)[1], self.log.event
            )
            self._watch_over()
            self._operations = ServerOperations(self.monitor, self.sources, self.alerts)
            self._tokens = TokenStore(self.settings.tokens_path, self.log.event)
            if self.cluster is not None and self._replicates:
                await self.cluster.require_safe()
            await self._start_outputs()
            await self._start_listeners()
            for one in (self.source_reader, self.index_service, self.alerts.reader):
                await one.start()
            if few := self.open_files.started():
                self.log.warning(few)
        except BaseException as error:
            await self.stop()
            if isinstance(error, OSError) and error.errno == errno.EMFILE:
                raise ConfigError("too many open files: raise the limit with `ulimit -n`") from error
            raise
        supervised: list[Supervised[Service]] = [*self.listeners.values(), *self.outputs.values()]
        tasks = (self.source_reader, self.index_service, self.alerts, self.alerts.reader)
        supervised += [Supervised(one, "task") for one in tasks]
        if self.cluster is not None:
            supervised.append(Supervised(self.cluster, "task"))
        self._tasks = [asyncio.create_task(supervise(one, self.log.event)) for one in supervised]
        self._tasks.append(asyncio.create_task(self._tick()))
        await self._health_socket.start()
        gc.collect()
        gc.freeze()  # existing objects stay: the collector need not examine them again
        self.log.event("info", f"ready in {time.perf_counter() - started:.3f} s")

    def _open_journal(self) -> None:
        settings, data_dir = self.settings.journal, Path(self.settings.data_dir)
        replicated = cluster_settings(self.settings.cluster)
        check_acks(self.settings, replicated)
        age_max_s, bytes_max = settings.retention_age_s, settings.retention_bytes_max
        if replicated is not None and replicated.follow:  # the copy has them
            age_max_s, bytes_max = replicated.spool_age_s, 0
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
        if replicated is not None:
            require("cluster", "[cluster]")
            self.cluster = Cluster(replicated, self.journal, data_dir, self.log.event)
            self.cluster.open_copy(settings, lambda: self._positions(self._readable))
        self._readable = self.journal.log if self.cluster is None else self.cluster.log
        self._readable_folder = self.journal.folder if self.cluster is None else self.cluster.folder
        self._turns = Turns(lambda: self._pending_bytes() >= PENDING_BYTES_MAX)
        self.journal.on_commit.append(self._turns.advanced)
        for note in self.journal.recovered.notes:
            self.log.warning(f"recovery: {note}")

    @property
    def _replicates(self) -> bool:
        """True if a listener answers only for what the cluster has."""
        return any(one.ack == "replicated" for one in self.settings.active_listeners.values())

    def _pending_bytes(self) -> int:
        replicating = 0 if self.cluster is None else self.cluster.replication.pending_bytes
        return self.journal.pending_bytes + replicating

    def _positions(self, log: Log) -> dict[str, int]:
        """The next sequence of each output that reads `log`."""
        return {runner.name: runner.position for runner in self._runners() if runner.journal is log}

    def _open_keys(self) -> None:
        """Load the keys of stored entries. Raises `OSError`."""
        settings, data_dir = self.settings.journal, Path(self.settings.data_dir)
        window_s = settings.deduplication_window_s
        self._deduplicator = Deduplicator(window_s, settings.deduplication_bytes_max)
        self._keylog = KeyLog(data_dir, self._deduplicator, window_s, self.log.event)
        self._keylog.open(self.journal.log)

    def _watch_over(self) -> None:
        """Construct the source book and the alerts."""
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
        self.index_service = IndexService(self._readable_folder, self._readable, report)
        self.monitor.index_progress = lambda: self.index_service.progress
        self.alerts = Alerts(settings, self.monitor, self.sources, data_dir, report)

    async def _start_outputs(self) -> None:
        outputs = make_outputs(self.settings.outputs, Path(self.settings.data_dir))
        for name, output in outputs.items():
            runner = OutputRunner(name, output, self._readable, self.log.event)
            self.outputs[name] = Supervised(OutputService(runner), "output")
        if self.cluster is not None:
            self.outputs[self.cluster.name] = Supervised(OutputService(self.cluster.runner), "output")
        for supervised in self.outputs.values():
            await supervised.service.start()

    def _runners(self) -> list[OutputRunner]:
        return [one.service.runner for one in self.outputs.values()]

    async def _tick(self) -> None:
        while True:
            self.monitor.tick()
            self._keylog.note(self.journal.answered)
            self._operations.look_again()
            await asyncio.sleep(TICK_S)

    async def _start_listeners(self) -> None:
        for name, settings in self.settings.active_listeners.items():
            if self._is_left_out(name, settings):
                continue
            if isinstance(settings, ListenerSettings):
                self._check_access(name, settings)
            listener = make_listener(self._context(name, settings))
            self.listeners[name] = Supervised(listener)
            self.journal.on_commit.append(listener.journal_advanced)
            await listener.start()
            if isinstance(settings, ListenerSettings) and settings.serves_entries:
                self._announce_page(name, settings, listener.ports[0])

    def _announce_page(self, name: str, settings: ListenerSettings, port: int) -> None:
        """Log the URL of the page, and the token that it requires."""
        urls = " or ".join(page_urls(settings, port))
        hint = "; it asks for a token with the scope read: logboom token add NAME --scope read"
        self.log.event("info", f"the page is at {urls}{hint if self.settings.needs_token(name) else ''}")

    def _is_left_out(self, name: str, settings: ReceiverSettings) -> bool:
        """Return true for a default listener whose extra is missing. Raises `ConfigError` for a configured one."""
        extra = receiver(settings.protocol).extra
        if not extra or not is_missing(extra):
            return False
        if name in self.settings.only or settings != default_listeners().get(name):
            require(extra, f"listener {name}")
        self.log.event("info", f"listener {name} is left out: {advice(extra)}")
        return True

    def _check_access(self, name: str, settings: ListenerSettings) -> None:
        """Refuse a listener that would be open to a network unintentionally. Raises `ConfigError`."""
        where = f"listener {name} on {settings.host}"
        if self.settings.needs_token(name):
            if not len(self._tokens) and getattr(settings, "health_open", False):
                self.log.event("info", f"{where}: health and metrics only, until there is a token; {ADVICE}")
                return
            if not len(self._tokens):
                raise ConfigError(
                    f"{where}: clients need a token, and there is none. Make one with `logboom token add NAME`, "
                    f"{_instead_of_a_token(settings)}"
                )
            if not (settings.tls_cert or settings.on_loopback):
                self.log.warning(f"{where}: tokens and entries are not encrypted; set tls_cert and tls_key")
        elif settings.serves_entries and not settings.on_loopback:
            if not self.settings.insecure:
                raise ConfigError(
                    f"{where}: open to the network without a token; set auth to `token`, "
                    "or start with --insecure where you trust the network"
                )
            self.log.warning(
                f"{where}: open to the network: every client that reaches it can read every entry"
            )

    def _context(self, name: str, settings: ReceiverSettings) -> ListenerContext[Any]:
        holds = receiver(settings.protocol).refusal is Refusal.HOLD
        journal: Store | None = self.journal if settings.store else None
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
                holds=holds,
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

    async def _finish_journal(self) -> None:
        """Commit what was submitted, and save its keys."""
        await asyncio.to_thread(self.journal.finish)
        await asyncio.sleep(0)  # the receipts of the last group
        if hasattr(self, "_keylog"):
            self._keylog.note(self.journal.answered)

    def _stop_readers(self, deadline: float) -> None:
        """Stop what reads the journal; blocks."""
        if hasattr(self, "alerts"):
            self.source_reader.close(LAST_LOOK_S)
            self.index_service.close(LAST_LOOK_S)
            self.alerts.close(LAST_LOOK_S)
        for runner in self._runners():
            runner.stop(max(0.1, deadline - time.monotonic()))
        if self.cluster is not None:
            self.cluster.close()

    def is_alive(self) -> bool:
        """Return whether the journal's writer is working, for the watchdog."""
        return self.stopping.is_set() or (self.journal.alive and self.journal.stuck_s < STUCK_S_MAX)

    async def stop(self) -> None:
        """Stop upstream first: listeners, then connections, journal, outputs; all within `shutdown_s`."""
        deadline = time.monotonic() + self.settings.shutdown_s
        if hasattr(self, "monitor"):
            self.monitor.draining = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        listeners = [supervised.service for supervised in self.listeners.values()]
        for listener in listeners:
            listener.stop()
        for listener in listeners:
            await listener.drain(max(0.0, deadline - time.monotonic()))
        await asyncio.sleep(0)  # the connections' last callbacks
        if hasattr(self, "journal"):
            await self._finish_journal()
        await asyncio.to_thread(self._stop_readers, deadline)
        if hasattr(self, "monitor"):
            self._health_socket.close()
        if hasattr(self, "journal"):
            self.journal.close()  # last: another server would run the same outputs
        self.log.event("info", "stopped")
        self.log.close()


def _instead_of_a_token(settings: ListenerSettings) -> str:
    """Alternatives for a listener that requires a token when there is none."""
    if settings.auth == "auto":
        return "bind it to 127.0.0.1, or start with --insecure where you trust the network"
    if settings.serves_entries and not settings.on_loopback:
        return "or bind it to 127.0.0.1 and set its auth to `auto`"
    return "or set its auth to `auto`, which asks for none here"


def _intake_limits(settings: ReceiverSettings) -> IntakeLimits:
    limiter = None
    if settings.rate_limit_enabled:
        limiter = FixedWindowLimiter(settings.rate_limit_requests_max, settings.rate_limit_window_s)
    throttle = None
    if settings.bytes_per_s_max or settings.lines_per_s_max:
        throttle = Throttle(settings.bytes_per_s_max, settings.lines_per_s_max)
    return IntakeLimits(limiter, severity(settings.level_min) if settings.level_min else None, throttle)


def _typed(settings: Settings) -> dict[str, Any]:
    """All settings with typed tables for outputs and alerts. Raises `ConfigError`."""
    outputs = {name: output_settings(name, table) for name, table in settings.outputs.items()}
    alerts = alerts_settings(settings.alerts)
    return {**msgspec.structs.asdict(settings), "outputs": outputs, "alerts": alerts}


async def serve(app: App, load_settings: Callable[[], Settings]) -> None:
    """Run until SIGTERM or SIGINT; SIGHUP reloads with `load_settings`. A service manager is notified."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: app.log.event("fatal", _describe(context)))
    with closing(ServiceNotifier(report=app.log.event)) as notifier:

        def reload() -> None:
            with notifier.reloading():
                app.reload(load_settings)

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, app.stopping.set)
        loop.add_signal_handler(signal.SIGHUP, reload)
        await app.start()
        notifier.status(f"serving {', '.join(app.listeners)}")
        notifier.ready()
        watching = asyncio.create_task(notifier.watch(app.is_alive))
        await app.stopping.wait()
        notifier.stopping()
        app.log.event("info", "stopping: finishing what is in flight")
        await app.stop()
        watching.cancel()


def _describe(context: dict[str, Any]) -> str:
    """Text of an unhandled error with its traceback, as it is a bug."""
    error = context.get("exception")
    place = "".join(traceback.format_exception(error)) if error is not None else ""
    return f"{context.get('message', 'unexpected error')} {place}"
