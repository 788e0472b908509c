"""A running output whose reports and flushes can be waited for."""

from queue import SimpleQueue
from typing import Any

from logboom.outputs.base import Output
from logboom.outputs.runner import OutputRunner


class Watched:
    """Runs `output` from the start.

    Args:
        output: not opened yet.
        feed: the fixture of that name.
        more: of the runner.
    """

    def __init__(self, output: Output, feed: Any, **more: Any) -> None:
        self.reports: SimpleQueue[str] = SimpleQueue()
        self.feed = feed
        flush, self._flushed = output.flush, SimpleQueue[int]()

        def flush_and_tell() -> None:
            flush()
            self._flushed.put(output.position())

        output.flush = flush_and_tell  # type: ignore[method-assign]
        self.runner = OutputRunner("o", output, feed.journal, lambda _, text: self.reports.put(text), **more)
        self.runner.start()

    def append(self, count: int) -> None:
        """Append entries, and wait until they are written."""
        self.feed.append(count)
        while self._flushed.get(timeout=10) < self.feed.next:
            pass
