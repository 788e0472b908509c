"""The source book: all known sources with their last entry, their rhythm, and detection of silence and error bursts."""

import heapq
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from logboom.formats.buckets import MICROSECONDS
from logboom.formats.entry_time import is_clock_off
from logboom.model import Report
from logboom.ops.bursts import Burst
from logboom.ops.rhythm import DAY_S, DAYS_MAX, STEADY_ENTRIES_MIN, Rhythm
from logboom.ops.source_file import SourceRecord, load_book, save_book
from logboom.ops.source_lines import Key, SenderGroup, Senders, epoch_s, last_of

SOURCES_MAX: Final = 10_000
"""Most sources, about 20 MB; more result from generated names. The one with the oldest entry is removed."""

EVICTED_AT_ONCE: Final = 100
"""Sources that are removed at once, since finding the oldest takes a scan."""

FORGET_S: Final = DAYS_MAX * DAY_S
"""Silence after which a source is forgotten."""

SETTLE_WINDOWS: Final = 2
"""Number of windows after a start in which error bursts of known sources, and of all sources together, are not
reported: senders reconnect in the first one, and send what they have buffered."""

CALM_SHARE: Final = 0.1
"""Share of the errors of a burst at which a source is calm again."""

GIVE_UP_S: Final = FORGET_S - 3600.0
"""Silence from which on a source is about to be forgotten, so that the end of its alert has another text."""


LAST_LINE_BYTES_MAX: Final = 1024
"""Longest journal line that is decoded only when its level and message are read: most are followed by others first."""


class SourceState:
    """State of one source in this process."""

    __slots__ = ("_last_line", "errors", "has_burst", "heard_at", "kept", "met_here", "silent_after_s")

    def __init__(self, kept: SourceRecord, heard_at: float, *, met_here: bool) -> None:
        self.kept = kept
        """Its level and message are current after `described`."""
        self._last_line = b""  # of the last entry, until it is decoded
        self.heard_at = heard_at
        """Monotonic time of its last entry."""
        self.met_here = met_here
        """True if it was first seen by this process."""
        self.errors: Burst | None = None
        self.has_burst = False
        """True if a burst of its errors was reported, and it is not calm yet: see `SourceBook.error_bursts`."""
        self.silent_after_s: float | None = None
        """Cached result of `Rhythm.silent_after_s`."""

    def note_last(self, line: bytes) -> None:
        """Take the journal line of the last entry."""
        self._last_line = line
        if len(line) > LAST_LINE_BYTES_MAX:
            self.described()

    def described(self) -> SourceRecord:
        """Return the record with the level and the message of the last entry."""
        line, self._last_line = self._last_line, b""
        if line and (last := last_of(line)) is not None:
            self.kept.level, self.kept.message, self.kept.clock_s = last
        return self.kept


class Silence(NamedTuple):
    """A silent source."""

    listener: str
    name: str
    silent_s: float
    typical_s: float | None
    given_up: bool
    """True if it will be forgotten within the hour."""


class ErrorBurst(NamedTuple):
    """Unusual number of errors."""

    listener: str
    """Empty for all sources together."""
    name: str
    errors: int
    usual: float
    """Usual number."""


class SourceBook:
    """All known sources, updated from blocks of the journal. Any thread may call any method.

    Args:
        data_dir: data directory, which has the saved book.
        end: returns the journal's next sequence.
        report: logs errors in reading or writing the saved book.
        factor: see `Rhythm.silent_after_s`.
        silent_s_min: shortest silence, seconds.
        burst_window_s: window for counting errors, seconds.
        clock: seconds, monotonic.
        wall: seconds since the epoch.
    """

    def __init__(
        self,
        data_dir: Path,
        end: Callable[[], int],
        report: Report,
        *,
        factor: float = 1.5,
        silent_s_min: float = 60.0,
        burst_window_s: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.skipped = 0
        """Number of entries that were not read, since the start."""
        self.evicted = 0
        """Number of sources that were removed because there were too many, since the start."""
        self._data_dir = data_dir
        self._end = end
        self._report = report
        self._factor, self._silent_s_min = factor, silent_s_min
        self._burst_window_s = burst_window_s
        self._clock, self._wall = clock, wall
        self._lock = threading.Lock()  # held while a block is entered, and while sources are judged
        self._sources: dict[Key, SourceState] = {}
        self._blind_until = self._read_until = clock()
        self._deaf_until: dict[str, float] = {}  # by listener
        self._errors = Burst(burst_window_s, self._blind_until)
        self._settled_at = self._blind_until
        self._sum_burst_until = self._blind_until
        self._failing = False
        self.position = self._load()
        """The next sequence to read."""

    # --- queries ---

    def document(self, limit: int) -> dict[str, Any]:
        """Return the document of `/api/sources`, most recent senders first."""
        with self._lock:
            now, known_until = self._clock(), self._known_until()
            newest = heapq.nlargest(limit, self._sources.values(), key=lambda one: one.heard_at)
            sources = [self._described(one, now, known_until) for one in newest]
            return {"sources": sources, "total": len(self._sources), "skipped": self.skipped}

    def _described(self, source: SourceState, now: float, known_until: float) -> dict[str, Any]:
        kept, typical = source.described(), source.kept.rhythm.typical_s
        late = known_until - self._since(source) > kept.rhythm.late_after_s()
        return {
            "name": kept.name,
            "listener": kept.listener,
            "peer": kept.peer,
            "first_seen": kept.first_seen,
            "last_seen": kept.last_seen,
            "silent_s": round(max(0.0, now - source.heard_at), 1),
            "entries": kept.entries,
            "interval_s": None if typical is None else round(typical, 3),
            "state": "silent" if kept.silent else "late" if late else "live",
            "level": kept.level,
            "message": kept.message,
            "clock_s": kept.clock_s,
            "clock_off": kept.clock_s is not None
            and is_clock_off(
                int(kept.clock_s * MICROSECONDS), int((epoch_s(kept.last_seen) or 0) * MICROSECONDS)
            ),
        }

    def silences(self) -> list[Silence]:
        """Return the unusually silent sources. A source stays silent until its next entry."""
        with self._lock:
            now, known_until = self._clock(), self._known_until()
            for source in self._sources.values():
                if not source.kept.silent:
                    source.kept.silent = self._is_silent(source, known_until - self._since(source))
            return [
                _silence(one.kept, max(0.0, now - one.heard_at))
                for one in self._sources.values()
                if one.kept.silent
            ]

    def _is_silent(self, source: SourceState, quiet_s: float) -> bool:
        if quiet_s <= self._silent_s_min:
            return False
        if source.silent_after_s is None:
            source.silent_after_s = source.kept.rhythm.silent_after_s(self._factor, self._silent_s_min)
        return quiet_s > source.silent_after_s

    def error_bursts(self, count_min: int, factor: float) -> list[ErrorBurst]:
        """Return the sources with at least `count_min` errors in the window and `factor` times their usual number.

        Without such sources, the sum over all sources is checked in the same way. Each error counts for one burst
        only: the errors of a source with a burst are excluded from the sum until the source is calm again; during a
        burst of the sum, and for a window after it, no single source is reported.
        """
        with self._lock:
            now = self._clock()
            settled = now >= self._settled_at
            found, own_errors = list[ErrorBurst](), 0
            for source in self._sources.values():
                if source.errors is None:
                    continue
                recent, usual = source.errors.recent(now), source.errors.usual
                is_burst = recent >= max(count_min, factor * usual) and (settled or source.met_here)
                if is_burst and now >= self._sum_burst_until:
                    source.has_burst = True
                    found.append(ErrorBurst(source.kept.listener, source.kept.name, recent, usual))
                elif recent <= CALM_SHARE * count_min:
                    source.has_burst = False
                if source.has_burst:
                    own_errors += recent
                elif not recent and usual < 0.1:
                    source.errors = None
            recent, usual = self._errors.recent(now) - own_errors, self._errors.usual
            if not found and recent >= max(count_min, factor * usual) and settled:
                self._sum_burst_until = now + self._burst_window_s
                found.append(ErrorBurst("", "all sources", recent, usual))
            return found

    def blind(self) -> None:
        """Note that the journal can't store entries now, so that no source counts as silent."""
        with self._lock:
            self._blind_until = self._clock()

    def deafen(self, listener: str) -> None:
        """Note that a listener is down, so that its sources do not count as silent."""
        with self._lock:
            self._deaf_until[listener] = self._clock()

    def forget(self, listener: str, name: str) -> bool:
        """Forget a source; its next entry makes it a new one. False if it is unknown."""
        with self._lock:
            return self._sources.pop((listener, name), None) is not None

    @property
    def known(self) -> int:
        """Number of known sources."""
        return len(self._sources)

    def _known_until(self) -> float:
        """Monotonic time up to which all entries have been read."""
        return self._clock() if self._end() <= self.position else self._read_until

    def _since(self, source: SourceState) -> float:
        """Monotonic time since which a source certainly sent nothing."""
        return max(source.heard_at, self._unsure(source.kept.listener))

    def _unsure(self, listener: str) -> float:
        """Monotonic time before which entries may have been missed."""
        return max(self._blind_until, self._deaf_until.get(listener, self._blind_until))

    # --- updates from the journal ---

    def take(self, senders: Senders, position: int) -> None:
        """Update the sources from a block; `position` is the sequence after it."""
        with self._lock:
            now = self._clock()
            ahead = (
                self._wall() - now
            )  # current difference of the clocks, so that setting the wall clock has only a short effect
            for group in senders.groups:
                received = epoch_s(group.received_at)
                moment = now if received is None else min(now, received - ahead)
                self._read_until = max(self._read_until, moment)
                self._enter(group, moment)
            for key, line in senders.last.items():
                source = self._sources.get(key)
                if source is not None:
                    source.note_last(line)
            self.position = position

    def _enter(self, group: SenderGroup, moment: float) -> None:
        source = self._sources.get(group.key) or self._meet(group, moment)
        kept = source.kept
        if source.heard_at < self._unsure(kept.listener):
            kept.rhythm.again(group.entries)
        else:
            kept.rhythm.heard(max(0.0, moment - source.heard_at), group.entries, silent=kept.silent)
        kept.silent = False
        kept.entries += group.entries
        kept.peer, kept.last_seen = group.peer, group.received_at
        source.heard_at = max(source.heard_at, moment)
        source.silent_after_s = None
        if group.errors:
            source.errors = source.errors or Burst(self._burst_window_s, moment)
            source.errors.add(moment, group.errors)
            self._errors.add(moment, group.errors)

    def _meet(self, group: SenderGroup, moment: float) -> SourceState:
        """Add a new source."""
        if len(self._sources) >= SOURCES_MAX:
            self._evict()
        listener, name = group.key
        kept = SourceRecord(listener, name, group.peer, group.received_at, group.received_at, 0, Rhythm())
        source = self._sources[group.key] = SourceState(kept, moment, met_here=True)
        return source

    def _evict(self) -> None:
        """Remove the sources with the oldest entries, those with few entries first: names may be generated."""
        doomed = heapq.nsmallest(
            EVICTED_AT_ONCE,
            self._sources,
            key=lambda key: (
                self._sources[key].kept.entries >= STEADY_ENTRIES_MIN,
                self._sources[key].heard_at,
            ),
        )
        for key in doomed:
            del self._sources[key]
        self.evicted += len(doomed)

    def skip_to(self, position: int) -> None:
        """Skip the entries up to `position`."""
        with self._lock:
            self.skipped += max(0, position - self.position)
            self.position = position
            self._blind_until = self._read_until = self._clock()

    # --- the file ---

    def _load(self) -> int:
        """Load the saved book, and return its position. Server downtime does not count as silence of a source."""
        try:
            book = load_book(self._data_dir)
        except (OSError, ValueError, RecursionError) as error:
            self._report("warning", f"the saved list of sources can't be read, and is built again: {error}")
            return self._end()
        if book is None:
            return self._end()
        now, wall, window_s = self._clock(), self._wall(), self._burst_window_s
        for kept in book.sources[:SOURCES_MAX]:
            ago_s = max(1e-3, wall - (epoch_s(kept.last_seen) or wall))
            source = self._sources[kept.listener, kept.name] = SourceState(kept, now - ago_s, met_here=False)
            if kept.errors_per_s:
                source.errors = Burst(window_s, now, kept.errors_per_s * window_s)
        self._errors = Burst(window_s, now, book.errors_per_s * window_s)
        self._settled_at = now + SETTLE_WINDOWS * window_s
        return book.position

    def save(self) -> None:
        """Save the book, and forget sources after `FORGET_S`. An error is logged once."""
        now = self._clock()
        with self._lock:
            for key in [key for key, one in self._sources.items() if now - one.heard_at > FORGET_S]:
                del self._sources[key]
            for one in self._sources.values():
                one.kept.errors_per_s = one.errors.usual / self._burst_window_s if one.errors else 0.0
        kept = (one.described() for one in list(self._sources.values()))
        try:
            save_book(self._data_dir, self.position, self._errors.usual / self._burst_window_s, kept)
            self._failing = False
        except OSError as error:
            if not self._failing:
                text = f"the list of sources can't be saved: {error.strerror or error}"
                self._report("warning", text)
            self._failing = True


def _silence(kept: SourceRecord, silent_s: float) -> Silence:
    return Silence(kept.listener, kept.name, silent_s, kept.rhythm.typical_s, silent_s > GIVE_UP_S)
