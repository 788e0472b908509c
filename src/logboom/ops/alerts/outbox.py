"""What one target has still to be told: kept until it was, never more than is good in an hour."""

from collections import deque
from typing import Final

import msgspec

from logboom.ops.alerts.engine import Alert, Change, Key
from logboom.ops.alerts.messages import Message, News, joined, message_of, news_of
from logboom.ops.alerts.settings import CRITICAL

HOUR_S: Final = 3600.0

CRITICAL_PAUSE_S: Final = 60.0
"""Beyond the messages that an hour may have, news of critical alerts still goes out, this far apart."""

NEWS_MAX: Final = 200
"""Alerts that wait to be told. A target that is away for days needs no more of them; they are counted."""


class Untold(msgspec.Struct):
    """What survives a restart."""

    news: list[News] = []
    left_out: int = 0


class Outbox:
    """Collects changes, gives messages. Knows no clock and no thread.

    Args:
        label: what the server is called.
        per_hour_max: messages an hour at most.
    """

    def __init__(self, label: str, per_hour_max: int) -> None:
        self._label = label
        self._per_hour_max = per_hour_max
        self._news: dict[Key, News] = {}
        self._on_the_way: dict[Key, News] = {}
        self._left_out = self._left_out_told = 0
        self._held_back = False
        self._sent: deque[float] = deque(maxlen=per_hour_max)

    @property
    def waiting(self) -> int:
        """How many alerts there is news of, that on the way included."""
        return len(self._news.keys() | self._on_the_way.keys())

    def put(self, changes: list[Change], wall: float) -> None:
        """Something is to be told.

        Args:
            changes: in their order.
            wall: now, seconds since the epoch.
        """
        for change in changes:
            self._add(news_of(change, wall))

    def _add(self, news: News) -> None:
        before = self._news.pop(news.key, None)
        self._news[news.key] = joined(before, news) if before else news
        if len(self._news) > NEWS_MAX:
            del self._news[min(self._news, key=lambda key: self._news[key].severity == CRITICAL)]
            self._left_out += 1

    def due(self, now: float) -> bool:
        """Whether there is a message now.

        Args:
            now: seconds, monotonic.
        """
        if not self._news:
            return False
        if len(self._sent) < self._per_hour_max or now - self._sent[0] >= HOUR_S:
            return True
        if now - self._sent[-1] >= CRITICAL_PAUSE_S:
            return any(one.severity == CRITICAL for one in self._news.values())
        self._held_back = True
        return False

    def take(self, firing: list[Alert], wall: float) -> Message:
        """All news as one message; then call `told` or `failed`.

        Args:
            firing: all that fire now.
            wall: now, seconds since the epoch.
        """
        notes = []
        if self._held_back:
            notes.append(f"Some of it was held back: {self._per_hour_max} messages an hour are allowed.")
        if self._left_out:
            notes.append(f"{self._left_out} more changes are left out: too many waited to be told.")
        self._on_the_way, self._news = self._news, {}
        self._left_out_told = self._left_out
        return message_of(self._label, list(self._on_the_way.values()), firing, wall, notes)

    def told(self, now: float) -> None:
        """The message has arrived; it left at `now`, monotonic."""
        self._sent.append(now)
        self._on_the_way = {}
        self._held_back = False
        self._left_out -= self._left_out_told

    def failed(self) -> None:
        """It has not: what it told is told later, together with what has come since."""
        newer, self._news, self._on_the_way = self._news, self._on_the_way, {}
        for news in newer.values():
            self._add(news)

    def drop(self, key: Key) -> None:
        """Nobody is to be told of an alert any more."""
        self._news.pop(key, None)
        self._on_the_way.pop(key, None)

    def untold(self) -> Untold:
        """What is to survive a restart. What is on the way is told twice rather than never."""
        news = dict(self._on_the_way)
        for key, one in self._news.items():
            news[key] = joined(news[key], one) if key in news else one
        return Untold(list(news.values()), self._left_out)

    def restore(self, untold: Untold) -> None:
        """Go on from what `untold` gave."""
        self._left_out = untold.left_out
        for news in untold.news:
            self._add(news)
