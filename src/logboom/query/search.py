"""Looking through a journal: pages of matching entries, forward or backward, from any place or time.

Backward, it goes from one point of the sparse index to the one before: about a megabyte a step. Nothing is
held but one block and the page itself, however long the journal is.
"""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from logboom.journal.log import Block, Log, blocks, moment_of
from logboom.query.matching import Filter, Found, Matcher
from logboom.query.spans import Steps, bounds_of

PAGE_BYTES_MAX: Final = 8 << 20
"""Bytes of entries on one page: entries may have a megabyte each, a page's number of them is no bound."""


class Page(NamedTuple):
    """Found entries, and the places where the search continues."""

    found: list[Found]
    """In the order of the search."""
    first: int
    """The oldest sequence that was looked at; a search before it goes on towards the past."""
    next: int
    """The sequence after the newest that was looked at; a search from it on goes on towards the present."""
    more: bool
    """The search was ended before its end, by its limits or by `give_up`: there may be more matches."""
    start: int
    """The first sequence of the range that is searched, over all pages."""
    reached_at: str
    """Receive time of the entry that was looked at last, as the journal has it; empty: none, or it is damaged."""


class Search:
    """A journal to be looked through.

    Args:
        log: the journal.
        give_up: asked after each block; True ends the search with what was found so far.
    """

    def __init__(
        self,
        log: Log,
        give_up: Callable[[], bool] = lambda: False,
    ) -> None:
        self._log = log
        self._give_up = give_up

    @property
    def is_over(self) -> bool:
        """True once `give_up` ends the search."""
        return self._give_up()

    def place(self, wanted: Filter, start: int = 0) -> int:
        """Return the first sequence from `start` on that can match; times are looked up in the index."""
        return bounds_of(self._log, wanted, start)[0]

    def forward(self, wanted: Filter, limit: int, *, start: int = 0, end: int | None = None) -> Page:
        """Return the first matches of the sequences from `start` to before `end`, oldest first."""
        start, end = bounds_of(self._log, wanted, start, end)
        page = _Collector(limit)
        position, reached_at = start, ""
        for block, matcher in self._blocks(wanted, start, end):
            found = page.add(matcher.first(block, page.left))
            position = found[-1].record.sequence + 1 if page.full else block.next_sequence
            reached_at = found[-1].record.received_at if page.full else _last_moment(block.data)
            if page.full or self._give_up():
                break
        else:
            return Page(page.found, start, max(start, end), more=False, start=start, reached_at=reached_at)
        return Page(page.found, start, position, position < end, start, reached_at)

    def backward(self, wanted: Filter, limit: int, *, start: int = 0, end: int | None = None) -> Page:
        """Return the last matches of the sequences from `start` to before `end`, newest first."""
        start, end = bounds_of(self._log, wanted, start, end)
        page = _Collector(limit)
        position, reached_at = end, ""
        for step, matcher in Steps(self._log, wanted).back(start, end):
            newest_first, moments = list[Found](), list[str]()
            for block in self._log.blocks_of(step):
                moments.append(moment_of(block.data))
                newest_first[:0] = matcher.last(block, page.left)
                del newest_first[page.left :]
            found = page.add(newest_first)
            position = found[-1].record.sequence if page.full else step.start
            reached_at = found[-1].record.received_at if page.full else next(iter(moments), reached_at)
            if page.full or self._give_up():
                break
        else:
            position = start
        return Page(page.found, position, end, position > start, start, reached_at)

    def _blocks(self, wanted: Filter, start: int, end: int) -> Iterator[tuple[Block, Matcher]]:
        for part in Steps(self._log, wanted).ranges(start, end):
            for block in blocks(self._log, part.start, part.end):
                yield block, part.matcher


def _last_moment(data: bytes) -> str:
    """The receive time of the last of some lines; empty when it is damaged."""
    return moment_of(data[data.rfind(b"\n", 0, -1) + 1 :])


class _Collector:
    """A page that is being filled."""

    def __init__(self, limit: int) -> None:
        self.found: list[Found] = []
        self.left = limit
        self._bytes_left = PAGE_BYTES_MAX

    @property
    def full(self) -> bool:
        return self.left <= 0 or self._bytes_left <= 0

    def add(self, found: list[Found]) -> list[Found]:
        """Take what still fits, at least one; returns the page so far."""
        for one in found:
            if self.full:
                break
            self.found.append(one)
            self.left -= 1
            self._bytes_left -= len(one.entry)
        return self.found
