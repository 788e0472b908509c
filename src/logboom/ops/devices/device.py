"""One device: its boots, and what it last said of its state."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from logboom.formats.entry_time import clock_error_us
from logboom.journal.device_clock import UPTIME_MS_MAX
from logboom.ops.devices.boot import DeviceBoot, Gap
from logboom.ops.devices.boot_clock import BootClock
from logboom.ops.devices.device_lines import Sighting

BOOTS_MAX: Final = 8
"""Boots of a device whose lines are counted; a backlog of more boots than these is not looked through."""

REBOOTS_MAX: Final = 32
"""Reboots that are kept per device."""

HEAP_MAX: Final = 48
"""Values of the heap that are kept for its trend."""

HEAP_INTERVAL_US: Final = 30_000_000
"""Shortest time between two of them, microseconds: the trend spans at least 24 minutes."""

SHORT_UPTIME_MS: Final = 300_000
"""A boot that lasted less than this may be one of a crash loop."""

LOOP_BOOTS: Final = 3
"""Short boots in a row that make a crash loop."""


class Reboot(msgspec.Struct, gc=False):
    """A start of a device that was seen."""

    at: str
    """Arrival of the first line of the new boot."""
    boot: int
    before: int
    """`boot_seq` before."""
    uptime_ms: int | None
    """Last uptime before, milliseconds."""
    reason: str = ""


class DeviceGap(NamedTuple):
    """A gap with its boot."""

    boot: int
    gap: Gap


class Device(msgspec.Struct, gc=False):
    """A device, as it is saved."""

    listener: str
    name: str
    peer: str
    first_seen: str
    last_seen: str
    lines: int = 0
    sequence: int = 0
    """Sequence of its last line in the journal."""
    boots: list[DeviceBoot] = []
    """The newest ones, by `boot_seq`."""
    boots_total: int = 0
    reboots: list[Reboot] = []
    reboots_total: int = 0
    short_boots: int = 0
    """Short boots in a row before the current one."""
    gap_lines: int = 0
    """Missing lines of boots that are no longer kept."""
    starts_with: int | None = None
    """Number of the first line of a boot, where one was seen that can't have lost any."""
    firmware: str = ""
    signal: float | None = None
    heap: list[float] = []
    heap_at_us: int = 0
    clock_us: int | None = None
    """Time of the last line that gave one, less its arrival: the device's clock, and the delay."""

    @property
    def boot(self) -> DeviceBoot:
        """The current boot."""
        return self.boots[-1]

    def boot_of(self, number: int) -> DeviceBoot | None:
        """Return a boot by its `boot_seq`; None: it is not kept."""
        for boot in reversed(self.boots):  # mostly the current one
            if boot.number == number:
                return boot
        return None

    @property
    def loops(self) -> bool:
        """Return whether it is in a crash loop now."""
        return self.short_boots >= LOOP_BOOTS and (self.boot.uptime_ms or 0) < SHORT_UPTIME_MS

    @property
    def missing(self) -> int:
        """Number of lines that are missing."""
        return self.gap_lines + sum(boot.missing for boot in self.boots)

    def missing_before(self, moment: str) -> int:
        """Return the number of lines that are missing, without gaps that were noticed from a receive time on."""
        return self.missing - sum(
            gap.lines for boot in self.boots for gap in boot.gaps if gap.since >= moment
        )

    @property
    def closed(self) -> int:
        """Number of lines that came late."""
        return sum(boot.closed for boot in self.boots)

    def gaps(self, before: str = "") -> Iterator[DeviceGap]:
        """Yield the gaps that were noticed before a receive time; empty: all."""
        for boot in self.boots:
            for gap in boot.gaps:
                if not before or gap.since < before:
                    yield DeviceGap(boot.number, gap)

    @property
    def details(self) -> int:
        """Number of gaps and of parts of clocks, which take the most memory."""
        return sum(len(boot.gaps) + boot.clock.details for boot in self.boots)

    def keep_details(self, count: int) -> None:
        """Keep the newest gaps and parts of each boot only."""
        for boot in self.boots:
            boot.keep_gaps(count)
            boot.clock.keep_parts(count)

    def see(self, seen: Sighting) -> Reboot | None:
        """Note a line; returns the reboot that it shows, if any."""
        self.lines += 1
        self.peer, self.last_seen, self.sequence = seen.peer, seen.received_at, seen.sequence
        self.firmware = seen.firmware or self.firmware
        self._see_figures(seen)
        boot, reboot = self.boot_of(seen.boot), None
        if boot is None:
            reboot = self._enter(seen)
            boot = self.boot_of(seen.boot)
            if boot is None:
                return None
        if seen.seq is not None:
            boot.count(seen.seq, seen.received_at)
            if boot.lines <= 1:
                self._see_start(boot, seen.seq, seen.received_at)
        boot.last_at = seen.received_at
        if seen.reason:
            self._see_reason(boot, seen.reason)
        if learn(boot.clock, seen):
            boot.uptime_ms = max(seen.uptime_ms or 0, boot.uptime_ms or 0)
        return reboot

    def _enter(self, seen: Sighting) -> Reboot | None:
        """Add a boot that is not known yet; one that is newer than all others is a reboot."""
        before = self.boots[-1] if self.boots else None
        if before is not None and len(self.boots) >= BOOTS_MAX and seen.boot < self.boots[0].number:
            return None
        self.boots.append(DeviceBoot(seen.boot, seen.received_at, seen.received_at))
        self.boots.sort(key=lambda one: one.number)
        self.boots_total += 1
        reboot = None
        if before is not None and seen.boot > before.number:
            reboot = Reboot(seen.received_at, seen.boot, before.number, before.uptime_ms)
            is_short = (before.uptime_ms or 0) < SHORT_UPTIME_MS
            self.short_boots = self.short_boots + 1 if is_short else 0
            self.reboots_total += 1
            self.reboots = [*self.reboots, reboot][-REBOOTS_MAX:]
        while len(self.boots) > BOOTS_MAX:
            self.gap_lines += self.boots.pop(0).missing
        return reboot

    def _see_start(self, boot: DeviceBoot, seq: int, received_at: str) -> None:
        """Learn with which number boots begin, and apply it to a boot whose first lines did not come."""
        if seq <= 1:
            self.starts_with = min(seq, 1 if self.starts_with is None else self.starts_with)
        elif self.starts_with is not None and self.boots_total > 1:
            boot.expect_from(self.starts_with, received_at)

    def _see_reason(self, boot: DeviceBoot, reason: str) -> None:
        """Note the reason of a boot's start; the first one counts."""
        boot.reason = boot.reason or reason
        last = self.reboots[-1] if self.reboots else None
        if last is not None and last.boot == boot.number:
            last.reason = last.reason or reason

    def _see_figures(self, seen: Sighting) -> None:
        signal = seen.signal
        if signal is not None:
            self.signal = signal
        if seen.arrived_us - self.heap_at_us >= HEAP_INTERVAL_US and (heap := seen.heap) is not None:
            self.heap = [*self.heap, heap][-HEAP_MAX:]
            self.heap_at_us = seen.arrived_us
        if seen.sent_us is not None:
            self.clock_us = seen.sent_us - seen.arrived_us
        elif (error_us := clock_error_us(seen.entry, seen.received_at)) is not None:
            self.clock_us = error_us


def learn(clock: BootClock, seen: Sighting) -> bool:
    """Learn the start of a boot from a line; False: the line has no uptime that can be right."""
    if seen.uptime_ms is None or seen.uptime_ms > UPTIME_MS_MAX:
        return False
    clock.see(seen.uptime_ms, seen.arrived_us, seen.sent_us, seen.sequence)
    if seen.seq is not None:
        clock.see_number(seen.seq, seen.uptime_ms)
    return True
