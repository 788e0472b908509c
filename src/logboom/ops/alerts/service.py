"""Alerts as the server runs them: look, decide, tell the log and the targets, remember over a restart."""

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
from logboom.ops.alerts.engine import FIRING, RESOLVED, Alert, Change, Engine, Key
from logboom.ops.alerts.names import target_names
from logboom.ops.alerts.outbox import Outbox, Untold
from logboom.ops.alerts.rules import Rules, Space, burst_key, disk_space, silence_key
from logboom.ops.alerts.sender import Send, TargetSender, send_now
from logboom.ops.alerts.settings import CRITICAL, AlertsSettings
from logboom.ops.monitor import Monitor
from logboom.ops.sources import SourceBook

CHECK_INTERVAL_S: Final = 1.0
"""How often the rules are looked at: some counters, and a comparison a source."""

FILE_NAME: Final = "alerts.json"
VERSION: Final = 1


class _File(msgspec.Struct):
    version: int
    alerts: list[Any]
    untold: dict[str, Untold] | None = None
    """By target; None: written by a server that did not keep it."""


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
        self._book = book
        self._path = data_dir / FILE_NAME
        self._report = report
        self._rules = Rules(settings.rules, monitor, book, space)
        self._engine = Engine()
        self._lock = threading.Lock()  # around the engine: it is asked on other threads than it works on
        self._looking = threading.Lock()  # around a look and what follows: nothing is forgotten in between
        label = label_of(settings, monitor.settings.name)
        self.targets = [
            TargetSender(name, url, Outbox(label, settings.per_hour_max), report, send=send)
            for name, url in zip(target_names(settings.notify), settings.notify, strict=True)
        ]
        """Who is told."""
        self._unsaved = self._failing = False
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
        """Try to send what waits, for `deadline_s` at most; what is not told by then is kept. Idempotent."""
        deadline = time.monotonic() + deadline_s
        for target in self.targets:
            target.tell([], self.firing(), self._monitor.clock(), self._monitor.wall(), at_once=True)
        for target in self.targets:
            target.wait(max(0.0, deadline - time.monotonic()))
        if self._looking.acquire(timeout=max(0.0, deadline - time.monotonic())):  # a look may hang at a disk
            try:
                self._save()
            finally:
                self._looking.release()

    # --- work ---

    def check(self) -> None:
        """Look at all rules once, and tell what has changed. Not for the event loop: it writes a file."""
        with self._looking:
            conditions = self._rules.conditions()
            now, wall = self._monitor.clock(), self._monitor.wall()
            with self._lock:
                changes = self._engine.evaluate(conditions, now, wall)
                firing = self._engine.firing()
            for change in changes:
                self._report(_kind(change), f"alert: {change.text}")
            for target in self.targets:
                target.tell(changes, firing, now, wall)
            self._unsaved = self._unsaved or bool(changes)
            self._save()

    def forget_source(self, listener: str, name: str) -> bool:
        """Wait for a source no more, and end its alerts without a word. False: there is no such source."""
        with self._looking:
            found = self._book.forget(listener, name)
            if found:
                self._dismiss([silence_key(listener, name), burst_key(listener, name)])
                self._save()
        return found

    def _dismiss(self, keys: list[Key]) -> None:
        for key in keys:
            with self._lock:
                self._engine.dismiss(key, self._monitor.wall())
            for target in self.targets:
                target.drop(key)
        self._unsaved = True

    def firing(self) -> list[Alert]:
        """Those that fire now, the critical ones first."""
        with self._lock:
            return self._engine.firing()

    def document(self) -> dict[str, Any]:
        """`/api/alerts`."""
        with self._lock:
            alerts = [_described(alert) for alert in self._engine.shown()]
        notify = [{"name": one.name, "trouble": one.trouble, "waiting": one.waiting} for one in self.targets]
        return {"enabled": self._settings.enabled, "alerts": alerts, "notify": notify}

    # --- the file ---

    def _load(self) -> None:
        try:
            file = msgspec.json.decode(self._path.read_bytes(), type=_File)
            if file.version == VERSION:
                self._restore(file)
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            self._report("warning", f"alerts: what fired before can't be read, and is told again: {error}")

    def _restore(self, file: _File) -> None:
        now, wall = self._monitor.clock(), self._monitor.wall()
        self._engine.restore(file.alerts, now)
        firing = [Change(FIRING, alert, alert.text) for alert in self._engine.firing()]
        if file.untold is not None:
            for target in self.targets:
                untold = file.untold.get(target.name)
                if untold is not None:
                    target.restore(untold)
                else:  # it is new, or its address was mended
                    target.put(firing, wall)
        for silence in self._rules.ignored():  # it was told, before it was to be ignored
            self._dismiss([silence_key(silence.listener, silence.name)])

    def _save(self) -> None:
        """Keep what has changed. Trouble is told once, and tried again with each look."""
        if not any([target.has_changed() for target in self.targets] + [self._unsaved]):
            return
        with self._lock:
            kept = self._engine.kept()
        untold = {target.name: target.untold() for target in self.targets}
        try:
            replace_file(self._path, [msgspec.json.encode(_File(VERSION, kept, untold)), b"\n"])
            self._unsaved = self._failing = False
        except OSError as error:
            if not self._failing:
                self._report("warning", f"alerts can't be kept: {error.strerror or error}")
            self._unsaved = self._failing = True


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
