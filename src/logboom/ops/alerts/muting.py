"""Muting of rules and alerts: targets are not notified of what is muted, and of nothing twice afterwards."""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

import msgspec

from logboom.ops.alerts.lifecycle import FIRING, RESOLVED, Alert, Change, Key

MUTES_MAX: Final = 200
"""Most rules and alerts that are muted at the same time."""

MUTE_S_MAX: Final = 366 * 86400.0
"""Longest muting, seconds: a rule that is not wanted at all is to be removed or disabled."""


class Mute(msgspec.Struct):
    """Muting of one alert, or of all alerts of a rule."""

    rule: str
    subject: str
    """Empty: all alerts of the rule."""
    until: float
    """Its end, seconds since the epoch."""
    by: str = ""
    """Name of the token that it was made with."""


class Muting:
    """State of muting, and the alerts of which targets were notified. Has no clock and no lock."""

    def __init__(self) -> None:
        self._mutes: dict[Key, Mute] = {}
        self._notified: set[Key] = set()

    def mute(self, mute: Mute) -> bool:
        """Mute until a time, in place of an earlier one; False: too much is muted already."""
        key = mute.rule, mute.subject
        if key not in self._mutes and len(self._mutes) >= MUTES_MAX:
            return False
        self._mutes[key] = mute
        return True

    def unmute(self, rule: str, subject: str) -> bool:
        """End a muting; False: there is none."""
        return self._mutes.pop((rule, subject), None) is not None

    def unmute_rule(self, rule: str) -> bool:
        """End each muting of a rule and of its alerts; False: there is none."""
        keys = [key for key in self._mutes if key[0] == rule]
        for key in keys:
            del self._mutes[key]
        return bool(keys)

    def until(self, key: Key) -> float | None:
        """Return the end of the muting of an alert, seconds since the epoch; None: it is not muted."""
        ends = [one.until for place in ((key[0], ""), key) if (one := self._mutes.get(place)) is not None]
        return max(ends, default=None)

    def mutes(self) -> list[Mute]:
        """Rules and alerts that are muted, the next to end first."""
        return sorted(self._mutes.values(), key=lambda one: one.until)

    def expire(self, wall: float) -> bool:
        """End what is over; return whether anything is."""
        over = [key for key, one in self._mutes.items() if one.until <= wall]
        for key in over:
            del self._mutes[key]
        return bool(over)

    def let_through(
        self, changes: Sequence[Change], firing: Sequence[Alert], known: Collection[Key]
    ) -> list[Change]:
        """Return the changes of which targets are notified.

        The end of an alert is notified if its begin was, even while it is muted: no target takes it for firing then.
        An alert that began while it was muted is notified once it is muted no longer, if it fires still.

        Args:
            changes: of the alerts.
            firing: firing alerts.
            known: keys of all alerts that are remembered.
        """
        self._notified &= {*known, *(change.alert.key for change in changes)}
        passed = []
        for change in changes:
            key = change.alert.key
            if change.kind == RESOLVED:
                if key in self._notified:
                    self._notified.remove(key)
                    passed.append(change)
            elif self.until(key) is None:
                self._notified.add(key)
                passed.append(change)
        late = [one for one in firing if one.key not in self._notified and self.until(one.key) is None]
        self._notified.update(one.key for one in late)
        return passed + [Change(FIRING, one, one.text) for one in late]

    def drop(self, key: Key) -> None:
        """Forget an alert."""
        self._notified.discard(key)

    def notified(self, alerts: Iterable[Alert]) -> list[Alert]:
        """Return the alerts of which targets were notified."""
        return [one for one in alerts if one.key in self._notified]

    # --- state for the next start ---

    def kept(self) -> tuple[list[Mute], list[Key]]:
        """Return what is muted, and the keys of the alerts of which targets were notified."""
        return self.mutes(), sorted(self._notified)

    def restore(self, mutes: Iterable[Mute], notified: Iterable[Key]) -> None:
        """Restore what `kept` returned."""
        self._mutes = {(one.rule, one.subject): one for one in mutes}
        self._notified = set(notified)
