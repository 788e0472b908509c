"""Start of a boot of a device: learned from its lines, also for those before.

A line with a time shows the start directly: its time less its uptime. Otherwise its arrival shows it, plus a delay; of
several lines, the one with the least delay counts. Clocks of devices drift: the start is one per part of the uptime,
where it differs.
"""

from bisect import bisect_right
from typing import Final

import msgspec

WINDOW_MS: Final = 3_600_000
"""Uptime of which the least delay counts as one, milliseconds."""

DRIFT: Final = 1e-4
"""Largest drift of a device's clock that is believed: quartz crystals have 20 to 50 millionths."""

PART_US: Final = 500_000
"""Difference of starts from which on a part of the uptime has its own, microseconds."""

LATE_US: Final = 250_000
"""Shorter delays, microseconds, are not looked into."""

SET_US: Final = 2_000_000
"""Larger jumps of a device's own times, microseconds, are a clock that was set: the times before were wrong."""

PARTS_MAX: Final = 128
"""Parts of a boot that are held, for five weeks of usual drift; an older one is no longer changed."""

HEAD_MAX: Final = 8
"""First lines of a boot whose uptime is kept: if one comes again with another, two boots have the same number."""


class BootPart(msgspec.Struct, gc=False):
    """A part of a boot's uptime, with its start."""

    from_ms: int
    start_us: int
    """Microseconds since the epoch."""
    origin_ms: int
    """Uptime of the line that showed it."""
    anchor_ms: int
    """The same of the last line that agreed."""
    anchor_us: int
    """The start that this last line showed."""
    low: int = -1
    """Sequence of its first line without a time; -1: none."""
    high: int = -1
    """The same of its last line."""
    written_us: int | None = None
    """`start_us` as it was last written to the journal's files."""
    written_to: int = -1
    """`high` at that time."""

    def move(self, start_us: int, uptime_ms: int) -> None:
        """Set the start to the one that a line with less delay shows."""
        self.start_us = self.anchor_us = start_us
        self.origin_ms = self.anchor_ms = uptime_ms

    def mark(self, sequence: int) -> None:
        """Note the sequence of a line without a time."""
        self.low = sequence if self.low < 0 else self.low
        self.high = sequence


class BootClock(msgspec.Struct, gc=False):
    """Start of a boot, as far as it is known."""

    sent: list[BootPart] = []
    """By the device's own times."""
    arrived: list[BootPart] = []
    """By arrivals."""
    window: int = -1
    """Number of the newest window of uptime."""
    least: BootPart | None = None
    """The least delay of that window."""
    low: int = -1
    high: int = -1
    head: dict[int, int] = {}
    """Uptimes of the first lines, by `seq`."""
    is_written: bool | None = None
    """True: `arrived` was last written to the journal's files; False: `sent`; None: neither."""
    is_reused: bool = False
    """Several boots have the same number: no start fits all of them."""

    def see(self, uptime_ms: int, arrived_us: int, sent_us: int | None, sequence: int) -> None:
        """Learn from a line. Lines come in the order of their sequences.

        Args:
            uptime_ms: its uptime.
            arrived_us: its arrival, microseconds since the epoch.
            sent_us: its own time; None: it has none.
            sequence: in the journal.
        """
        is_untimed = sent_us is None
        if is_untimed:
            self.low = sequence if self.low < 0 else self.low
            self.high = sequence
        self._see_arrival(uptime_ms, arrived_us - uptime_ms * 1000, sequence if is_untimed else -1)
        if sent_us is not None:
            self._see_sent(uptime_ms, sent_us - uptime_ms * 1000)
        elif self.sent:
            part_of(self.sent, uptime_ms).mark(sequence)

    def see_number(self, seq: int, uptime_ms: int) -> None:
        """Notice that the number of the boot is used by several boots."""
        known = self.head.get(seq)
        if known is None and len(self.head) < HEAD_MAX:
            self.head = {**self.head, seq: uptime_ms}
        elif known is not None and known != uptime_ms:
            self.is_reused = True

    @property
    def is_by_arrival(self) -> bool:
        """Return whether the start is known from arrivals only, or the device's own times can't be right."""
        return not self.sent or (
            bool(self.arrived) and self.sent[-1].start_us > self.arrived[-1].start_us + SET_US
        )

    @property
    def parts(self) -> list[BootPart]:
        """Return the starts, by uptime; none: they are not known."""
        if self.is_reused:
            return []
        return self.arrived if self.is_by_arrival else self.sent

    @property
    def details(self) -> int:
        """Number of parts."""
        return len(self.sent) + len(self.arrived)

    def keep_parts(self, count: int) -> None:
        """Keep the newest parts; older ones stay as they were written."""
        self.sent, self.arrived = self.sent[-count:], self.arrived[-count:]

    # --- by arrivals

    def _see_arrival(self, uptime_ms: int, start_us: int, sequence: int) -> None:
        window = uptime_ms // WINDOW_MS
        if not self.arrived:
            self.arrived = [BootPart(0, start_us, uptime_ms, uptime_ms, start_us)]
        if window > self.window:
            self._end_window()
            self.window, self.least = (
                window,
                BootPart(window * WINDOW_MS, start_us, uptime_ms, uptime_ms, start_us),
            )
        least = self.least
        if least is not None and window == self.window:
            if start_us < least.start_us:
                least.move(start_us, uptime_ms)
            if sequence >= 0:
                least.mark(sequence)
        for part in self.arrived:
            if part.start_us - start_us > LATE_US + _drift_us(uptime_ms - part.origin_ms):
                part.move(start_us, uptime_ms)
        if sequence >= 0:
            part_of(self.arrived, uptime_ms).mark(sequence)

    def _end_window(self) -> None:
        """Take what a window of uptime showed, unless all of its lines were late."""
        least, last = self.least, self.arrived[-1]
        if least is None or least.start_us > last.anchor_us + _drift_us(least.anchor_ms - last.anchor_ms):
            return
        if abs(least.start_us - last.start_us) > PART_US:
            if (
                least.from_ms - last.anchor_ms > WINDOW_MS
            ):  # between, all lines were late: each start has a half
                least.from_ms, least.low = (least.from_ms + last.anchor_ms) // 2, last.low
            self.arrived = [*self.arrived, least][-PARTS_MAX:]
        else:
            last.anchor_ms, last.anchor_us = least.anchor_ms, least.anchor_us

    # --- by the device's own times

    def _see_sent(self, uptime_ms: int, start_us: int) -> None:
        last = self.sent[-1] if self.sent else None
        if last is not None and uptime_ms < last.anchor_ms:
            return
        apart_us = abs(start_us - last.start_us) if last is not None else None
        if last is None or apart_us is None or apart_us > SET_US + _drift_us(uptime_ms - last.anchor_ms):
            self.sent = [BootPart(0, start_us, uptime_ms, uptime_ms, start_us, self.low, self.high)]
        elif apart_us > 2 * PART_US:  # clocks that show whole seconds are within it
            self.sent = [*self.sent, BootPart(uptime_ms, start_us, uptime_ms, uptime_ms, start_us)][
                -PARTS_MAX:
            ]
        else:
            last.anchor_ms = uptime_ms


def part_of(parts: list[BootPart], uptime_ms: int) -> BootPart:
    """Return the part that applies to an uptime."""
    return parts[max(0, bisect_right(parts, uptime_ms, key=_from) - 1)]


def _from(part: BootPart) -> int:
    return part.from_ms


def _drift_us(distance_ms: int) -> int:
    return int(abs(distance_ms) * 1000 * DRIFT)
