"""News as messages for people: what is told together is one message, of bounded length, with its times."""

from datetime import UTC, datetime
from typing import Final, NamedTuple

import msgspec

from logboom.ops.alerts.engine import FIRING, FLAPPING, RESOLVED, Alert, Change, Key
from logboom.ops.alerts.settings import CRITICAL

LINES_MAX: Final = 10
"""Changes that one message names; of more, the number."""

LATE_S: Final = 60.0
"""What is told later than this says so."""

ICONS: Final = {"failure": "❌", "warning": "⚠️", "success": "✅", "info": "💬"}


class Message(NamedTuple):
    """What is sent."""

    title: str
    body: str
    kind: str
    """Apprise's word: `failure`, `warning`, `success` or `info`."""


class News(msgspec.Struct):
    """What a target has still to be told of one alert: how it stands, whatever came before."""

    rule: str
    subject: str
    severity: str
    kind: str
    """See `Change`."""
    text: str
    trouble: str
    since: float
    """When the trouble began, seconds since the epoch."""
    until: float | None
    at: float
    """Since when there has been something to tell, seconds since the epoch."""
    fired: int
    """How often it fired without anybody being told; nought: that it fires was told, that it is over was not."""

    @property
    def key(self) -> Key:
        """Of the alert."""
        return self.rule, self.subject

    def is_late(self, wall: float) -> bool:
        """Whether it is told late, at that time."""
        return wall - self.at > LATE_S


def news_of(change: Change, wall: float) -> News:
    """A change as news, at that time."""
    alert = change.alert
    fired = int(change.kind != RESOLVED)
    return News(
        *(alert.rule, alert.subject, alert.severity, change.kind, change.text, alert.text),
        *(alert.since, alert.resolved_at, wall, fired),
    )


def joined(before: News, after: News) -> News:
    """Both as one: what is now, and for how long nobody was told."""
    told_again = before.kind == FLAPPING and after.kind == FIRING
    fired = before.fired + (0 if told_again else after.fired)
    return msgspec.structs.replace(after, at=before.at, fired=fired)


def message_of(label: str, news: list[News], firing: list[Alert], wall: float, notes: list[str]) -> Message:
    """One message of all news.

    Args:
        label: what the server is called.
        news: one at least.
        firing: all that fire now.
        wall: now, seconds since the epoch.
        notes: lines to be put below.
    """
    texts = {alert.key: alert.text for alert in firing}
    news = sorted(news, key=lambda one: (one.kind == RESOLVED, one.severity != CRITICAL))
    for one in news:
        if one.kind == FIRING:
            one.text = texts.get(one.key, one.text)  # as it is now: for how long, how much
    kind = _kind(news)
    title = f"{ICONS[kind]} {label}: {_title(news, len(firing))}"
    if any(one.is_late(wall) for one in news):
        title += " (told late)"
    return Message(title, "\n".join([*_bounded([_line(one, wall) for one in news]), *notes]), kind)


def trial_message(label: str) -> Message:
    """The message of `logboom alerts test`."""
    title = f"{ICONS['info']} {label}: test message"
    body = "This is a test. Alerts of this Logboom server are sent to this target."
    return Message(title, body, "info")


def _title(news: list[News], firing: int) -> str:
    troubles = [one for one in news if one.kind != RESOLVED]
    if len(troubles) == 1:
        return troubles[0].text
    if len(news) == 1:
        return f"over by now: {news[0].trouble}" if news[0].fired else news[0].text
    return f"{len(news)} changes, {firing} alerts firing"


def _kind(news: list[News]) -> str:
    """The worst of what is told."""
    troubles = [one for one in news if one.kind != RESOLVED]
    if not troubles:
        return "success"
    return "failure" if any(one.severity == CRITICAL for one in troubles) else "warning"


def _line(news: News, wall: float) -> str:
    begin = _time(news.since, wall)
    when = f"since {begin}" if news.until is None else f"{begin} to {_time(news.until, wall)}"
    if news.fired > 1:
        when += f", {news.fired} times by now"
    if news.is_late(wall):
        when += ", told late"
    if news.kind != RESOLVED:
        word = "flapping, told again once it is steady: " if news.kind == FLAPPING else ""
        return f"{news.severity}: {word}{news.text} ({when})"
    return f"over by now: {news.trouble} ({when})" if news.fired else f"recovered: {news.text} ({when})"


def _time(moment: float, wall: float) -> str:
    """`14:03:22Z`, with its date when that is not today's."""
    then, now = (datetime.fromtimestamp(one, UTC) for one in (moment, wall))
    return then.strftime("%H:%M:%SZ" if then.date() == now.date() else "%Y-%m-%d %H:%M:%SZ")


def _bounded(lines: list[str]) -> list[str]:
    left = len(lines) - LINES_MAX
    return lines if left <= 0 else [*lines[:LINES_MAX], f"… and {left} more"]
