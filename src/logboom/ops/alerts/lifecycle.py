"""The states of an alert: pending, firing, resolved. Each change is notified once, and flapping is suppressed."""

from collections import deque
from collections.abc import Collection, Iterable
from typing import Any, Final, NamedTuple

import msgspec

from logboom.ops.alerts.severity import CRITICAL

HISTORY_MAX: Final = 100
"""Most alerts in the list, and most resolved alerts that are remembered."""

PAST_MAX: Final = 500
"""Most ended alerts in the history, the last ones: some 200 KB in the file that keeps them."""

FLAPS_MAX: Final = 3
FLAP_WINDOW_S: Final = 3600.0
"""An alert that fires for the third time within an hour is flapping, which is notified instead of each change."""

FLAP_CALM_S: Final = 900.0
"""Time without a change after which flapping ends, and the state is notified."""

PENDING: Final = "pending"
FIRING: Final = "firing"
RESOLVED: Final = "resolved"
FLAPPING: Final = "flapping"

Key = tuple[str, str]
"""Rule and subject."""


class Condition(NamedTuple):
    """A problem that exists now."""

    rule: str
    subject: str
    severity: str
    text: str
    recovered: str
    """Text for its end."""
    for_s: float = 0.0
    clear_s: float = 0.0


class Alert(msgspec.Struct):
    """A problem over time."""

    rule: str
    subject: str
    severity: str
    state: str
    since: float
    """Its start, seconds since the epoch."""
    text: str
    recovered: str = ""
    resolved_at: float | None = None
    clear_s: float = 0.0
    acknowledged_at: float | None = None
    """Time of the acknowledgement, seconds since the epoch."""
    acknowledged_by: str = ""
    """Name of the token that it was acknowledged with."""

    @property
    def key(self) -> Key:
        """Identity of the alert."""
        return self.rule, self.subject


class Change(NamedTuple):
    """A change of an alert that is to be notified."""

    kind: str
    """`FIRING`, `RESOLVED` or `FLAPPING`."""
    alert: Alert
    text: str


class _Timing(msgspec.Struct):
    """Past changes of a rule and subject, as monotonic times."""

    began: float
    held: float
    """Time at which the problem last existed."""
    changed: float
    fired: list[float] = []
    flapping: bool = False


class Engine:
    """Turns current conditions into changes of alerts. Has no clock."""

    def __init__(self) -> None:
        self._active: dict[Key, Alert] = {}
        self._resolved: dict[Key, Alert] = {}  # the newest last
        self._past: deque[Alert] = deque(maxlen=PAST_MAX)  # the newest last
        self._timings: dict[Key, _Timing] = {}

    def evaluate(self, conditions: Iterable[Condition], now: float, wall: float) -> list[Change]:
        """Compare the current conditions with the alerts, and return the changes.

        Args:
            conditions: all current conditions, each rule and subject once.
            now: seconds, monotonic.
            wall: seconds since the epoch.
        """
        held = {(one.rule, one.subject): one for one in conditions}
        changes = [
            change for key, one in held.items() if (change := self._hold(key, one, now, wall)) is not None
        ]
        for key in [key for key in self._active if key not in held]:
            change = self._clear(key, now, wall)
            if change is not None:
                changes.append(change)
        changes += self._calm(now)
        self._forget(now)
        return changes

    def _hold(self, key: Key, condition: Condition, now: float, wall: float) -> Change | None:
        alert = self._active.get(key)
        if alert is None:
            alert = self._active[key] = Alert(
                condition.rule, condition.subject, condition.severity, PENDING, wall, condition.text
            )
            timing = self._timings.setdefault(key, _Timing(now, now, now))
            timing.began = now
        timing = self._timings[key]
        timing.held = now
        alert.text, alert.recovered = condition.text, condition.recovered
        alert.severity, alert.clear_s = condition.severity, condition.clear_s
        if alert.state != PENDING or now - timing.began < condition.for_s:
            return None
        alert.state = FIRING
        self._resolved.pop(key, None)
        timing.changed = now
        timing.fired = [*(at for at in timing.fired if now - at < FLAP_WINDOW_S), now][-FLAPS_MAX:]
        if timing.flapping:
            return None
        if len(timing.fired) < FLAPS_MAX:
            return Change(FIRING, alert, alert.text)
        timing.flapping = True
        return Change(
            FLAPPING, alert, f"{alert.text}; it is flapping, {FLAPS_MAX} times within an hour so far"
        )

    def _clear(self, key: Key, now: float, wall: float) -> Change | None:
        alert, timing = self._active[key], self._timings[key]
        if alert.state == PENDING:
            del self._active[key]
            return None
        if now - timing.held < alert.clear_s:
            return None
        del self._active[key]
        self._resolve(alert, wall)
        timing.changed = now
        return None if timing.flapping else Change(RESOLVED, alert, alert.recovered)

    def _calm(self, now: float) -> list[Change]:
        """Changes for the alerts that have stopped flapping, with their state."""
        changes = []
        for key, timing in self._timings.items():
            if not timing.flapping or now - timing.changed < FLAP_CALM_S:
                continue
            timing.flapping, timing.fired = False, []
            active, resolved = self._active.get(key), self._resolved.get(key)
            if active is not None and active.state == FIRING:
                changes.append(Change(FIRING, active, active.text))
            elif resolved is not None:
                changes.append(Change(RESOLVED, resolved, resolved.recovered))
        return changes

    def _forget(self, now: float) -> None:
        """Remove the timings of alerts that are neither active, listed, nor fired recently."""
        for key in [key for key in self._timings if key not in self._active and key not in self._resolved]:
            fired = self._timings[key].fired
            if not fired or now - fired[-1] >= FLAP_WINDOW_S:
                del self._timings[key]

    def dismiss(self, key: Key, wall: float) -> None:
        """End an alert without a notification. If its problem still exists, it starts again."""
        alert = self._active.pop(key, None)
        self._timings.pop(key, None)
        if alert is not None and alert.state == FIRING:
            self._resolve(alert, wall)

    def _resolve(self, alert: Alert, wall: float) -> None:
        alert.state, alert.resolved_at = RESOLVED, wall
        self._resolved[alert.key] = alert
        self._past.append(alert)
        while len(self._resolved) > HISTORY_MAX:
            del self._resolved[next(iter(self._resolved))]

    def acknowledge(self, key: Key, by: str, wall: float | None) -> bool:
        """Mark a firing alert as acknowledged; False: it does not fire.

        Args:
            key: of the alert.
            by: name of the token.
            wall: seconds since the epoch; None takes the mark away.
        """
        alert = self._active.get(key)
        if alert is None or alert.state != FIRING:
            return False
        alert.acknowledged_at, alert.acknowledged_by = wall, by if wall is not None else ""
        return True

    # --- queries ---

    @property
    def keys(self) -> Collection[Key]:
        """Keys of all alerts that are remembered."""
        return self._timings.keys()

    def past(self) -> list[Alert]:
        """Ended alerts, the newest first, `PAST_MAX` at most."""
        return list(reversed(self._past))

    def firing(self) -> list[Alert]:
        """Firing alerts, critical ones first."""
        alerts = [alert for alert in list(self._active.values()) if alert.state == FIRING]
        return sorted(alerts, key=lambda alert: (alert.severity != CRITICAL, alert.since))

    def shown(self) -> list[Alert]:
        """Firing, pending, then resolved alerts (newest first), `HISTORY_MAX` at most, each rule and subject once."""
        pending = [alert for alert in list(self._active.values()) if alert.state == PENDING]
        resolved = [alert for key, alert in list(self._resolved.items()) if key not in self._active]
        return [*self.firing(), *pending, *reversed(resolved)][:HISTORY_MAX]

    def kept(self) -> list[dict[str, Any]]:
        """State for the next start, so that changes are not notified twice."""
        alerts = [one for one in self._active.values() if one.state == FIRING] + list(self._resolved.values())
        return [msgspec.to_builtins(alert) for alert in alerts]

    def restore(self, kept: list[Any], now: float, past: Iterable[Alert] = ()) -> None:
        """Restore the state of `kept` and `past`. Raises `msgspec.ValidationError`."""
        self._past.extend(reversed(list(past)))
        for alert in msgspec.convert(kept, list[Alert]):
            place = self._active if alert.state == FIRING else self._resolved
            place[alert.key] = alert
            self._timings[alert.key] = _Timing(now, now, now)
