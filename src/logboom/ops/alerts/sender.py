"""Brings messages to one target, each on a thread of its own: one that is away delays nobody but itself."""

import threading
from collections.abc import Callable
from typing import Final

from logboom.model import Report
from logboom.ops.alerts.engine import Alert, Change, Key
from logboom.ops.alerts.messages import Message
from logboom.ops.alerts.outbox import Outbox, Untold

RETRY_S: Final = (5.0, 30.0, 120.0, 600.0)
"""Pauses before further tries, the last one again and again. A service that restarts is back soon; one that is
away for a night is still told what happened meanwhile."""

Send = Callable[[str, Message], str | None]
"""Sends to a URL; returns why that failed, None when it did not."""


def send_now(url: str, message: Message) -> str | None:
    """Send with Apprise, which is loaded only now."""
    from logboom.ops.alerts.targets import send  # noqa: PLC0415 - half a second, for those who have something to send

    return send(url, message)


class TargetSender:
    """Tells one target what changes, until it has taken it. Any thread may call any method.

    Args:
        name: of the target, without secrets.
        url: of the target.
        outbox: what it is to be told.
        report: told when it takes no messages, and when it does again.
        send: see `Send`.
    """

    def __init__(self, name: str, url: str, outbox: Outbox, report: Report, *, send: Send = send_now) -> None:
        self.name = name
        self.trouble: str | None = None
        """Why it did not take the last message, without secrets; None: it did."""
        self.sent = self.failed = 0
        """Messages that it took, and tries that it did not, since the start."""
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
        """Alerts of which it has still to be told something."""
        with self._lock:
            return self._outbox.waiting

    def put(self, changes: list[Change], wall: float) -> None:
        """Tell what has changed, at the next call of `tell`. For the arguments see there."""
        with self._lock:
            self._outbox.put(changes, wall)
            self._changed = self._changed or bool(changes)

    def tell(
        self, changes: list[Change], firing: list[Alert], now: float, wall: float, *, at_once: bool = False
    ) -> None:
        """Tell what has changed, or what waits since its last try; to be called about once a second. Never blocks.

        Args:
            changes: since the last call.
            firing: all that fire now.
            now: seconds, monotonic.
            wall: seconds since the epoch.
            at_once: do not wait for the time of the next try.
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
            except RuntimeError as error:  # there is no thread to be had
                reason = str(error)
                before = self._settle(reason, now)
            else:
                self._thread = thread
                return
        self._tell_log(message, before, reason)

    def _deliver(self, message: Message, now: float) -> None:
        try:
            reason = self._send(self._url, message)
        except Exception as error:  # noqa: BLE001 - such as a library that can't be loaded: tried again like the rest
            reason = type(error).__name__
        with self._lock:
            before = self._settle(reason, now)
        self._tell_log(message, before, reason)

    def _settle(self, reason: str | None, now: float) -> str | None:
        """Note how a try went; returns the trouble before it. To be called with the lock."""
        before, self.trouble = self.trouble, reason
        self._thread = None
        self._changed = True
        if reason is None:
            self.sent += 1
            self._tries, self._next_at = 0, 0.0
            self._outbox.told(now)
        else:
            self.failed += 1
            self._next_at = now + RETRY_S[min(self._tries, len(RETRY_S) - 1)]
            self._tries += 1
            self._outbox.failed()
        return before

    def _tell_log(self, message: Message, before: str | None, reason: str | None) -> None:
        if reason is not None and before is None:
            text = f"alerts: {self.name} did not take “{message.title}”: {reason}; it is tried again"
            self._report("warning", text)
        elif reason is None and before is not None:
            self._report("info", f"alerts: {self.name} takes messages again")

    def wait(self, timeout_s: float) -> None:
        """Until what is on the way has arrived, or has not; for `timeout_s` at most."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout_s)

    def drop(self, key: Key) -> None:
        """Do not tell of an alert any more."""
        with self._lock:
            self._outbox.drop(key)
            self._changed = True

    # --- over a restart ---

    def has_changed(self) -> bool:
        """Whether `untold` gives something else than at the last question."""
        with self._lock:
            changed, self._changed = self._changed, False
            return changed

    def untold(self) -> Untold:
        """What it has still to be told."""
        with self._lock:
            return self._outbox.untold()

    def restore(self, untold: Untold) -> None:
        """Go on from what `untold` gave."""
        with self._lock:
            self._outbox.restore(untold)
