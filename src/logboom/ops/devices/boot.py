"""One boot of a device: the numbers of its lines that came, and those that did not."""

from typing import Final

import msgspec

from logboom.ops.devices.boot_clock import BootClock

GAPS_MAX: Final = 64
"""Gaps of a boot that are kept apart; of more, the oldest are kept as numbers only."""


class Gap(msgspec.Struct, gc=False):
    """Consecutive numbers that did not come."""

    low: int
    high: int
    since: str
    """Arrival of the line after it, ISO 8601."""
    before: str
    """Arrival of the line before it; empty: there was none."""

    @property
    def lines(self) -> int:
        """Number of lines that are missing."""
        return self.high - self.low + 1


class DeviceBoot(msgspec.Struct, gc=False):
    """A boot. Numbers of lines are the `seq` that the device gives them."""

    number: int
    """Its `boot_seq`."""
    first_at: str
    """Arrival of its first line, ISO 8601."""
    last_at: str
    lines: int = 0
    """Lines with a `seq` that came."""
    low: int | None = None
    high: int | None = None
    gaps: list[Gap] = []
    untracked: int = 0
    """Missing lines of gaps that are no longer kept apart."""
    closed: int = 0
    """Lines that came after all."""
    uptime_ms: int | None = None
    """The greatest so far."""
    reason: str = ""
    clock: BootClock = msgspec.field(default_factory=BootClock)

    @property
    def missing(self) -> int:
        """Number of lines that are missing."""
        return self.untracked + sum(gap.lines for gap in self.gaps)

    def count(self, seq: int, received_at: str) -> None:
        """Note the number of a line."""
        self.lines += 1
        if self.high is None or self.low is None:
            self.low = self.high = seq
        elif seq > self.high:
            if seq > self.high + 1:
                self._miss(Gap(self.high + 1, seq - 1, received_at, self.last_at))
            self.high = seq
        elif seq < self.low:
            if seq < self.low - 1:
                self._miss(Gap(seq + 1, self.low - 1, received_at, ""))
            self.low = seq
            self.closed += 1
        else:
            self._close(seq)

    def expect_from(self, first: int, received_at: str) -> None:
        """Note the number of the first line of a boot, which has not come itself."""
        if self.low is not None and first < self.low:
            self._miss(Gap(first, self.low - 1, received_at, ""))
            self.low = first

    def keep_gaps(self, count: int) -> None:
        """Keep the newest gaps; the lines of older ones stay missing as a number only."""
        while len(self.gaps) > count:
            self.untracked += self.gaps.pop(0).lines

    def _miss(self, gap: Gap) -> None:
        self.gaps.append(gap)
        self.keep_gaps(GAPS_MAX)

    def _close(self, seq: int) -> None:
        """A line came late, or again."""
        for place, gap in enumerate(self.gaps):
            if gap.low <= seq <= gap.high:
                parts = [
                    Gap(low, high, gap.since, gap.before)
                    for low, high in ((gap.low, seq - 1), (seq + 1, gap.high))
                    if low <= high
                ]
                self.gaps[place : place + 1] = parts
                self.closed += 1
                return
        self.lines -= 1
