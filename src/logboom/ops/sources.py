"""The source book: who sends, when they did last, how often they do, and who has fallen silent."""

import heapq
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from logboom.model import Report
from logboom.ops.bursts import Burst
from logboom.ops.rhythm import DAY_S, DAYS_MAX, STEADY_ENTRIES_MIN, Rhythm
from logboom.ops.source_file import Kept, load_book, save_book
from logboom.ops.source_lines import Group, Key, Senders, epoch_s

SOURCES_MAX: Final = 10_000
"""Sources that are known at once, about 20 MB; more are a fault of somebody's names. The longest silent one goes."""

EVICTED_AT_ONCE: Final = 100
"""Finding the longest silent takes a look at all: once for a hundred."""

FORGET_S: Final = DAYS_MAX * DAY_S
"""A source that was silent for so long is gone for good: nobody waits for it any more."""

SETTLE_WINDOWS: Final = 2
"""So many windows after a start, errors are judged of sources that were known before, and of all together: senders
come back within the first, with what they have kept meanwhile."""

CALM_SHARE: Final = 0.1
"""Share of the errors of a burst. A source with no more than that in the window is calm: too few to start another."""

GIVE_UP_S: Final = FORGET_S - 3600.0
"""A silence this long is as good as forgotten: from here on, its end is told as what it is."""


class Source:
    """One source, as it is known to this process."""

    __slots__ = ("errors", "has_burst", "heard_at", "kept", "met_here", "silent_after_s")

    def __init__(self, kept: Kept, heard_at: float, *, met_here: bool) -> None:
        self.kept = kept
        self.heard_at = heard_at
        """Moment of its last entry, on the monotonic clock."""
        self.met_here = met_here
        """It was not known before this process."""
        self.errors: Burst | None = None
        self.has_burst = False
        """A burst of its errors was reported, and it is not calm since: see `SourceBook.error_bursts`."""
        self.silent_after_s: float | None = None
        """See `Rhythm`; None: to be asked anew."""


class Silence(NamedTuple):
    """A source that is silent."""

    listener: str
    name: str
    silent_s: float
    typical_s: float | None
    given_up: bool
    """It will be forgotten within the hour."""


class ErrorBurst(NamedTuple):
    """More errors than usual."""

    listener: str
    """Empty: over all sources."""
    name: str
    errors: int
    usual: float
    """The mean count before."""


class SourceBook:
    """Takes what blocks of the journal tell, and answers. Any thread may call any method.

    Args:
        data_dir: where the book is kept.
        end: the journal's next sequence.
        report: told about a book that can't be read or written.
        factor: see `Rhythm.silent_after_s`.
        silent_s_min: the shortest silence that is called so, seconds.
        burst_window_s: how long errors are counted for, seconds.
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
        """Entries that nobody looked at, since the start."""
        self.evicted = 0
        """Sources that were let go because there were too many, since the start."""
        self._data_dir = data_dir
        self._end = end
        self._report = report
        self._factor, self._silent_s_min = factor, silent_s_min
        self._burst_window_s = burst_window_s
        self._clock, self._wall = clock, wall
        self._lock = threading.Lock()  # around each block and each judgement: between them, all is consistent
        self._sources: dict[Key, Source] = {}
        self._blind_until = self._read_until = clock()
        self._deaf_until: dict[str, float] = {}  # by listener
        self._errors = Burst(burst_window_s, self._blind_until)
        self._settled_at = self._blind_until
        self._sum_burst_until = self._blind_until
        self._failing = False
        self.position = self._load()
        """The next sequence to be read."""

    # --- questions ---

    def document(self, limit: int) -> dict[str, Any]:
        """`/api/sources`: those who sent last, first."""
        with self._lock:
            now, known_until = self._clock(), self._known_until()
            newest = heapq.nlargest(limit, self._sources.values(), key=lambda one: one.heard_at)
            sources = [self._described(one, now, known_until) for one in newest]
            return {"sources": sources, "total": len(self._sources), "skipped": self.skipped}

    def _described(self, source: Source, now: float, known_until: float) -> dict[str, Any]:
        kept, typical = source.kept, source.kept.rhythm.typical_s
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
        }

    def silences(self) -> list[Silence]:
        """Who is silent for longer than ever. What this says of a source holds until it speaks."""
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

    def _is_silent(self, source: Source, quiet_s: float) -> bool:
        if quiet_s <= self._silent_s_min:
            return False
        if source.silent_after_s is None:
            source.silent_after_s = source.kept.rhythm.silent_after_s(self._factor, self._silent_s_min)
        return quiet_s > source.silent_after_s

    def error_bursts(self, count_min: int, factor: float) -> list[ErrorBurst]:
        """Sources with at least `count_min` errors in the window and `factor` times their usual number; else the sum.

        Each error counts for one burst only. The errors of a source that has its own burst are left out of the sum
        until the source is calm again, and while the sum is a burst, and for a window after that, no single source
        is one.
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
        """The journal stores nothing now: nobody is to be called silent for that."""
        with self._lock:
            self._blind_until = self._clock()

    def deafen(self, listener: str) -> None:
        """A listener is down: nobody who sends there is to be called silent for that."""
        with self._lock:
            self._deaf_until[listener] = self._clock()

    def forget(self, listener: str, name: str) -> bool:
        """Know a source no more; when it speaks again, it is new. False: it is not known."""
        with self._lock:
            return self._sources.pop((listener, name), None) is not None

    @property
    def known(self) -> int:
        """How many sources are known."""
        return len(self._sources)

    def _known_until(self) -> float:
        """The moment up to which it is known who has sent."""
        return self._clock() if self._end() <= self.position else self._read_until

    def _since(self, source: Source) -> float:
        """The moment since which a source is known to have sent nothing."""
        return max(source.heard_at, self._unsure(source.kept.listener))

    def _unsure(self, listener: str) -> float:
        """The moment before which entries may have come unseen."""
        return max(self._blind_until, self._deaf_until.get(listener, self._blind_until))

    # --- what the journal tells ---

    def take(self, senders: Senders, position: int) -> None:
        """Enter what a block tells; `position` is the sequence after it."""
        with self._lock:
            now = self._clock()
            ahead = (
                self._wall() - now
            )  # between the clocks, this moment's: a wall clock that is set harms only a moment
            for group in senders.groups:
                received = epoch_s(group.received_at)
                moment = now if received is None else min(now, received - ahead)
                self._read_until = max(self._read_until, moment)
                self._enter(group, moment)
            for key, last in senders.last.items():
                source = self._sources.get(key)
                if source is not None:
                    source.kept.level, source.kept.message = last
            self.position = position

    def _enter(self, group: Group, moment: float) -> None:
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

    def _meet(self, group: Group, moment: float) -> Source:
        """A source that is new here."""
        if len(self._sources) >= SOURCES_MAX:
            self._evict()
        listener, name = group.key
        kept = Kept(listener, name, group.peer, group.received_at, group.received_at, 0, Rhythm())
        source = self._sources[group.key] = Source(kept, moment, met_here=True)
        return source

    def _evict(self) -> None:
        """Let the longest silent go, first those of whom little is known: names may be made up by the thousand."""
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
        """Entries up to `position` are not looked at: what came among them is not known."""
        with self._lock:
            self.skipped += max(0, position - self.position)
            self.position = position
            self._blind_until = self._read_until = self._clock()

    # --- the file ---

    def _load(self) -> int:
        """Take over what was kept; returns the position. The time without a server is nobody's silence."""
        try:
            book = load_book(self._data_dir)
        except (OSError, ValueError) as error:
            self._report(
                "warning", f"what was known of the sources can't be read, it is learned anew: {error}"
            )
            return self._end()
        if book is None:
            return self._end()
        now, wall, window_s = self._clock(), self._wall(), self._burst_window_s
        for kept in book.sources[:SOURCES_MAX]:
            ago_s = max(1e-3, wall - (epoch_s(kept.last_seen) or wall))
            source = self._sources[kept.listener, kept.name] = Source(kept, now - ago_s, met_here=False)
            if kept.errors_per_s:
                source.errors = Burst(window_s, now, kept.errors_per_s * window_s)
        self._errors = Burst(window_s, now, book.errors_per_s * window_s)
        self._settled_at = now + SETTLE_WINDOWS * window_s
        return book.position

    def save(self) -> None:
        """Write the book; forget who is gone for good. Trouble is told once."""
        now = self._clock()
        with self._lock:
            for key in [key for key, one in self._sources.items() if now - one.heard_at > FORGET_S]:
                del self._sources[key]
            for one in self._sources.values():
                one.kept.errors_per_s = one.errors.usual / self._burst_window_s if one.errors else 0.0
        kept = [one.kept for one in list(self._sources.values())]
        try:
            save_book(self._data_dir, self.position, self._errors.usual / self._burst_window_s, kept)
            self._failing = False
        except OSError as error:
            if not self._failing:
                text = f"what is known of the sources can't be written: {error.strerror or error}"
                self._report("warning", text)
            self._failing = True


def _silence(kept: Kept, silent_s: float) -> Silence:
    return Silence(kept.listener, kept.name, silent_s, kept.rhythm.typical_s, silent_s > GIVE_UP_S)
