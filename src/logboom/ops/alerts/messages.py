"""Changes as messages for people: what changes together is told together, and never too much in an hour."""

from collections import deque
from typing import Final, NamedTuple

from logboom.ops.alerts.engine import FLAPPING, RESOLVED, Alert, Change
from logboom.ops.alerts.settings import CRITICAL

HOUR_S: Final = 3600.0

LINES_MAX: Final = 10
"""Changes that one message names; of more, the number."""

ICONS: Final = {"failure": "❌", "warning": "⚠️", "success": "✅", "info": "💬"}


class Message(NamedTuple):
    """What is sent."""

    title: str
    body: str
    kind: str
    """Apprise's word: `failure`, `warning`, `success` or `info`."""


class Outbox:
    """Makes messages of changes. Knows no clock.

    Args:
        label: what the server is called.
        per_hour_max: messages an hour at most.
    """

    def __init__(self, label: str, per_hour_max: int) -> None:
        self.held_back = 0
        """Changes that were not told, since the last message."""
        self._label = label
        self._per_hour_max = per_hour_max
        self._sent: deque[float] = deque(maxlen=per_hour_max)

    def message(self, changes: list[Change], firing: list[Alert], now: float) -> Message | None:
        """The message about these changes, and about those that were held back; None: there is none now.

        Args:
            changes: since the last call.
            firing: all that fire now.
            now: seconds, monotonic.
        """
        if not changes and not self.held_back:
            return None
        if len(self._sent) == self._per_hour_max and now - self._sent[0] < HOUR_S:
            self.held_back += len(changes)
            return None
        held_back, self.held_back = self.held_back, 0
        self._sent.append(now)
        lines = _bounded([_line(change) for change in changes])
        if held_back:
            lines.append(
                f"{held_back} changes before were held back: {self._per_hour_max} messages an hour are allowed."
            )
            lines += _bounded([f"Firing now: {alert.text}" for alert in firing]) or ["Nothing is firing now."]
        return Message(self._title(changes, firing), "\n".join(lines), _kind(changes, firing))

    def _title(self, changes: list[Change], firing: list[Alert]) -> str:
        icon = ICONS[_kind(changes, firing)]
        if len(changes) == 1:
            return f"{icon} {self._label}: {changes[0].text}"
        return f"{icon} {self._label}: {len(changes)} changes, {len(firing)} alerts firing"


def trial_message(label: str) -> Message:
    """What `logboom alerts test` sends."""
    title = f"{ICONS['info']} {label}: test message"
    return Message(title, "Alerts of this Logboom server come here.", "info")


def _kind(changes: list[Change], firing: list[Alert]) -> str:
    """The worst of what is told."""
    told = [change.alert for change in changes if change.kind != RESOLVED]
    if not changes:
        told = firing
    if not told:
        return "success"
    return "failure" if any(alert.severity == CRITICAL for alert in told) else "warning"


def _line(change: Change) -> str:
    if change.kind == RESOLVED:
        return f"recovered: {change.text}"
    word = "flapping, told again once it is steady: " if change.kind == FLAPPING else ""
    return f"{change.alert.severity}: {word}{change.text}"


def _bounded(lines: list[str]) -> list[str]:
    left = len(lines) - LINES_MAX
    return lines if left <= 0 else [*lines[:LINES_MAX], f"… and {left} more"]
