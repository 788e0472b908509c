"""Outbox of one notification target: keeps changes until they are delivered, with a rate limit."""

from collections import deque
from typing import Final

import msgspec

from logboom.ops.alerts.lifecycle import Alert, Change, Key
from logboom.ops.alerts.notification import Message, Notice, merged, notice_of, notification_of
from logboom.ops.alerts.severity import CRITICAL

HOUR_S: Final = 3600.0

CRITICAL_PAUSE_S: Final = 60.0
"""Interval of notifications of critical alerts beyond the hourly limit."""

NOTICES_MAX: Final = 200
"""Most waiting alerts, for a target that is unreachable for days; further ones are counted."""


class Backlog(msgspec.Struct):
    """Content of an outbox for the next start."""

    notices: list[Notice] = msgspec.field(default_factory=list, name="news")
    left_out: int = 0


class Outbox:
    """Collects changes, and makes notifications of them. Has no clock and no thread.

    Args:
        label: name of the server.
        per_hour_max: most notifications per hour.
    """

    def __init__(self, label: str, per_hour_max: int) -> None:
        self._label = label
        self._per_hour_max = per_hour_max
        self._notices: dict[Key, Notice] = {}
        self._on_the_way: dict[Key, Notice] = {}
        self._left_out = self._left_out_sent = 0
        self._held_back = False
        self._sent: deque[float] = deque(maxlen=per_hour_max)

    @property
    def waiting(self) -> int:
        """Number of alerts with an undelivered change."""
        return len(self._notices.keys() | self._on_the_way.keys())

    def put(self, changes: list[Change], wall: float) -> None:
        """Add changes.

        Args:
            changes: changes in order.
            wall: current time, seconds since the epoch.
        """
        for change in changes:
            self._add(notice_of(change, wall))

    def _add(self, notice: Notice) -> None:
        before = self._notices.pop(notice.key, None)
        self._notices[notice.key] = merged(before, notice) if before else notice
        if len(self._notices) > NOTICES_MAX:
            del self._notices[min(self._notices, key=lambda key: self._notices[key].severity == CRITICAL)]
            self._left_out += 1

    def due(self, now: float) -> bool:
        """Return whether a notification is due.

        Args:
            now: seconds, monotonic.
        """
        if not self._notices:
            return False
        if len(self._sent) < self._per_hour_max or now - self._sent[0] >= HOUR_S:
            return True
        if now - self._sent[-1] >= CRITICAL_PAUSE_S:
            return any(one.severity == CRITICAL for one in self._notices.values())
        self._held_back = True
        return False

    def take(self, firing: list[Alert], wall: float) -> Message:
        """Make one notification of all changes; to be followed by `delivered` or `failed`.

        Args:
            firing: firing alerts.
            wall: current time, seconds since the epoch.
        """
        notes = []
        if self._held_back:
            notes.append(f"Some changes were held back: the limit is {self._per_hour_max} messages per hour.")
        if self._left_out:
            notes.append(f"{self._left_out} more changes were dropped: too many were waiting.")
        self._on_the_way, self._notices = self._notices, {}
        self._left_out_sent = self._left_out
        return notification_of(self._label, list(self._on_the_way.values()), firing, wall, notes)

    def delivered(self, now: float) -> None:
        """Remove the changes of a delivered notification, which was sent at `now`, monotonic."""
        self._sent.append(now)
        self._on_the_way = {}
        self._held_back = False
        self._left_out -= self._left_out_sent

    def failed(self) -> None:
        """Put the changes of a failed notification back, merged with newer ones."""
        newer, self._notices, self._on_the_way = self._notices, self._on_the_way, {}
        for notice in newer.values():
            self._add(notice)

    def drop(self, key: Key) -> None:
        """Drop the changes of an alert."""
        self._notices.pop(key, None)
        self._on_the_way.pop(key, None)

    def backlog(self) -> Backlog:
        """Content for the next start. A notification in delivery is included, so that it may be sent twice."""
        notices = dict(self._on_the_way)
        for key, one in self._notices.items():
            notices[key] = merged(notices[key], one) if key in notices else one
        return Backlog(list(notices.values()), self._left_out)

    def restore(self, backlog: Backlog) -> None:
        """Restore the content."""
        self._left_out = backlog.left_out
        for notice in backlog.notices:
            self._add(notice)
