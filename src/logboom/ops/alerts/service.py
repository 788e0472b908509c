"""Alerts as the server runs them: look, decide, tell the log and the targets, remember over a restart."""

import asyncio
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from logboom.model import Report
from logboom.ops.alerts.courier import Courier, Send, send_now
from logboom.ops.alerts.engine import RESOLVED, Alert, Change, Engine
from logboom.ops.alerts.messages import Outbox
from logboom.ops.alerts.names import target_names
from logboom.ops.alerts.rules import Rules, Space, disk_space
from logboom.ops.alerts.settings import CRITICAL, AlertsSettings
from logboom.ops.monitor import Monitor
from logboom.ops.sources import SourceBook
from logboom.ops.state_file import replace_file

CHECK_INTERVAL_S: Final = 1.0
"""How often the rules are looked at: some counters, and a comparison a source."""

FILE_NAME: Final = "alerts.json"
VERSION: Final = 1


class _File(msgspec.Struct):
    version: int
    alerts: list[Any]


class Alerts:
    """A service that can be supervised.

    Args:
        settings: checked already.
        monitor: what the server knows of itself.
        book: what it knows of its senders.
        data_dir: where alerts are kept.
        report: the operational log.
        send: sends one message; tests put their own here.
        space: of a disk; tests put their own here.
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
        self._path = data_dir / FILE_NAME
        self._report = report
        self._rules = Rules(settings.rules, monitor, book, space)
        self._engine = Engine()
        self._lock = threading.Lock()  # around the engine: it is asked on other threads than it works on
        self._outbox = Outbox(label_of(settings, monitor.settings.name), settings.per_hour_max)
        names = target_names(settings.notify)
        self._couriers = [
            Courier(name, url, report, send=send) for name, url in zip(names, settings.notify, strict=True)
        ]
        self._failing = False
        if settings.enabled:
            self._load()

    # --- a service, see `ops.supervisor` ---

    async def start(self) -> None:
        """Nothing is to be prepared."""

    async def run(self) -> None:
        """Look at the rules, for ever."""
        while True:
            if self._settings.enabled and not self._monitor.draining:
                await asyncio.to_thread(self.check)
            await asyncio.sleep(CHECK_INTERVAL_S)

    def stop(self) -> None:
        """Nothing is held while it rests."""

    def close(self, deadline_s: float) -> None:
        """Send what waits, for `deadline_s` at most. Idempotent."""
        for courier in self._couriers:
            courier.close(deadline_s / len(self._couriers))

    # --- work ---

    def check(self) -> None:
        """Look at all rules once, and tell what has changed. Not for the event loop: it writes a file."""
        conditions = self._rules.conditions()
        now, wall = self._monitor.clock(), self._monitor.wall()
        with self._lock:
            changes = self._engine.evaluate(conditions, now, wall)
            firing = self._engine.firing()
            kept = self._engine.kept() if changes else []
        for change in changes:
            self._report(_kind(change), f"alert: {change.text}")
        message = self._outbox.message(changes, firing, now)
        if message is not None:
            for courier in self._couriers:
                courier.put(message)
        if changes:
            self._save(kept)

    def document(self) -> dict[str, Any]:
        """`/api/alerts`."""
        with self._lock:
            alerts = [_described(alert) for alert in self._engine.shown()]
        return {"alerts": alerts, "notify": [courier.name for courier in self._couriers]}

    # --- the file ---

    def _load(self) -> None:
        try:
            file = msgspec.json.decode(self._path.read_bytes(), type=_File)
            if file.version == VERSION:
                self._engine.restore(file.alerts, self._monitor.clock())
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            self._report("warning", f"alerts: what fired before can't be read, and is told again: {error}")

    def _save(self, kept: list[dict[str, Any]]) -> None:
        try:
            replace_file(self._path, [msgspec.json.encode(_File(VERSION, kept)), b"\n"])
            self._failing = False
        except OSError as error:
            if not self._failing:
                self._report("warning", f"alerts can't be kept: {error.strerror or error}")
            self._failing = True


def label_of(settings: AlertsSettings, server_name: str) -> str:
    """What messages call the server."""
    return settings.label or server_name or socket.gethostname()


def _kind(change: Change) -> str:
    """The operational log's word."""
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
