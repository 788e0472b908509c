"""Cache of per-step aggregates, reused by later queries.

A step of the index never changes once the next one has begun: asking again costs a look at each step, and
reading only what is new. A query that was given up continues where it ended. When there is no room for all
aggregates, neighbours are merged into one: an aggregate of many steps takes hardly more room than that of one step,
so that a picture of any time range becomes complete.
"""

import threading
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import Final, Generic, NamedTuple, Protocol, Self, TypeVar

from logboom.formats.buckets import microseconds
from logboom.journal.log import Log, Step, Usable
from logboom.query.filter.needed_words import word_test
from logboom.query.matching import Filter, Matcher
from logboom.query.spans import bounds_of, span_of

PICTURES_MAX: Final = 64
"""Combinations of filter and resolution with kept aggregates; each has a page that shows it."""

PART_SIZE: Final = 5
"""Size of an aggregate apart from its content, in the unit of its content; 1 for an empty one, which is shared."""

RUN_STEPS: Final = 64
"""Steps that are merged at first. A query whose time range ends within them reads them again, once: about 64 MB."""

RUN_STEPS_GROWTH: Final = 8
"""Factor for the length of runs when merging did not make enough room."""

RUN_STEPS_MAX: Final = RUN_STEPS * RUN_STEPS_GROWTH**4
"""Longest run: about 256 GB of the journal."""

ENOUGH_SHARE: Final = 0.75
"""Share of a picture's size that merging may leave. A picture is not merged again before it has grown by a third."""

READS_MIN: Final = 4
"""Steps that a query may read without a gain before it is given up: those at its ends are read each time."""

_ALWAYS: Final = 1 << 62


Token = Callable[[int, int], int]
"""See `log.Log.clock_token`."""


class Part(Protocol):
    """An aggregate of some entries in a row."""

    def __len__(self) -> int:
        """Size of the content."""

    @property
    def since(self) -> int:
        """No entry of it came before; microseconds since the epoch."""

    @property
    def until(self) -> int:
        """All entries of it came before."""

    def with_older(self, older: list[Self]) -> Self:
        """A new aggregate of this one and of older neighbours, the newest of them first."""


P = TypeVar("P", bound=Part)


class Taken(NamedTuple, Generic[P]):
    """One aggregate of a query, and how far the query is with it."""

    part: P
    progress: float
    """Share of the queried sequences, up to and with this aggregate; 1: it is the last one."""


class _Run(NamedTuple, Generic[P]):
    """The aggregate of some steps in a row."""

    start: int
    """The first sequence."""
    end: int
    """The sequence after the last one."""
    steps: int
    part: P
    token: int = 0
    """Identifies the times that its entries did not give themselves (`log.Log.clock_token`)."""

    @property
    def size(self) -> int:
        return len(self.part) + PART_SIZE if len(self.part) else 1


@dataclass(slots=True)
class _Picture(Generic[P]):
    """The kept aggregates of one filter and resolution."""

    runs: dict[int, _Run[P]] = field(default_factory=dict)
    """By their end; they do not overlap."""
    order: list[int] = field(default_factory=list)
    """The keys of `runs`, as a heap: the oldest is forgotten first."""
    size: int = 0
    run_steps: int = RUN_STEPS
    merged_size: int = 0
    """`size` after the last merge."""
    floor: int = -1
    """There is no room for what ends here or before, even for this picture alone."""

    def add(self, run: _Run[P]) -> None:
        """Add a run in the place of a longer one with the same end."""
        before = self.runs.get(run.end)
        if before is None:
            heappush(self.order, run.end)
        self.runs[run.end] = run
        self.size += run.size - (0 if before is None else before.size)

    def drop_within(self, run: _Run[P]) -> None:
        """Drop the runs that a new one holds."""
        kept = [one for one in self.runs.values() if one.start < run.start or one.end > run.end]
        if len(kept) < len(self.runs):
            self.replace(kept)

    def forget_oldest(self) -> _Run[P]:
        run = self.runs.pop(heappop(self.order))
        self.size -= run.size
        return run

    def merge(self, token: Token) -> bool:
        """Merge neighbours into ever longer runs until that makes room. Returns whether it did."""
        before = self.size
        if before <= self.merged_size / ENOUGH_SHARE:
            return False
        while True:
            self.replace(list(_merged_runs(list(self.runs.values()), self.run_steps, token)))
            self.merged_size = self.size
            if self.size <= before * ENOUGH_SHARE:
                return True
            if len(self.runs) == 1 or self.run_steps >= RUN_STEPS_MAX:
                return False
            self.run_steps *= RUN_STEPS_GROWTH

    def replace(self, runs: list[_Run[P]]) -> None:
        self.runs = {run.end: run for run in runs}
        self.order = list(self.runs)
        heapify(self.order)
        self.size = sum(run.size for run in runs)


def _merged_runs(runs: list[_Run[P]], steps_max: int, token: Token) -> Iterator[_Run[P]]:
    """Runs of at most `steps_max` steps that cover the same sequences, the newest first, without outdated ones."""
    group: list[_Run[P]] = []
    valid = [run for run in runs if run.token == token(run.start, run.end)]
    for run in sorted(valid, key=lambda run: run.end, reverse=True):
        steps = sum(one.steps for one in group) + run.steps
        if group and (run.end != group[-1].start or steps > steps_max):
            yield _merged(group, token)
            group = []
        group.append(run)
    if group:
        yield _merged(group, token)


def _merged(group: list[_Run[P]], token: Token) -> _Run[P]:
    """One run of neighbours, the newest first."""
    if len(group) == 1:
        return group[0]
    part = group[0].part.with_older([run.part for run in group[1:]])
    start, end = group[-1].start, group[0].end
    return _Run(start, end, sum(run.steps for run in group), part, token(start, end))


class _Range(NamedTuple):
    """Range of a query."""

    since: int
    """Microseconds since the epoch."""
    until: int
    start: int
    """The first sequence."""
    end: int
    """The sequence after the last one."""

    def has_all_of(self, part: Part) -> bool:
        """Return whether all entries of an aggregate are within the time range."""
        return self.since <= part.since and part.until <= self.until

    def progress_at(self, sequence: int) -> float:
        """Share that is done when `sequence` is reached from the end; 1 only when all is."""
        if sequence <= self.start:
            return 1.0
        return min((self.end - sequence) / (self.end - self.start), 0.999)


class StepCache(Generic[P]):
    """Aggregates of a journal's steps, newest first. Any number of threads may ask.

    Args:
        log: the journal.
        size_max: size of all kept aggregates at most, in the unit of their content.
    """

    def __init__(self, log: Log, size_max: int) -> None:
        self._log = log
        self._size_max = size_max
        self._lock = threading.Lock()
        self._pictures: dict[Hashable, _Picture[P]] = {}
        self._size = 0

    def back(
        self,
        wanted: Filter,
        kind: Hashable,
        read: Callable[[Step, Matcher], P],
        give_up: Callable[[], bool] = lambda: False,
        usable: Usable | None = None,
    ) -> Iterator[Taken[P]]:
        """Yield aggregates that cover all steps with possible matches, the newest first.

        Args:
            wanted: which entries.
            kind: distinguishes different aggregates of the same entries.
            read: makes an aggregate of what matches in a step.
            give_up: asked after a step was read; True ends the iteration, but not before the query has gained
                something for the next one.
            usable: returns whether `read` can make an aggregate of a segment's roll-up (`Step.counts`).
        """
        timeless = wanted.timeless()
        key = (timeless, kind)
        since = microseconds(wanted.since) if wanted.since else 0
        until = microseconds(wanted.until) if wanted.until else _ALWAYS
        asked = _Range(since, until, *bounds_of(self._log, wanted))
        everywhen, matcher = Matcher(timeless), Matcher(wanted)
        reached, reads = asked.end, 0
        taken: Taken[P] | None = None
        words = word_test(timeless.condition())
        for step in self._log.steps_back(asked.start, asked.end, span_of(wanted), usable, words):
            if step.start >= reached:
                continue  # within a run that was taken
            run = self._get(key, step, asked) if step.whole else None
            if run is None and step.whole:
                token = self._log.clock_token(
                    step.start, step.end
                )  # before the reading: it may change meanwhile
                run = _Run(step.start, step.end, 1, read(step, everywhen), token)
                reads += 1
                if self._log.holds(step):  # else it may hold less than the step
                    self._keep(key, run, asked, replaces=step.counts is not None)
                    reads += READS_MIN
            if run is None or not asked.has_all_of(run.part):
                run = _Run(step.start, step.end, 1, read(step, matcher))
                reads += 1
            reached = run.start
            if taken is not None:
                yield taken
            taken = Taken(run.part, asked.progress_at(reached))
            if reads > READS_MIN and give_up():
                yield taken
                return
        if taken is not None:  # older steps hold no match
            yield taken._replace(progress=1.0)

    def _get(self, key: Hashable, step: Step, asked: _Range) -> _Run[P] | None:
        """The kept run that ends with a step; None when there is none, or when steps of it are not asked for."""
        picture = self._pictures.get(key)
        run = None if picture is None else picture.runs.get(step.end)
        if run is None or run.token != self._log.clock_token(run.start, run.end):
            return None
        if run.start == step.start:
            return run
        is_longer = asked.start <= run.start < step.start and asked.has_all_of(run.part)
        return run if is_longer else None  # a shorter one ends with the segment, which is one step now

    def _keep(self, key: Hashable, run: _Run[P], asked: _Range, *, replaces: bool) -> None:
        """Keep a run, in the place of all within it where it replaces them; make room where there is none."""
        with self._lock:
            picture = self._pictures.pop(key, None) or _Picture[P]()
            self._pictures[key] = picture
            if asked.end <= picture.floor:  # an older time range: the newest is not needed now
                picture.floor = -1
            if run.end <= picture.floor:
                return
            before = picture.size
            if replaces:
                picture.drop_within(run)
            picture.add(run)
            self._size += picture.size - before
            while len(self._pictures) > PICTURES_MAX:
                self._size -= self._pictures.pop(next(iter(self._pictures))).size
            while self._size > self._size_max:
                self._make_room(picture, asked)

    def _make_room(self, current: _Picture[P], asked: _Range) -> None:
        """Merge what is kept; else forget a part of the picture that was asked for least recently."""
        for picture in self._pictures.values():
            before = picture.size
            has_merged = picture.merge(self._log.clock_token)
            self._size += picture.size - before
            if has_merged:
                return
        self._forget(current, asked)

    def _forget(self, current: _Picture[P], asked: _Range) -> None:
        """Forget the oldest run of the picture that was asked for least recently."""
        key, picture = next(iter(self._pictures.items()))
        if picture is current and self._forget_others(picture, asked):
            return
        if picture.runs:
            oldest = picture.forget_oldest()
            self._size -= oldest.size
            if picture is current:
                picture.floor = oldest.end
        if not picture.runs and picture is not current:
            del self._pictures[key]

    def _forget_others(self, picture: _Picture[P], asked: _Range) -> bool:
        """Forget the runs of a picture that are not within what is asked for. Returns whether there were any."""
        before = picture.size
        picture.replace(
            [run for run in picture.runs.values() if asked.start <= run.start and run.end <= asked.end]
        )
        self._size += picture.size - before
        return picture.size < before
