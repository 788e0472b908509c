"""Lines of one answer: the newest or the oldest of a range of time, in whatever order they arrived.

A client continues from the time of the last line of an answer. A line that arrived late must not stand before that time
without having been in an answer, so lines are chosen by their time, not by their arrival.
"""

from typing import Final

from logboom.query.logql.logql_compiler import Compiled
from logboom.query.matching import Filter, Found
from logboom.query.search import PAGE_BYTES_MAX, Search
from logboom.web.loki.loki_answers import time_ns
from logboom.web.loki.loki_parameters import TimeRange

BYTES_MAX: Final = 4 * PAGE_BYTES_MAX
"""Bytes of entries that are looked at for one answer, on top of those of its lines."""


class LineSearch:
    """Search for the lines of one answer.

    Args:
        search: in the journal.
        compiled: the selection.
        span: microseconds since the epoch.
        exact: the same in nanoseconds.
        forward: the oldest lines are wanted; else the newest.
    """

    def __init__(
        self, search: Search, compiled: Compiled, span: TimeRange, exact: TimeRange, *, forward: bool
    ) -> None:
        self._search = search
        self._compiled = compiled
        self._span = span
        self._exact = exact
        self._forward = forward
        self._start = 0
        self._end: int | None = None
        self._bytes_left = BYTES_MAX
        self._has_more = True
        self.is_complete = True
        """False: not all entries were looked at, for lack of time, or since they are too large."""

    def take(self, limit: int) -> list[Found]:
        """Return the lines in the order of the answer, `limit` at most."""
        span = self._span
        found: list[Found] = []
        while self._has_more and self.is_complete:
            found += self._next(span.limit(self._compiled.wanted), limit)
            found.sort(key=time_ns, reverse=not self._forward)
            del found[limit:]
            if len(found) < limit:
                continue
            last = time_ns(found[-1]) // 1000  # what is left counts only if its time is on this side of it
            span = span._replace(until=last + 1) if self._forward else span._replace(since=last)
        return found

    def _next(self, wanted: Filter, limit: int) -> list[Found]:
        """Return the next lines in the order of arrival."""
        page = (
            self._search.forward(wanted, limit, start=self._start)
            if self._forward
            else self._search.backward(wanted, limit, end=self._end)
        )
        self._start, self._end, self._has_more = page.next, page.first, page.more
        self._bytes_left -= sum(len(one.entry) for one in page.found)
        self.is_complete = not page.more or not (self._search.is_over or self._bytes_left <= 0)
        return [one for one in page.found if self._passes(one)]

    def _passes(self, found: Found) -> bool:
        if not self._exact.since <= time_ns(found) < self._exact.until:
            return False
        pipeline = self._compiled.pipeline
        if self._compiled.is_filter or pipeline is None:
            return True
        return pipeline.run(found.record, found.entry) is not None
