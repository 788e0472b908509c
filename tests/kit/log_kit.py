"""Contract of `journal.log.Log`: `check_log` holds an implementation to it; `MemoryLog` is the smallest one."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from logboom.formats.envelope import RECEIVED_AT
from logboom.journal.index import received_at_ns
from logboom.journal.log import BLOCK_BYTES, QUERY_BLOCK_BYTES, Block, Extent, Log, Step, Usable, blocks
from logboom.journal.step_times import TimeSpan
from logboom.journal.word_filters import WordTest

FAR_PAST, FAR_FUTURE = "1980-01-01T00:00:00.000000+00:00", "2190-01-01T00:00:00.000000+00:00"


def check_log(log: Log, lines: Sequence[bytes], first: int = 0) -> None:
    """Hold a log that does not grow meanwhile to its contract.

    Args:
        log: any implementation.
        lines: all lines that it has, each with its newline, undamaged and in the order of their receive times.
        first: sequence of the first line.

    Raises:
        AssertionError: the log breaks the contract.
    """
    end = first + len(lines)
    _check_ends(log, lines, first, end)
    for start in sorted({first, min(first + 1, end), (first + end) // 2, max(first, end - 1), end}):
        for bytes_max in (1, 1000, 1 << 20):
            _check_cursor(log, lines, first, start, bytes_max)
        _check_steps(log, lines, first, start, end)
    _check_steps(log, lines, first, first, max(first, end - 1))
    _check_bounds(log, lines, first, end)


def _check_ends(log: Log, lines: Sequence[bytes], first: int, end: int) -> None:
    extent = log.extent()
    assert log.end == end
    assert log.oldest() == extent.oldest == (first if lines else end)
    assert extent.bytes == sum(map(len, lines))
    assert log.first_arrival() == (received_at_ns(lines[0]) if lines else None)
    assert log.last_arrival() == (received_at_ns(lines[-1]) if lines else None)


def _check_cursor(log: Log, lines: Sequence[bytes], first: int, start: int, bytes_max: int) -> None:
    position = start
    with closing(log.cursor(start)) as cursor:
        while (block := cursor.read(bytes_max)) is not None:
            assert block.first_sequence == position
            assert block.count >= 1
            assert len(block.data) <= max(bytes_max, 2 * block.data.index(b"\n") + 2)
            assert block.data == b"".join(lines[position - first : block.next_sequence - first])
            position = cursor.position
            assert position == block.next_sequence
    assert position == max(start, first + len(lines))
    read = b"".join(block.data for block in blocks(log, start, start + 2, bytes_max))
    assert read == b"".join(lines[start - first : start - first + 2])


def _check_steps(log: Log, lines: Sequence[bytes], first: int, start: int, end: int) -> None:
    reached = end
    for step in log.steps_back(start, end):
        assert step.end == reached
        assert start <= step.start < step.end
        for bytes_max in (1, 1 << 20):
            data = b"".join(block.data for block in log.blocks_of(step, bytes_max))
            assert data == b"".join(lines[step.start - first : step.end - first])
        if step.whole:
            assert log.holds(step)
            assert step.size == len(data)
        reached = step.start
    assert reached == start or not lines


def _check_bounds(log: Log, lines: Sequence[bytes], first: int, end: int) -> None:
    assert log.bounds("", "") == (first, end)
    assert log.bounds("", "", first + 1, end - 1) == (min(first + 1, end), max(min(first + 1, end), end - 1))
    times = [line[RECEIVED_AT].decode() for line in lines]
    for since in ("", FAR_PAST, *times[::7], FAR_FUTURE):
        for until in ("", FAR_PAST, *times[::5], FAR_FUTURE):
            low, high = log.bounds(since, until)
            assert first <= low <= high <= end
            wanted = [
                n for n, time in enumerate(times, first) if since <= time and (not until or time < until)
            ]
            assert not wanted or (low <= wanted[0] and wanted[-1] < high)


@dataclass
class MemoryLog:
    """A log that is a list of lines, and nothing more: the least that readers may rely on."""

    lines: list[bytes]
    first: int = 0
    step_lines: int = 50
    grown: threading.Condition = field(default_factory=threading.Condition)

    @property
    def end(self) -> int:
        return self.first + len(self.lines)

    def extent(self) -> Extent:
        return Extent(self.oldest(), sum(map(len, self.lines)), 1)

    def oldest(self) -> int:
        return self.first

    def first_arrival(self) -> int | None:
        return received_at_ns(self.lines[0]) if self.lines else None

    def last_arrival(self) -> int | None:
        return received_at_ns(self.lines[-1]) if self.lines else None

    def cursor(self, position: int = 0) -> "MemoryCursor":
        return MemoryCursor(self, position)

    def bounds(self, since: str, until: str, start: int = 0, end: int | None = None) -> tuple[int, int]:
        times = [line[RECEIVED_AT].decode() for line in self.lines]
        low = next((n for n, time in enumerate(times, self.first) if time >= since), self.end)
        high = next((n for n, time in enumerate(times, self.first) if until and time >= until), self.end)
        low, high = max(low, start), min(high, self.end if end is None else end)
        return min(low, self.end), max(min(low, self.end), high)

    def steps_back(
        self,
        start: int,
        end: int,
        span: TimeSpan | None = None,
        usable: Usable | None = None,
        words: WordTest | None = None,
    ) -> Iterator[Step]:
        while end > start:
            begin = max(start, (end - 1) // self.step_lines * self.step_lines)
            is_whole = not begin % self.step_lines and not end % self.step_lines
            size = len(self.data(begin, end)) if is_whole else 0
            yield Step(begin, end, is_whole, 0, begin, size)
            end = begin

    def blocks_of(self, step: Step, bytes_max: int = QUERY_BLOCK_BYTES) -> Iterator[Block]:
        return blocks(self, step.start, step.end, bytes_max)

    def holds(self, step: Step) -> bool:
        return step.start >= self.first

    def clock_token(self, start: int, end: int) -> int:
        return 0

    def data(self, start: int, end: int) -> bytes:
        return b"".join(self.lines[max(0, start - self.first) : max(0, end - self.first)])


class MemoryCursor:
    def __init__(self, log: MemoryLog, position: int) -> None:
        self.position = position
        self._log = log

    def read(self, bytes_max: int = BLOCK_BYTES) -> Block | None:
        start = max(self.position, self._log.first)
        end, size = start, 0
        while end < self._log.end and (end == start or size + len(self._log.data(end, end + 1)) <= bytes_max):
            size += len(self._log.data(end, end + 1))
            end += 1
        if end == start:
            return None
        self.position = end
        return Block(start, end - start, self._log.data(start, end))

    def close(self) -> None:
        pass
