"""Values of lines by time and labels, as the stages of a query make them, newest first.

Slower than the counts of `query.stream_counter`: each line is decoded and goes through the stages.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

from logboom.formats.buckets import microseconds
from logboom.journal.log import Log, Step
from logboom.journal.step_times import ALWAYS
from logboom.query.logql.logql_compiler import compile_selection
from logboom.query.logql.logql_syntax import LogqlError, RangeCount
from logboom.query.logql.pipeline import Passed, Pipeline
from logboom.query.logql.value_summaries import Summary
from logboom.query.matching import Filter, Matcher
from logboom.query.step_cache import StepCache
from logboom.query.stream_counter import GROUPS_MAX, LabelGrouping, Labels

CELLS_KEPT_MAX: Final = 20_000
"""Summaries that are kept for later queries, of one cell and set of labels each: some 10 MB."""

VALUES_MAX: Final = 1_000_000
"""Summaries and single values of one answer: some 100 MB at most."""

BLOCK_LINES: Final = 1 << 30
"""All lines of a block."""

Cells = dict[tuple[int, Labels], Summary]


class Samples:
    """The values of some entries in a row."""

    __slots__ = ("cells", "since", "until")

    def __init__(self, since: int = ALWAYS, until: int = 0) -> None:
        self.cells: Cells = {}
        self.since = since
        self.until = until

    def __len__(self) -> int:
        return sum(1 + len(one.values) for one in self.cells.values())

    def with_older(self, older: "list[Samples]") -> "Samples":
        """Return the values of all of them."""
        whole = Samples()
        for one in (self, *older):
            whole.add(one)
        return whole

    def add(self, other: "Samples") -> None:
        """Add the values of other entries."""
        cells = self.cells
        for key, summary in other.cells.items():
            mine = cells.get(key)
            if mine is None:
                mine = cells[key] = Summary()
            mine.add(summary)
        self.since, self.until = min(self.since, other.since), max(self.until, other.until)


class SampleReader:
    """Reads a journal's values. Any number of threads may ask.

    Args:
        log: the journal.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._kept: StepCache[Samples] = StepCache(log, CELLS_KEPT_MAX)

    def read(
        self,
        metric: RangeCount,
        wanted: Filter,
        width: int,
        grouping: LabelGrouping,
        give_up: Callable[[], bool] = lambda: False,
    ) -> tuple[Cells, float]:
        """Return the summaries by cell and labels, and the share of the entries that were looked at.

        Args:
            metric: whose values are wanted.
            wanted: the filter of its selection, with limits of time.
            width: of the cells, microseconds; they are numbered from the epoch.
            grouping: the labels of the series.
            give_up: asked after each step of about a megabyte; True ends the reading.

        Raises:
            LogqlError: see `GROUPS_MAX` and `VALUES_MAX`.
        """
        whole, progress = Samples(), 1.0
        read = partial(self._read, _Making(metric, width, grouping))
        key = (metric.selection, metric.unwrap, metric.function, width, grouping)
        for taken in self._kept.back(wanted, key, read, give_up):
            whole.add(taken.part)
            progress = taken.progress
            if len({labels for _, labels in whole.cells}) > GROUPS_MAX or len(whole) > VALUES_MAX:
                raise LogqlError("too many series or values: use a narrower selector, less time, or by (…)")
        return whole.cells, progress

    def _read(self, making: "_Making", step: Step, matcher: Matcher) -> Samples:
        found = Samples()
        for block in self._log.blocks_of(step):
            for one in matcher.first(block, BLOCK_LINES):
                passed = making.pipeline.run(one.record, one.entry)
                if passed is not None:
                    making.add(found, passed, one.entry)
        return found


class _Making:
    """Makes values of entries."""

    def __init__(self, metric: RangeCount, width: int, grouping: LabelGrouping) -> None:
        self.pipeline: Pipeline = compile_selection(metric.selection, metric.unwrap).pipeline or Pipeline(())
        self._grouping = grouping
        self._width = width
        self._is_sized = metric.function.startswith("bytes")
        self._keeps = metric.function == "quantile_over_time"

    def add(self, samples: Samples, passed: Passed, raw: bytes) -> None:
        """Add the value of an entry, if it has one."""
        value = float(len(raw)) if self._is_sized else self.pipeline.value_of(passed)
        if value is None:
            return
        try:
            moment = microseconds(passed.time)
        except (ValueError, TypeError):  # a damaged time
            return
        key = moment // self._width, self._labels(passed)
        summary = samples.cells.get(key)
        if summary is None:
            summary = samples.cells[key] = Summary()
        summary.note(moment, value, keeps=self._keeps)
        samples.since, samples.until = min(samples.since, moment), max(samples.until, moment + 1)

    def _labels(self, passed: Passed) -> Labels:
        grouping = self._grouping
        if grouping.names is None or grouping.without:
            return grouping.of({**passed.parsed, **passed.stream})
        return tuple(sorted((name, value) for name in set(grouping.names) if (value := passed.get(name))))
