"""The alert service: evaluates the rules, notifies log and targets, and keeps its state over restarts."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from logboom.errors import ConfigError
from logboom.journal.log import Log
from logboom.model import Report
from logboom.ops.alerts.alert_documents import (
    alert_document,
    built_in_documents,
    ended_document,
    mute_document,
    target_document,
    trial_document,
)
from logboom.ops.alerts.alert_file import VERSION, AlertFile, AlertState
from logboom.ops.alerts.alert_settings import BUILT_IN, AlertsSettings, QueryRule, query_rule
from logboom.ops.alerts.lifecycle import RESOLVED, Alert, Change, Engine, Key
from logboom.ops.alerts.muting import MUTE_S_MAX, MUTES_MAX, Mute, Muting
from logboom.ops.alerts.notification import trial_message
from logboom.ops.alerts.outbox import Outbox
from logboom.ops.alerts.query_rules import QueryRules
from logboom.ops.alerts.rule_book import RuleBook
from logboom.ops.alerts.rule_reader import RuleReader
from logboom.ops.alerts.rule_trial import try_rule
from logboom.ops.alerts.rules import Rules, Space, burst_key, disk_space, silence_key
from logboom.ops.alerts.sender import Send, TargetSender, send_now
from logboom.ops.alerts.severity import CRITICAL
from logboom.ops.alerts.target_set import TargetSet
from logboom.ops.monitor import Monitor
from logboom.ops.source_book import SourceBook

CHECK_INTERVAL_S: Final = 1.0
"""Interval of evaluating the rules; it costs some counters, and a comparison per source."""

TRIAL_S: Final = 7 * 86400.0
"""Time over which a rule is tried where no begin is given."""


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
        self._file = AlertFile(data_dir, report)
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
        self._muting = Muting()
        self._rule_book = RuleBook(settings, data_dir, report)
        rules = self._rule_book.rules() if settings.enabled else {}
        self._targets.configure(rules, self._rule_book.lost())
        self._query_rules = QueryRules(
            rules,
            data_dir,
            report,
            wall=monitor.wall,
            end=lambda: log.end,
        )
        self.reader = RuleReader(log, self._query_rules)
        """The service that reads the journal for rules with a query."""
        self._fresh_rules: dict[str, QueryRule] | None = None
        self._testing = threading.Lock()
        self._unsaved = False
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
        with self._lock:
            self._rule_book.configure(settings.rules.own)
            self._fresh_rules = self._rule_book.rules()

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
        with self._lock:
            firing = self._muting.notified(self._engine.firing())
        self._targets.notify([], firing, self._monitor.clock(), self._monitor.wall(), at_once=True)
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
                over = self._muting.expire(wall)
                notified = self._muting.let_through(changes, firing, self._engine.keys)
                firing = self._muting.notified(firing)
            for change in changes:
                self._report(_kind(change), f"alert: {change.text}")
            self._targets.notify(notified, firing, now, wall)
            self._unsaved = self._unsaved or over or bool(changes or notified)
            self._save()

    def _take_rules(self) -> None:
        """Apply new rules, and end the alerts of those that are gone without a notification."""
        if self._monitor.journal.failing is not None:
            self._query_rules.blind()
        fresh, self._fresh_rules = self._fresh_rules, None
        if fresh is not None:
            self._dismiss(self._query_rules.configure(fresh))
            with self._lock:
                lost = self._rule_book.lost()
            self._targets.configure(fresh, lost)

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
                self._muting.drop(key)
            self._targets.drop(key)
        self._unsaved = True

    def firing(self) -> list[Alert]:
        """Firing alerts, critical ones first."""
        with self._lock:
            return self._engine.firing()

    def urgent(self) -> list[Alert]:
        """Firing alerts that are neither acknowledged nor muted."""
        with self._lock:
            firing = [one for one in self._engine.firing() if one.acknowledged_at is None]
            return [one for one in firing if self._muting.until(one.key) is None]

    def document(self) -> dict[str, Any]:
        """Return the document of `/api/alerts`."""
        counts = {row["name"]: row["matches"] for row in self._query_rules.document()}
        with self._lock:
            return {
                "enabled": self._settings.enabled,
                "alerts": [alert_document(alert, self._muting) for alert in self._engine.shown()],
                "rules": [
                    {**row, "matches": counts.pop(row["name"], None)} for row in self._rule_book.document()
                ],
                "built_in": built_in_documents(self._settings.rules),
                "mutes": [mute_document(one) for one in self._muting.mutes()],
                "notify": [target_document(one) for one in self.targets],
            }

    def history(self, limit: int) -> dict[str, Any]:
        """Return the document of the alerts that have ended, the newest first, `limit` at most."""
        with self._lock:
            past = self._engine.past()
        return {"alerts": [ended_document(alert) for alert in past[:limit]], "total": len(past)}

    # --- requests of people ---

    def put_rule(self, name: str, table: dict[str, Any], *, is_new: bool) -> None:
        """Make a rule with a query, or replace one; it counts what arrives from now on. See `RuleBook.put`."""
        with self._checking:
            with self._lock:
                self._rule_book.put(name, table, is_new=is_new)
            self._apply_rules()

    def remove_rule(self, name: str) -> None:
        """Remove a rule that was made, and what mutes it; its alert ends without a notification. See `RuleBook`."""
        with self._checking:
            with self._lock:
                self._rule_book.remove(name)
                if name not in self._rule_book.rules():
                    self._unsaved = self._muting.unmute_rule(name) or self._unsaved
            self._apply_rules()
            if self._settings.enabled:
                self._save()

    def _apply_rules(self) -> None:
        with self._lock:
            self._fresh_rules = self._rule_book.rules()
        if self._settings.enabled:
            self._take_rules()

    def try_rule(
        self, log: Log, table: dict[str, Any], since: float | None, give_up: Callable[[], bool]
    ) -> dict[str, Any]:
        """Try a rule over the entries of the past. Raises `ConfigError`.

        Args:
            log: the journal.
            table: settings of the rule.
            since: begin, seconds since the epoch; None: `TRIAL_S` ago.
            give_up: see `rule_trial.try_rule`.
        """
        rule = query_rule("rule", {**table, "targets": []}, "rule", strict=True)
        now = self._monitor.wall()
        return trial_document(try_rule(log, rule, now - TRIAL_S if since is None else since, now, give_up))

    def test_targets(self, names: list[str], rule: str) -> dict[str, str | None] | None:
        """Send a test message to targets, and wait for the answers.

        Args:
            names: of the targets; empty: all.
            rule: name of the rule whose targets they are, or empty.

        Returns:
            By name, the reason of a failure or None; instead of it None while another test is running.

        Raises:
            KeyError: there is no such target.
        """
        known = [target.name for target in self.targets]
        for name in names:
            if name not in known:
                raise KeyError(name)
        if not self._testing.acquire(blocking=False):
            return None
        try:
            message = trial_message(label_of(self._settings, self._monitor.settings.name), rule)
            return self._targets.send_now(names or known, message)
        finally:
            self._testing.release()

    def mute(self, rule: str, subject: str, until: float | None, by: str) -> bool:
        """Mute a rule, or one of its alerts; False: there is no such rule, or nothing to be unmuted.

        Args:
            rule: name of the rule.
            subject: of the alert; empty: all alerts of the rule.
            until: end, seconds since the epoch; None: mute it no longer.
            by: name of the token.

        Raises:
            ConfigError: too much is muted already, or the time is too far ahead, or over.
        """
        self._check_enabled()
        with self._checking, self._lock:
            if until is None:
                found = self._muting.unmute(rule, subject)
            elif found := rule in BUILT_IN or rule in self._rule_book.rules():
                if not 0 < until - self._monitor.wall() <= MUTE_S_MAX:
                    raise ConfigError("until: expected a time within the next 366 days")
                if not self._muting.mute(Mute(rule, subject, until, by)):
                    raise ConfigError(f"{MUTES_MAX} rules and alerts are muted already, which is the limit")
            self._unsaved = self._unsaved or found
        self._save_now()
        return found

    def acknowledge(self, rule: str, subject: str, by: str, *, on: bool) -> bool:
        """Acknowledge a firing alert, or withdraw that; False: it does not fire. Raises `ConfigError`."""
        self._check_enabled()
        with self._checking, self._lock:
            found = self._engine.acknowledge((rule, subject), by, self._monitor.wall() if on else None)
            self._unsaved = self._unsaved or found
        self._save_now()
        return found

    def _check_enabled(self) -> None:
        if not self._settings.enabled:
            raise ConfigError("alerts are off: alerts.enabled is false")

    def _save_now(self) -> None:
        with self._checking:
            self._save()

    # --- the file ---

    def _load(self) -> None:
        try:
            file = self._file.read()
            if file is not None:
                self._restore(file)
        except (OSError, ValueError, RecursionError) as error:
            self._report(
                "warning", f"alerts: the saved state can't be read, and alerts are sent again: {error}"
            )

    def _restore(self, file: AlertState) -> None:
        now, wall = self._monitor.clock(), self._monitor.wall()
        self._engine.restore(file.alerts, now, file.past)
        firing = self._engine.firing()
        self._muting.restore(
            file.mutes, [one.key for one in firing] if file.notified is None else file.notified
        )
        if file.backlogs is not None:
            self._targets.restore(file.backlogs, self._muting.notified(firing), wall)
        for silence in self._rules.ignored():  # it fired before it was configured to be ignored
            self._dismiss([silence_key(silence.listener, silence.name)])

    def _save(self) -> None:
        """Save changes. An error is retried at each evaluation."""
        if not (self._targets.has_changed() or self._unsaved):
            return
        with self._lock:
            kept, past, (mutes, notified) = self._engine.kept(), self._engine.past(), self._muting.kept()
        state = AlertState(VERSION, kept, self._targets.backlogs(), past, mutes, notified)
        self._unsaved = not self._file.write(state)


def label_of(settings: AlertsSettings, server_name: str) -> str:
    """Name of the server in messages."""
    return settings.label or server_name or socket.gethostname()


def _kind(change: Change) -> str:
    """Kind of a change in the operational log."""
    if change.kind == RESOLVED:
        return "info"
    return "error" if change.alert.severity == CRITICAL else "warning"
