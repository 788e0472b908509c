"""The alert rules: one function per rule, which yields the current conditions; evaluated once per second."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final, NamedTuple

from logboom.ops.alerts.alert_settings import RuleSettings, RulesSettings
from logboom.ops.alerts.cluster_rules import degraded_conditions, down_conditions
from logboom.ops.alerts.device_rules import gap_conditions, loop_conditions
from logboom.ops.alerts.lifecycle import Condition, Key
from logboom.ops.alerts.severity import CRITICAL
from logboom.ops.health import idle_too_long_s
from logboom.ops.monitor import Monitor
from logboom.ops.source_book import Silence, SourceBook

REFUSED_WINDOW_S: Final = 60.0
"""Window in which refusals are counted."""

_MINUTE_S: Final = 60.0
_HOUR_S: Final = 3600.0
_DAY_S: Final = 86400.0


class Space(NamedTuple):
    """Space of a disk."""

    used_share: float
    """Share of the space for ordinary users that is used, as shown by `df`."""
    free: int
    """Free bytes."""


class _Seen(NamedTuple):
    """A listener's counters at one time."""

    at: float
    received: int
    refused: int


def disk_space(folder: Path) -> Space:
    """Space of the disk of a folder. Raises `OSError`."""
    status = os.statvfs(folder)
    used = status.f_blocks - status.f_bfree
    whole = used + status.f_bavail
    return Space(used / whole if whole else 0.0, status.f_bavail * status.f_frsize)


class Rules:
    """Evaluates the rules. It may block as long as the disk does, so it must not run on the event loop.

    Args:
        settings: settings of all rules.
        monitor: state of the server.
        book: known sources.
        space: returns the space of a folder's disk.
    """

    def __init__(
        self,
        settings: RulesSettings,
        monitor: Monitor,
        book: SourceBook,
        space: Callable[[Path], Space] = disk_space,
    ) -> None:
        self._settings = settings
        self._monitor = monitor
        self._book = book
        self._space = space
        self._restarts: dict[str, int] = {}
        self._seen: dict[str, deque[_Seen]] = {}
        self._all: tuple[tuple[RuleSettings, Callable[[], Iterator[Condition]]], ...] = (
            (settings.listener_down, self._listener_down),
            (settings.disk, self._disk),
            (settings.inactive, self._inactive),
            (settings.source_silent, self._source_silent),
            (settings.refused, self._refused),
            (settings.error_burst, self._error_burst),
            (settings.output_lagging, self._output_lagging),
            (settings.device_gaps, lambda: gap_conditions(settings.device_gaps, monitor.devices)),
            (settings.device_restarts, lambda: loop_conditions(settings.device_restarts, monitor.devices)),
            (settings.cluster_down, lambda: down_conditions(settings.cluster_down, monitor.cluster)),
            (
                settings.cluster_degraded,
                lambda: degraded_conditions(settings.cluster_degraded, monitor.cluster),
            ),
        )

    def conditions(self) -> list[Condition]:
        """Return all current conditions."""
        self._exclude_server_faults()
        return [condition for settings, rule in self._all if settings.enabled for condition in rule()]

    def _exclude_server_faults(self) -> None:
        """Keep failures of the server from counting as silence of sources."""
        if self._monitor.journal.failing is not None:
            self._book.blind()
        for name, listener in self._monitor.listeners.items():
            if not listener.alive:
                self._book.deafen(name)

    def _listener_down(self) -> Iterator[Condition]:
        """Listeners that are down, or have failed and restarted since the last evaluation."""
        settings = self._settings.listener_down
        for name, listener in self._monitor.listeners.items():
            died = listener.restarts > self._restarts.get(name, 0)
            self._restarts[name] = listener.restarts
            if listener.alive and not died:
                continue
            reason = f": {listener.trouble}" if listener.trouble else ""
            yield _condition(
                "listener_down",
                name,
                settings,
                f"listener {name} is down{reason}",
                f"listener {name} listens again",
            )

    def _disk(self) -> Iterator[Condition]:
        settings, journal = self._settings.disk, self._monitor.journal
        if journal.failing is not None:
            text = f"the journal can't store: {journal.failing}"
            yield _condition("disk", "journal", settings, text, "the journal stores again", severity=CRITICAL)
        try:
            space = self._space(journal.folder)
        except OSError as error:
            text = f"the space of the disk can't be read: {error.strerror or error}"
            yield _condition("disk", "space", settings, text, "the space of the disk can be read again")
            return
        floor = self._monitor.settings.journal.free_bytes_min
        if space.free < settings.free_factor * floor:
            text = f"the disk has {_size(space.free)} left; below {_size(floor)}, entries are refused"
        elif space.used_share > settings.used_share_max:
            text = f"the disk is {space.used_share:.0%} full, {_size(space.free)} are left"
        else:
            return
        yield _condition("disk", "space", settings, text, "the disk has enough space again")

    def _inactive(self) -> Iterator[Condition]:
        idle_s = idle_too_long_s(self._monitor)
        if idle_s is not None:
            text = f"no TCP activity for {duration(idle_s)}"
            yield _condition(
                "inactive", "all listeners", self._settings.inactive, text, "there is TCP activity again"
            )

    def ignored(self) -> list[Silence]:
        """Silent sources that are excluded by `ignore`."""
        return [one for one in self._book.silences() if self._is_ignored(one)]

    def _is_ignored(self, silence: Silence) -> bool:
        return any(fnmatchcase(silence.name, pattern) for pattern in self._settings.source_silent.ignore)

    def _source_silent(self) -> Iterator[Condition]:
        for silence in self._book.silences():
            if self._is_ignored(silence):
                continue
            rule, name = silence_key(silence.listener, silence.name)
            usual = f"; it usually sends every {duration(silence.typical_s)}" if silence.typical_s else ""
            text = f"{name} is silent for {duration(silence.silent_s)}{usual}"
            given_up = f"{name} is no longer expected to send"
            recovered = given_up if silence.given_up else f"{name} sends again"
            yield _condition(rule, name, self._settings.source_silent, text, recovered)

    def _refused(self) -> Iterator[Condition]:
        settings, now = self._settings.refused, self._monitor.clock()
        for name in self._monitor.listeners:
            totals = self._monitor.totals(name)
            seen = self._seen.setdefault(name, deque())
            seen.append(_Seen(now, totals.received, sum(totals.refused.values())))
            while now - seen[0].at > REFUSED_WINDOW_S:
                seen.popleft()
            refused = seen[-1].refused - seen[0].refused
            received = seen[-1].received - seen[0].received
            if refused >= settings.count_min and refused >= settings.share_min * received:
                reasons = ", ".join(sorted(totals.refused))
                text = (
                    f"listener {name} refused {refused:,} of {received:,} entries within a minute ({reasons})"
                )
                recovered = f"listener {name} refuses few entries again"
                yield _condition("refused", name, settings, text, recovered)

    def _error_burst(self) -> Iterator[Condition]:
        settings = self._settings.error_burst
        for burst in self._book.error_bursts(settings.count_min, settings.factor):
            rule, name = burst_key(burst.listener, burst.name)
            window = duration(settings.window_s)
            text = f"{name}: {burst.errors:,} errors within {window}, usually {burst.usual:,.0f}"
            yield _condition(rule, name, settings, text, f"{name}: no more errors than usual")

    def _output_lagging(self) -> Iterator[Condition]:
        settings = self._settings.output_lagging
        for name, output in self._monitor.outputs.items():
            runner = output.service.runner
            trouble, lag = runner.failing or output.trouble, runner.lag
            if trouble is None and lag <= settings.lag_max:
                continue
            text = f"output {name} is {lag:,} entries behind" + (f": {trouble}" if trouble else "")
            yield _condition("output_lagging", name, settings, text, f"output {name} keeps up again")


def _condition(
    rule: str, subject: str, settings: RuleSettings, text: str, recovered: str, *, severity: str = ""
) -> Condition:
    severity = severity or settings.severity
    return Condition(rule, subject, severity, text, recovered, settings.for_s, settings.clear_s)


def silence_key(listener: str, name: str) -> Key:
    """Key of the alert for a silent source."""
    return "source_silent", f"{plain(name)} ({listener})"


def burst_key(listener: str, name: str) -> Key:
    """Key of the alert for an error burst of a source; without a listener, of all sources."""
    return "error_burst", f"{plain(name)} ({listener})" if listener else name


def duration(seconds: float) -> str:
    """Format a duration: `75 s`, `11 min`, `3.5 h`, `2.1 days`."""
    if seconds < 1:
        return "less than 1 s"
    if seconds < 2 * _MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR_S:
        return f"{seconds / _MINUTE_S:.0f} min"
    if seconds < 2 * _DAY_S:
        return f"{seconds / _HOUR_S:.1f} h"
    return f"{seconds / _DAY_S:.1f} days"


def _size(count: int) -> str:
    return f"{count / (1 << 20):,.0f} MiB"


def plain(name: str) -> str:
    """Name of a sender without control characters, which could forge lines of a message."""
    return "".join(character if character.isprintable() else " " for character in name)
