"""The book of devices: all devices that count their lines, with their gaps and reboots."""

import heapq
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from logboom.durable import replace_file
from logboom.journal.device_clock import lost_clocks
from logboom.journal.folder_log import FolderLog
from logboom.journal.log import Block, Log, start_of_last
from logboom.journal.segments import clocked_segments
from logboom.model import Report
from logboom.ops.devices.clock_writer import BootKey, ClockWriter
from logboom.ops.devices.device import Device
from logboom.ops.devices.device_events import last_events, reboot_event
from logboom.ops.devices.device_lines import Sighting, sightings_of
from logboom.ops.devices.device_list import list_devices
from logboom.ops.devices.device_names import DeviceNames
from logboom.ops.devices.device_view import described, one_described
from logboom.query.device_question import DeviceQuestion

if TYPE_CHECKING:
    from logboom.ops.devices.boot_clock import BootClock

DEVICES_MAX: Final = 12_000
"""Most devices, some 8 KB each with a few boots and gaps: 94 MB, and more than 10,000 connections.
The one that was silent for longest is forgotten."""

DETAILS_MAX: Final = 200_000
"""Gaps and parts of clocks of all devices, some 300 bytes each: 60 MB. Of more, only the newest ones are kept."""

DETAILS_KEPT: Final = 2
"""Gaps per boot, and parts per clock, that are kept then."""

DETAILS_LINES: Final = 50_000
"""Lines between two counts of the details: each line adds three at most."""

EVICTED_SHARE: Final = 50
"""Divisor of `DEVICES_MAX` for the devices that are forgotten at once: a scan of all per new one would cost 0.3 ms."""

EVENTS_MAX: Final = 500
"""Reboots that are kept as events, of all devices."""

GRACE_S: Final = 60.0
"""Time in which a missing line may still come before it counts, seconds: devices send again after up to 30 s."""

NEWS_S: Final = 3600.0
"""Time that a gap is news, seconds: then it is only shown."""

LOOK_BACK_BYTES_MAX: Final = 64 << 20
"""Bytes of the journal's end that are read where there is no saved book."""

PORTION_LINES: Final = 1_000_000
"""Lines that are read again if the server ends meanwhile: what was learned from them is in memory until then."""

STRAYS_MAX: Final = 1000
"""Boots that are not kept any more whose lines get their time from older segments, per second: of more, the lines have
their receive time."""

FILE_NAME: Final = "devices.json"
VERSION: Final = 2


class DeviceTrouble(NamedTuple):
    """Something about a device that deserves attention."""

    listener: str
    name: str
    shown: str
    """The name that it was given, with its own; else its own."""
    text: str


class _File(msgspec.Struct):
    version: int
    position: int
    devices: list[Device]
    events: list[dict[str, Any]]
    unlooked: list[tuple[int, int]] | None = None
    """None: an earlier version did not note it."""
    clocked: list[int] = []
    """First sequences of the segments that had starts of boots."""


class DeviceBook:
    """All devices, updated from blocks of the journal. Any thread may call any method.

    Args:
        data_dir: data directory, which has the saved book.
        log: the journal.
        report: logs errors in reading or writing the saved book.
        grace_s: see `GRACE_S`.
        wall: seconds since the epoch.
    """

    def __init__(
        self,
        data_dir: Path,
        log: Log,
        report: Report,
        *,
        grace_s: float = GRACE_S,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._path = data_dir / FILE_NAME
        self._log = log
        self._report = report
        self._grace_s = grace_s
        self._wall = wall
        self._lock = threading.Lock()
        self.names = DeviceNames(data_dir, report)
        """Names that people gave."""
        self._devices: dict[tuple[str, str], Device] = {}
        self._seen: dict[BootKey, BootClock] = {}
        """Boots with lines since their starts were last written, also such as are not kept any more."""
        self._were_written = False
        """Starts were written since the server's start; before, those of all boots may be missing."""
        self._events: deque[dict[str, Any]] = deque(maxlen=EVENTS_MAX)
        self.reboots = 0
        """Reboots since the server's start."""
        self.evicted = 0
        """Devices that were forgotten because there were too many, since the server's start."""
        self._failing = False
        self._strays: dict[BootKey, int] = {}
        """Boots that are not kept any more, of which lines came since starts were last written."""
        self._unlooked: list[tuple[int, int]] = []
        """Ranges of sequences whose lines were not looked at."""
        self._clocked: list[int] = []
        """First sequences of the segments that had starts of boots when the book was saved."""
        self._portion: int | None = None
        """Begin of the portion of the oldest range that is being read."""
        self._uncounted = 0
        """Lines since the details were counted."""
        self.position = self._load()
        """The next sequence to read."""

    # --- queries ---

    def document(self, asked: DeviceQuestion) -> dict[str, Any]:
        """Return the document of `/api/devices`; where a name is asked for, with details."""
        before = self._before(self._grace_s)
        with self._lock:
            found = list_devices(self._devices.values(), self.names.of, asked, before)
            return {
                "devices": [
                    one_described(one, before) if asked.name else described(one) for one in found.rows
                ],
                "total": len(found.chosen),
                "missing": found.missing,
                "states": found.states,
                "events": last_events(self._events, found.chosen, before, asked.limit),
                "behind": max(0, self._log.end - self.position),
            }

    def named(self, name: str) -> Device | None:
        """Return the device of a name, own or given, or of an address, that was seen last; None: there is none."""
        with self._lock:
            found = [
                one
                for one in self._devices.values()
                if name in (one.name, one.peer, self.names.of((one.listener, one.name)))
            ]
            newest = max(found, key=lambda one: one.last_seen, default=None)
            return None if newest is None else msgspec.convert(msgspec.to_builtins(newest), Device)

    def give_name(self, listener: str, name: str, given: str) -> bool:
        """Give a device a name, or none if it is empty; False: there is no such device. Raises `StorageError`."""
        key = (listener, name)
        with self._lock:
            known = set(self._devices)
        if key not in known and not (self.names.of(key) and not given):
            return False
        self.names.give(key, given, known)
        return True

    @property
    def known(self) -> int:
        """Number of known devices."""
        return len(self._devices)

    def totals(self) -> tuple[int, int, int]:
        """Return the numbers of missing lines, of lines that came late, and of devices in a crash loop."""
        with self._lock:
            devices = list(self._devices.values())
            return (
                sum(one.missing for one in devices),
                sum(one.closed for one in devices),
                sum(one.loops for one in devices),
            )

    def gaps(self, lines_min: int = 1) -> list[DeviceTrouble]:
        """Return the devices with lines missing for longer than the grace time, as long as it is news."""
        before, since = self._before(self._grace_s), self._before(NEWS_S)
        found = []
        with self._lock:
            for one in self._devices.values():
                gaps = [gap for gap in one.gaps(before) if gap.gap.since >= since]
                lines = sum(gap.gap.lines for gap in gaps)
                if lines >= lines_min:
                    low, high, boot = gaps[-1].gap.low, gaps[-1].gap.high, gaps[-1].boot
                    span = f"{low} to {high}" if low < high else f"{low}"
                    text = f"{lines:,} {'line' if lines == 1 else 'lines'} missing, last seq {span} of boot {boot}"
                    found.append(self._trouble(one, text))
        return found

    def loops(self) -> list[DeviceTrouble]:
        """Return the devices that restart again and again."""
        with self._lock:
            return [
                self._trouble(
                    one,
                    f"restarted {one.short_boots} times in a row after a few minutes"
                    + (f", reason: {one.boot.reason}" if one.boot.reason else ""),
                )
                for one in self._devices.values()
                if one.loops
            ]

    def _trouble(self, device: Device, text: str) -> DeviceTrouble:
        given = self.names.of((device.listener, device.name))
        shown = f"{given} ({device.name})" if given else device.name
        return DeviceTrouble(device.listener, device.name, shown, text)

    def _before(self, seconds: float) -> str:
        moment = datetime.fromtimestamp(self._wall() - seconds, UTC)
        return moment.isoformat(timespec="microseconds")

    # --- updates from the journal ---

    def take(self, block: Block) -> None:
        """Update the devices from a block."""
        seen = list(sightings_of(block))
        with self._lock:
            for one in seen:
                self._see(one)
            self.position = block.next_sequence
            self._uncounted += len(seen)
            if self._uncounted >= DETAILS_LINES:
                self._bound_details()

    def skip_to(self, position: int) -> None:
        """Go on from a later place; what lies between was not looked at."""
        with self._lock:
            if position > self.position:
                self._unlooked.append((self.position, position))
            self.position = position

    def find_lost(self) -> None:
        """Look for files of starts that are missing or damaged: their segments count as not looked at."""
        clocked, self._clocked = self._clocked, []
        if clocked and isinstance(self._log, FolderLog):
            found = lost_clocks(self._log.folder, clocked)
            with self._lock:
                self._unlooked += found

    @property
    def unlooked(self) -> tuple[int, int] | None:
        """Oldest range of sequences whose lines were not looked at; None: there is none."""
        with self._lock:
            return min(self._unlooked, default=None)

    def looked_to(self, end: int) -> None:
        """Note that starts of boots were learned from the lines of the oldest such range up to a sequence."""
        with self._lock:
            low, high = min(self._unlooked)
            self._unlooked.remove((low, high))
            if self._portion is None or end - self._portion >= PORTION_LINES:
                self._portion = low if end - low < PORTION_LINES else end
            if end < high:
                self._unlooked.append((end, high))
            else:
                self._portion = None

    def learns(self, key: BootKey, sequence: int) -> bool:
        """Return whether the book itself has learned the start of a boot, from a line at or before a sequence."""
        with self._lock:
            device = self._devices.get((key.listener, key.name))
            boot = None if device is None else device.boot_of(key.boot)
            return boot is not None and 0 <= boot.clock.low <= sequence

    def _see(self, seen: Sighting) -> None:
        key = (seen.listener, seen.name)
        device = self._devices.get(key)
        if device is None:
            if len(self._devices) >= DEVICES_MAX:
                self._evict()
            device = Device(seen.listener, seen.name, seen.peer, seen.received_at, seen.received_at)
            self._devices[key] = device
        reboot = device.see(seen)
        boot = device.boot_of(seen.boot)
        if boot is None:
            if len(self._strays) < STRAYS_MAX:
                self._strays.setdefault(BootKey(*key, seen.boot), seen.sequence)
        else:
            self._seen[BootKey(*key, seen.boot)] = boot.clock
        if reboot is not None:
            self.reboots += 1
            self._events.append(reboot_event(device, reboot))

    def write_clocks(self, writer: ClockWriter) -> None:
        """Write what was learned of the starts of boots. Called on the thread that calls `take`. Raises `OSError`."""
        seen, again = self._seen, not self._were_written
        self._were_written = False
        if again:
            seen |= {
                BootKey(one.listener, one.name, boot.number): boot.clock
                for one in self._devices.values()
                for boot in one.boots
            }
        writer.write(seen.items(), again=again)
        self._seen, self._were_written = {}, True
        strays, self._strays = self._strays, {}
        if strays:
            writer.copy(strays)

    def _bound_details(self) -> None:
        self._uncounted = 0
        if sum(one.details for one in self._devices.values()) > DETAILS_MAX:
            for device in self._devices.values():
                device.keep_details(DETAILS_KEPT)

    def _evict(self) -> None:
        """Forget the devices that were seen longest ago, several at once, since finding them takes a scan."""
        count = max(1, DEVICES_MAX // EVICTED_SHARE)
        for key in heapq.nsmallest(count, self._devices, key=lambda key: self._devices[key].last_seen):
            del self._devices[key]
            self.evicted += 1

    # --- the file ---

    def _load(self) -> int:
        """Load the saved book, and return its position."""
        try:
            file = msgspec.json.decode(self._path.read_bytes(), type=_File)
            if file.version != VERSION:
                raise ValueError(f"the file has version {file.version}, expected {VERSION}")  # noqa: TRY301
        except FileNotFoundError:
            return self._begin()
        except (OSError, ValueError, msgspec.DecodeError) as error:
            self._report("warning", f"the saved list of devices can't be read, and is built again: {error}")
            return self._begin()
        if file.position > self._log.end:
            return self._begin()
        self._devices = {(one.listener, one.name): one for one in file.devices if one.boots}
        self._events.extend(file.events)
        self._unlooked = [(0, file.position)] if file.unlooked is None else file.unlooked
        self._clocked = file.clocked
        return file.position

    def _begin(self) -> int:
        """Return where a new book begins: near the journal's end, so that it is soon of use."""
        position = start_of_last(self._log, LOOK_BACK_BYTES_MAX)
        self._unlooked = [(0, position)] if position else []
        return position

    def save(self) -> None:
        """Save the book. An error is logged once."""
        with self._lock:
            clocked = clocked_segments(self._log.folder) if isinstance(self._log, FolderLog) else []
            devices, events = list(self._devices.values()), list(self._events)
            unlooked = sorted(self._unlooked)
            if unlooked and self._portion is not None:
                unlooked[0] = (self._portion, unlooked[0][1])
            file = _File(VERSION, self.position, devices, events, unlooked, clocked)
            data = msgspec.json.encode(file)
        try:
            replace_file(self._path, [data, b"\n"])
            self._failing = False
        except OSError as error:
            if not self._failing:
                self._report("warning", f"the list of devices can't be saved: {error.strerror or error}")
            self._failing = True
