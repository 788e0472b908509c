"""A journal that grows on demand, and a running output whose reports and flushes can be waited for."""

from pathlib import Path
from queue import SimpleQueue
from typing import Any

from logboom.journal.journal import AckLevel, Journal
from logboom.model import Batch, Receipt, Source
from logboom.outputs.base import Output
from logboom.outputs.runner import OutputRunner
from logboom.testing.output_kit import FIRST_NS


class Feed:
    """A real journal; `append` returns when the entries can be read."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.journal = Journal(
            data_dir, lambda call, *arguments: call(*arguments), free_bytes_min=0, segment_bytes_max=2_000
        )
        self.next = 0

    def append(self, count: int, entry: bytes = b'{"n":%d}') -> None:
        entries = b"\n".join(entry % number for number in range(self.next, self.next + count))
        batch = Batch(entries, bytes(count), size_bytes=len(entries))
        batch.source = Source("device", "10.0.0.1")
        batch.received_ns = FIRST_NS
        answers: SimpleQueue[Receipt] = SimpleQueue()
        self.journal.submit(batch, AckLevel.SYNCED, answers.put)
        assert answers.get(timeout=10).first_sequence == self.next
        self.next += count


class Watched:
    """Runs `output` from the start.

    Args:
        output: not opened yet.
        feed: what it follows.
        more: of the runner.
    """

    def __init__(self, output: Output, feed: Feed, **more: Any) -> None:
        self.reports: SimpleQueue[str] = SimpleQueue()
        self.feed = feed
        self.output: Any = output
        flush, self._flushed = output.flush, SimpleQueue[int]()

        def flush_and_tell() -> None:
            flush()
            self._flushed.put(output.position())

        output.flush = flush_and_tell  # type: ignore[method-assign]
        self.runner = OutputRunner(
            "o", output, feed.journal.log, lambda _, text: self.reports.put(text), **more
        )
        self.runner.start()

    def append(self, count: int) -> None:
        """Append entries, and wait until they are written."""
        self.feed.append(count)
        self._wait()

    def append_readings(self, count: int) -> None:
        """The same with readings of a sensor."""
        self.feed.append(count, b'{"n":%d,"time":"t","temp":1,"rh":2,"lux":3}')
        self._wait()

    def _wait(self) -> None:
        while self._flushed.get(timeout=10) < self.feed.next:
            pass
