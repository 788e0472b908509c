"""The alert service: evaluates the rules, notifies log and targets, and keeps its state over restarts."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from logboom.durable import replace_file
from logboom.model import Report
from logboom.ops.alerts.alert_settings import AlertsSettings, QueryRule
from logboom.ops.alerts.lifecycle import RESOLVED, Alert, Change, Engine, Key
from logboom.ops.alerts.outbox import Backlog, Outbox
from logboom.ops.alerts.query_rules import QueryRules
from logboom.ops.alerts.rule_reader import RuleReader
from logboom.ops.alerts.rules import Rules, Space, burst_key, disk_space, silence_key
from logboom.ops.alerts.sender import Send, TargetSender, send_now
from logboom.ops.alerts.severity import CRITICAL
from logboom.ops.alerts.target_set import TargetSet
from logboom.ops.monitor import Monitor
from logboom.ops.source_book import SourceBook

CHECK_INTERVAL_S: Final = 1.0
"""Interval of evaluating the rules; it costs some counters, and a comparison per source."""

FILE_NAME: Final = "alerts.json"
VERSION: Final = 1


class _File(msgspec.Struct):
    version: int
    alerts: list[Any]
    backlogs: dict[str, Backlog] | None = msgspec.field(default=None, name="untold")
    """Outboxes by target; None in files of older versions."""


class Alerts:
    """The alert service of the server.

    Args:
        settings: validated settings.
        monitor: state of the server.
        book: known sources.
        data_dir: data directory, which has the stored alerts.
        report: writes to the operational log.
        send: sends one message; replaced in tests.
        space: returns the space of a disk; replaced in tests.
    """

    name = "alerts"

    def __init__(
        self,
        settings: AlertsSettings,
        monitor: Monitor,
        book: SourceBook,
        data_dir: Path,
        report: Report,
        *,
        send: Send = send_now,
        space: Callable[[Path], Space] = disk_space,
    ) -> None:
        self._settings = settings
        self._monitor = monitor
        self._book = book
        self._path = data_dir / FILE_NAME
        self._report = report
        self._rules = Rules(settings.rules, monitor, book, space)
        self._engine = Engine()
        self._lock = threading.Lock()  # for the engine, which is queried on other threads
        self._checking = threading.Lock()  # held during an evaluation, so that no source is forgotten in it
        label = label_of(settings, monitor.settings.name)
        self._targets = TargetSet(
            settings,
            lambda name, url: TargetSender(
                name, url, Outbox(label, settings.per_hour_max), report, send=send
            ),
        )
        log = monitor.journal.log
        self._query_rules = QueryRules(
            settings.rules.own if settings.enabled else {},
            data_dir,
            report,
            wall=monitor.wall,
            end=lambda: log.end,
        )
        self.reader = RuleReader(log, self._query_rules)
        """The service that reads the journal for rules with a query."""
        self._fresh_rules: dict[str, QueryRule] | None = None
        self._unsaved = self._failing = False
        if settings.enabled:
            self._load()

    @property
    def targets(self) -> list[TargetSender]:
        """The notification targets."""
        return self._targets.senders

    @property
    def rules(self) -> list[dict[str, Any]]:
        """Rules with a query and their counts."""
        return self._query_rules.document()

    @property
    def skipped(self) -> int:
        """Number of entries that rules with a query did not look at."""
        return self._query_rules.skipped

    def configure(self, settings: AlertsSettings) -> None:
        """Take the rules with a query of other settings, at the next evaluation."""
        self._fresh_rules = settings.rules.own

    # --- a service, see `ops.supervisor` ---

    async def start(self) -> None:
        """Do nothing: no preparation is needed."""

    async def run(self) -> None:
        """Evaluate the rules at intervals, forever."""
        while True:
            if self._settings.enabled and not self._monitor.draining:
                await asyncio.to_thread(self.check)
            await asyncio.sleep(CHECK_INTERVAL_S)

    def stop(self) -> None:
        """Do nothing: no resources are held between evaluations."""

    def close(self, deadline_s: float) -> None:
        """Try to deliver waiting changes for at most `deadline_s`; the rest is stored. Idempotent."""
        deadline = time.monotonic() + deadline_s
        self.reader.close(deadline_s)
        self._targets.notify([], self.firing(), self._monitor.clock(), self._monitor.wall(), at_once=True)
        for target in self.targets:
            target.wait(max(0.0, deadline - time.monotonic()))
        if self._checking.acquire(
            timeout=max(0.0, deadline - time.monotonic())
        ):  # an evaluation may wait for a disk
            try:
                self._save()
            finally:
                self._checking.release()

    # --- work ---

    def check(self) -> None:
        """Evaluate all rules once, and notify changes. It writes a file, so it must not run on the event loop."""
        with self._checking:
            self._take_rules()
            conditions = self._rules.conditions()
            conditions += self._query_rules.conditions({alert.key for alert in self.firing()})
            now, wall = self._monitor.clock(), self._monitor.wall()
            with self._lock:
                changes = self._engine.evaluate(conditions, now, wall)
                firing = self._engine.firing()
            for change in changes:
                self._report(_kind(change), f"alert: {change.text}")
            self._targets.notify(changes, firing, now, wall)
            self._unsaved = self._unsaved or bool(changes)
            self._save()

    def _take_rules(self) -> None:
        """Apply new rules, and end the alerts of those that are gone without a notification."""
        if self._monitor.journal.failing is not None:
            self._query_rules.blind()
        fresh, self._fresh_rules = self._fresh_rules, None
        if fresh is not None:
            self._dismiss(self._query_rules.configure(fresh))
            self._targets.configure(fresh)

    def forget_source(self, listener: str, name: str) -> bool:
        """Forget a source, and end its alerts without a notification. False if it is unknown."""
        with self._checking:
            found = self._book.forget(listener, name)
            if found:
                self._dismiss([silence_key(listener, name), burst_key(listener, name)])
                self._save()
        return found

    def _dismiss(self, keys: list[Key]) -> None:
        for key in keys:
            with self._lock:
                self._engine.dismiss(key, self._monitor.wall())
            self._targets.drop(key)
        self._unsaved = True

    def firing(self) -> list[Alert]:
        """Firing alerts, critical ones first."""
        with self._lock:
            return self._engine.firing()

    def document(self) -> dict[str, Any]:
        """Return the document of `/api/alerts`."""
        with self._lock:
            alerts = [_described(alert) for alert in self._engine.shown()]
        notify = [{"name": one.name, "trouble": one.trouble, "waiting": one.waiting} for one in self.targets]
        return {
            "enabled": self._settings.enabled,
            "alerts": alerts,
            "rules": self._query_rules.document(),
            "notify": notify,
        }

    # --- the file ---

    def _load(self) -> None:
        try:
            file = msgspec.json.decode(self._path.read_bytes(), type=_File)
            if file.version == VERSION:
                self._restore(file)
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            self._report(
                "warning", f"alerts: the saved state can't be read, and alerts are sent again: {error}"
            )

    def _restore(self, file: _File) -> None:
        now, wall = self._monitor.clock(), self._monitor.wall()
        self._engine.restore(file.alerts, now)
        if file.backlogs is not None:
            self._targets.restore(file.backlogs, self._engine.firing(), wall)
        for silence in self._rules.ignored():  # it fired before it was configured to be ignored
            self._dismiss([silence_key(silence.listener, silence.name)])

    def _save(self) -> None:
        """Save changes. An error is logged once, and retried at each evaluation."""
        if not (self._targets.has_changed() or self._unsaved):
            return
        with self._lock:
            kept = self._engine.kept()
        file = _File(VERSION, kept, self._targets.backlogs())
        try:
            replace_file(self._path, [msgspec.json.encode(file), b"\n"])
            self._unsaved = self._failing = False
        except OSError as error:
            if not self._failing:
                self._report("warning", f"alerts can't be saved: {error.strerror or error}")
            self._unsaved = self._failing = True


def label_of(settings: AlertsSettings, server_name: str) -> str:
    """Name of the server in messages."""
    return settings.label or server_name or socket.gethostname()


def _kind(change: Change) -> str:
    """Kind of a change in the operational log."""
    if change.kind == RESOLVED:
        return "info"
    return "error" if change.alert.severity == CRITICAL else "warning"


def _described(alert: Alert) -> dict[str, Any]:
    return {
        "rule": alert.rule,
        "subject": alert.subject,
        "severity": alert.severity,
        "state": alert.state,
        "since": _iso(alert.since),
        "resolved_at": None if alert.resolved_at is None else _iso(alert.resolved_at),
        "text": alert.text,
    }


def _iso(epoch_s: float) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).isoformat(timespec="seconds")
