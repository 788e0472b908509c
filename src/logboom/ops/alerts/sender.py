"""Delivery of notifications to one target, each on its own thread, so that an unreachable target delays no other."""

import threading
from collections.abc import Callable
from typing import Final

from logboom.errors import ConfigError
from logboom.model import Report
from logboom.ops.alerts.alert_settings import AlertsSettings
from logboom.ops.alerts.lifecycle import Alert, Change, Key
from logboom.ops.alerts.names import target_names
from logboom.ops.alerts.notification import Message
from logboom.ops.alerts.outbox import Backlog, Outbox

RETRY_S: Final = (5.0, 30.0, 120.0, 600.0)
"""Delays before retries; the last one repeats, so that a target that is unreachable for hours gets all changes."""

Send = Callable[[str, Message], str | None]
"""Function that sends to a URL, and returns the reason of a failure or None."""


def send_now(url: str, message: Message) -> str | None:
    """Send with Apprise, which is imported at the first call."""
    from logboom.ops.alerts.targets import send  # noqa: PLC0415 - takes half a second

    return send(url, message)


def check_targets(settings: AlertsSettings) -> None:
    """Check that Apprise supports each target; importing it takes half a second.

    Raises:
        ConfigError: a target is not supported.
    """
    if not settings.urls:
        return
    from logboom.ops.alerts.targets import is_known  # noqa: PLC0415 - takes half a second

    for name, url in zip(target_names(settings.urls), settings.urls, strict=True):
        if not is_known(url):
            raise ConfigError(
                f"{settings.place_of(url)}: {name} is not supported by Apprise, or lacks a part; "
                "see its documentation"
            )


class TargetSender:
    """Sends changes to one target, with retries. Any thread may call any method.

    Args:
        name: name of the target, without secrets.
        url: URL of the target.
        outbox: undelivered changes.
        report: logs when the target stops accepting messages, and when it accepts them again.
        send: see `Send`.
    """

    def __init__(self, name: str, url: str, outbox: Outbox, report: Report, *, send: Send = send_now) -> None:
        self.name = name
        self.trouble: str | None = None
        """Reason for which the last message failed, without secrets; None after a success."""
        self.sent = self.failed = 0
        """Numbers of delivered messages and of failed attempts, since the start."""
        self._url = url
        self._outbox = outbox
        self._report = report
        self._send = send
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._tries = 0
        self._next_at = 0.0
        self._changed = False

    @property
    def waiting(self) -> int:
        """Number of alerts with an undelivered change."""
        with self._lock:
            return self._outbox.waiting

    def put(self, changes: list[Change], wall: float) -> None:
        """Add changes for the next call of `notify`; see there for the arguments."""
        with self._lock:
            self._outbox.put(changes, wall)
            self._changed = self._changed or bool(changes)

    def notify(
        self, changes: list[Change], firing: list[Alert], now: float, wall: float, *, at_once: bool = False
    ) -> None:
        """Start delivery of new and waiting changes; to be called about once per second. Never blocks.

        Args:
            changes: changes since the last call.
            firing: firing alerts.
            now: seconds, monotonic.
            wall: seconds since the epoch.
            at_once: do not wait for the time of the next attempt.
        """
        self.put(changes, wall)
        with self._lock:
            early = now < self._next_at and not at_once
            if self._thread is not None or early or not self._outbox.due(now):
                return
            message = self._outbox.take(firing, wall)
            thread = threading.Thread(
                target=self._deliver, args=(message, now), name=f"alerts-{self.name}", daemon=True
            )
            try:
                thread.start()
            except RuntimeError as error:  # no further thread is possible
                reason = str(error)
                before = self._settle(reason, now)
            else:
                self._thread = thread
                return
        self._log(message, before, reason)

    def send_now(self, message: Message) -> str | None:
        """Send a message, whatever waits; return the reason of a failure, without secrets, or None."""
        try:
            return self._send(self._url, message)
        except Exception as error:  # noqa: BLE001 - such as a failed import: retried like the rest
            return type(error).__name__

    def _deliver(self, message: Message, now: float) -> None:
        reason = self.send_now(message)
        with self._lock:
            before = self._settle(reason, now)
        self._log(message, before, reason)

    def _settle(self, reason: str | None, now: float) -> str | None:
        """Record the result of an attempt, and return the previous trouble. The caller holds the lock."""
        before, self.trouble = self.trouble, reason
        self._thread = None
        self._changed = True
        if reason is None:
            self.sent += 1
            self._tries, self._next_at = 0, 0.0
            self._outbox.delivered(now)
        else:
            self.failed += 1
            self._next_at = now + RETRY_S[min(self._tries, len(RETRY_S) - 1)]
            self._tries += 1
            self._outbox.failed()
        return before

    def _log(self, message: Message, before: str | None, reason: str | None) -> None:
        if reason is not None and before is None:
            text = f"alerts: {self.name} did not accept “{message.title}”: {reason}; it will be retried"
            self._report("warning", text)
        elif reason is None and before is not None:
            self._report("info", f"alerts: {self.name} accepts messages again")

    def wait(self, timeout_s: float) -> None:
        """Wait for the end of a delivery, at most `timeout_s`."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout_s)

    def drop(self, key: Key) -> None:
        """Drop the changes of an alert."""
        with self._lock:
            self._outbox.drop(key)
            self._changed = True

    # --- state for the next start ---

    def has_changed(self) -> bool:
        """Return whether the outbox has changed since the last call."""
        with self._lock:
            changed, self._changed = self._changed, False
            return changed

    def backlog(self) -> Backlog:
        """Content of the outbox."""
        with self._lock:
            return self._outbox.backlog()

    def restore(self, backlog: Backlog) -> None:
        """Restore the content of the outbox."""
        with self._lock:
            self._outbox.restore(backlog)
