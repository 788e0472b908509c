"""Texts of notifications: several changes make one notification of limited length."""

from datetime import UTC, datetime
from typing import Final, NamedTuple

import msgspec

from logboom.ops.alerts.lifecycle import FIRING, FLAPPING, RESOLVED, Alert, Change, Key
from logboom.ops.alerts.severity import CRITICAL

LINES_MAX: Final = 10
"""Most changes in one notification; of further ones it has the number."""

LATE_S: Final = 60.0
"""Delay from which on a notification is marked as delayed."""

ICONS: Final = {"failure": "❌", "warning": "⚠️", "success": "✅", "info": "💬"}


class Message(NamedTuple):
    """Text and kind of a notification."""

    title: str
    body: str
    kind: str
    """Type in Apprise: `failure`, `warning`, `success` or `info`."""


class Notice(msgspec.Struct):
    """Latest change of one alert that a target has not received yet."""

    rule: str
    subject: str
    severity: str
    kind: str
    """See `Change`."""
    text: str
    trouble: str
    since: float
    """Start of the problem, seconds since the epoch."""
    until: float | None
    at: float
    """Time of the first change that was not received, seconds since the epoch."""
    fired: int
    """Number of times that it fired without a notification; 0 if only its end was not received."""

    @property
    def key(self) -> Key:
        """Identity of the alert."""
        return self.rule, self.subject

    def is_late(self, wall: float) -> bool:
        """Return whether a notification at that time is delayed."""
        return wall - self.at > LATE_S


def notice_of(change: Change, wall: float) -> Notice:
    """Make the notice of a change at that time."""
    alert = change.alert
    fired = int(change.kind != RESOLVED)
    return Notice(
        *(alert.rule, alert.subject, alert.severity, change.kind, change.text, alert.text),
        *(alert.since, alert.resolved_at, wall, fired),
    )


def merged(before: Notice, after: Notice) -> Notice:
    """Merge two notices of an alert: the state of the later one, with the time of the earlier one."""
    repeated = before.kind == FLAPPING and after.kind == FIRING
    fired = before.fired + (0 if repeated else after.fired)
    return msgspec.structs.replace(after, at=before.at, fired=fired)


def notification_of(
    label: str, notices: list[Notice], firing: list[Alert], wall: float, notes: list[str]
) -> Message:
    """Make one notification of all notices.

    Args:
        label: name of the server.
        notices: at least one notice.
        firing: firing alerts.
        wall: current time, seconds since the epoch.
        notes: lines to be added at the end.
    """
    texts = {alert.key: alert.text for alert in firing}
    notices = sorted(notices, key=lambda one: (one.kind == RESOLVED, one.severity != CRITICAL))
    for one in notices:
        if one.kind == FIRING:
            one.text = texts.get(one.key, one.text)  # current values, such as durations
    kind = _kind(notices)
    title = f"{ICONS[kind]} {label}: {_title(notices, len(firing))}"
    if any(one.is_late(wall) for one in notices):
        title += " (delayed)"
    return Message(title, "\n".join([*_bounded([_line(one, wall) for one in notices]), *notes]), kind)


def trial_message(label: str, rule: str = "") -> Message:
    """Make the notification that tests targets; `rule` is the name of the rule whose targets are tested."""
    title = f"{ICONS['info']} {label}: test message" + (f" of the rule {rule}" if rule else "")
    body = "This is a test. Alerts of this Logboom server are sent to this target."
    return Message(title, body, "info")


def _title(notices: list[Notice], firing: int) -> str:
    troubles = [one for one in notices if one.kind != RESOLVED]
    if len(troubles) == 1:
        return troubles[0].text
    if len(notices) == 1:
        return f"already over: {notices[0].trouble}" if notices[0].fired else notices[0].text
    return f"{len(notices)} changes, {firing} alerts firing"


def _kind(notices: list[Notice]) -> str:
    """Kind for the most severe notice."""
    troubles = [one for one in notices if one.kind != RESOLVED]
    if not troubles:
        return "success"
    return "failure" if any(one.severity == CRITICAL for one in troubles) else "warning"


def _line(notice: Notice, wall: float) -> str:
    begin = _time(notice.since, wall)
    when = f"since {begin}" if notice.until is None else f"{begin} to {_time(notice.until, wall)}"
    if notice.fired > 1:
        when += f", {notice.fired} times so far"
    if notice.is_late(wall):
        when += ", delayed"
    if notice.kind != RESOLVED:
        word = (
            "flapping, the next notification follows once it is stable: " if notice.kind == FLAPPING else ""
        )
        return f"{notice.severity}: {word}{notice.text} ({when})"
    return (
        f"already over: {notice.trouble} ({when})" if notice.fired else f"recovered: {notice.text} ({when})"
    )


def _time(moment: float, wall: float) -> str:
    """Format a time as `14:03:22Z`, with its date if that is not today."""
    then, now = (datetime.fromtimestamp(one, UTC) for one in (moment, wall))
    return then.strftime("%H:%M:%SZ" if then.date() == now.date() else "%Y-%m-%d %H:%M:%SZ")


def _bounded(lines: list[str]) -> list[str]:
    left = len(lines) - LINES_MAX
    return lines if left <= 0 else [*lines[:LINES_MAX], f"… and {left} more"]
