"""What was made of a journal's steps, kept for the next time it is asked for.

A step of the index never changes once the next one has begun: asking again costs a look at each step, and
reading only what is new. What was given up goes on where it ended.
"""

import threading
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Final, Generic, Protocol, TypeVar

from logboom.formats.buckets import microseconds
from logboom.journal.matching import Filter, Matcher
from logboom.journal.steps import Places, Step

PICTURES_MAX: Final = 64
"""Of filters and resolutions that something is kept for; each has a page that shows it."""

PART_SIZE: Final = 5
"""What a part takes besides its content, in the unit of its content. One that holds nothing takes 1: it is shared."""

_ALWAYS: Final = 1 << 62


class Part(Protocol):
    """What was made of some entries."""

    def __len__(self) -> int:
        """How much is to be kept of it."""

    @property
    def since(self) -> int:
        """No entry of it came before; microseconds since the epoch."""

    @property
    def until(self) -> int:
        """All entries of it came before."""


P = TypeVar("P", bound=Part)


@dataclass(slots=True)
class _Picture(Generic[P]):
    """What is kept of one picture, by the first sequence of its step."""

    parts: dict[int, P] = field(default_factory=dict)
    steps: list[int] = field(default_factory=list)
    """Those of `parts`, as a heap: the oldest goes first."""
    size: int = 0
    floor: int = -1
    """For this step and older ones there is no room, even for this picture alone."""


class KeptSteps(Generic[P]):
    """The steps of a journal, newest first. Any number of threads may ask.

    Args:
        places: of the journal.
        size_max: how much is kept of all pictures; see `_size_of`.
    """

    def __init__(self, places: Places, size_max: int) -> None:
        self._places = places
        self._size_max = size_max
        self._lock = threading.Lock()
        self._pictures: dict[Hashable, _Picture[P]] = {}
        self._size = 0

    def back(
        self, wanted: Filter, kind: Hashable, read: Callable[[Step, Matcher], P]
    ) -> Iterator[tuple[P, bool]]:
        """What is made of each step that can hold matches, and whether there are older ones.

        Args:
            wanted: which entries.
            kind: tells what is made of the entries, when there are several.
            read: makes a part of what matches in a step.
        """
        timeless = wanted._replace(since="", until="")
        since = microseconds(wanted.since) if wanted.since else 0
        until = microseconds(wanted.until) if wanted.until else _ALWAYS
        start, end = self._places.bounds(wanted.since, wanted.until)
        everywhen, matcher = Matcher(timeless), Matcher(wanted)
        for step in self._places.steps_back(start, end):
            part = None
            if step.whole:
                part = self._get((timeless, kind), step.start)
                if part is None:
                    part = read(step, everywhen)
                    if step.is_there:  # else it may hold less than the step
                        self._keep((timeless, kind), step.start, part)
            if part is None or part.since < since or until < part.until:
                part = read(step, matcher)
            yield part, step.start > start

    def _get(self, key: Hashable, sequence: int) -> P | None:
        picture = self._pictures.get(key)
        return None if picture is None else picture.parts.get(sequence)

    def _keep(self, key: Hashable, sequence: int, part: P) -> None:
        """Keep a part, and forget the oldest of that picture for which nothing was read for the longest time."""
        with self._lock:
            picture = self._pictures.pop(key, None) or _Picture[P]()
            self._pictures[key] = picture
            if sequence <= picture.floor or sequence in picture.parts:
                return
            picture.parts[sequence] = part
            heappush(picture.steps, sequence)
            self._grow(picture, _size_of(part))
            while len(self._pictures) > PICTURES_MAX:
                self._size -= self._pictures.pop(next(iter(self._pictures))).size
            while self._size > self._size_max:
                self._forget()

    def _forget(self) -> None:
        key, picture = next(iter(self._pictures.items()))
        is_alone = len(self._pictures) == 1
        if picture.steps:
            oldest = heappop(picture.steps)
            self._grow(picture, -_size_of(picture.parts.pop(oldest)))
            picture.floor = oldest if is_alone else picture.floor
        if not picture.steps and not is_alone:
            del self._pictures[key]

    def _grow(self, picture: _Picture[P], size: int) -> None:
        picture.size += size
        self._size += size


def _size_of(part: Part) -> int:
    return len(part) + PART_SIZE if len(part) else 1
