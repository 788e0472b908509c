"""Times of entries that gave none themselves, from the uptime of their device and the start of its boot.

A segment may have a file with the starts of boots. Nothing of the segment changes: its lines get the time when they are
read. Derived data: a file counts only with its checksum; where it is missing or damaged, the time of these entries
is their receive time.

What was made of the lines with their times (`step_times`, `counts`) is valid only for the starts that applied to them:
`SegmentClock.token` identifies these.
"""

import os
import threading
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, pairwise
from operator import xor
from pathlib import Path
from typing import Any, Final

import msgspec
import xxhash

from logboom.durable import replace_file
from logboom.formats.buckets import microseconds
from logboom.formats.entry_time import AHEAD_US_MAX, EARLIEST_TIME, TIME_KEYS, sent_time
from logboom.formats.envelope import timed
from logboom.formats.levelled import DAMAGE
from logboom.formats.partial import fields_struct, line_struct
from logboom.formats.records import READING_KEYS, SENDER_KEYS
from logboom.formats.sender_names import name_of
from logboom.formats.times import iso_from_ns
from logboom.journal.segments import Segment, list_segments
from logboom.model import IMPORTED
from logboom.remembered import Remembered

ROWS_MAX: Final = 20_000
"""Starts per segment, some 1 MB: of more, the oldest ones are left out."""

LOADED_ROWS_MAX: Final = 100_000
"""Starts in memory, of all segments: some 40 MB, where as many devices restart as often."""

UPTIME_MS_MAX: Final = 10 * 365 * 86_400_000
"""Longest uptime that is believed: ten years."""

WRAP_US: Final = (1 << 32) * 1000
"""Counters of 32 bits begin again after 49.7 days: an entry is less late than that."""

MARK: Final = b'"boot_seq"'
"""Part of each line that may get a time."""

_MAGIC: Final = b"lbclock1"
_TIMES_BYTES_MAX: Final = 256 << 10

_arrival: Final = Remembered[str, int](microseconds, _TIMES_BYTES_MAX)


class BootStart(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Start of a boot of a device, as it applies to uptimes from one on; clocks of devices drift."""

    listener: str
    name: str
    boot: int
    from_ms: int
    """The least uptime that it applies to; that of the first one of a boot applies to smaller ones as well."""
    start_us: int
    """Microseconds since the epoch."""
    by_arrival: bool
    """It was learned from arrivals; else from entries of the boot that have a time."""
    low: int
    """Sequence of the first entry of the segment that it may apply to."""

    @property
    def key(self) -> tuple[str, str, int, int]:
        """Return what identifies it in its segment."""
        return self.listener, self.name, self.boot, self.from_ms


class _Body(msgspec.Struct, array_like=True):
    reserved: bool
    """False; files that earlier versions wrote have it."""
    rows: list[BootStart]


_decoder: Final = msgspec.msgpack.Decoder(_Body)
_lines: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(
    line_struct(
        fields_struct(
            dict.fromkeys(("boot_seq", "uptime_ms", *SENDER_KEYS, *READING_KEYS, "id", *TIME_KEYS))
        ),
        "received_at",
        "source",
        "listener",
    )
)


class SegmentClock:
    """The starts of boots that apply to one segment.

    Args:
        first: first sequence of the segment.
        rows: the starts.
    """

    def __init__(self, first: int, rows: Iterable[BootStart]) -> None:
        self.rows = sorted(rows, key=lambda row: row.low)[-ROWS_MAX:]
        self._lows = [row.low for row in self.rows]
        sums = [_sum_of(first, row) for row in self.rows]
        self._tokens = list(accumulate(sums, xor, initial=0))
        found = defaultdict[tuple[str, str, int], list[BootStart]](list)
        for row in sorted(self.rows, key=lambda row: row.from_ms):
            found[row.key[:3]].append(row)
        self._boots = {key: ([row.from_ms for row in some], some) for key, some in found.items()}

    def token(self, end: int) -> int:
        """Return a number that identifies the starts which apply to the lines before a sequence; 0: there are none."""
        return self._tokens[bisect_left(self._lows, end)]

    def retimed(self, lines: Sequence[bytes]) -> list[bytes]:
        """Return lines of the segment, without newlines, with the times that they did not give themselves."""
        return [self._retimed(line) if MARK in line else line for line in lines]

    def retimed_data(self, data: bytes) -> bytes:
        """Return lines with their newlines as `retimed` does."""
        return b"\n".join(self.retimed(data.split(b"\n"))) if MARK in data else data

    def _retimed(self, line: bytes) -> bytes:
        try:
            decoded = _lines.decode(line)
            time = self._time_of(decoded)
        except (*DAMAGE, ValueError, TypeError):  # the last two for a damaged receive time
            return line
        return timed(line, time) if time else line

    def _time_of(self, line: Any) -> str:
        """Return the time of a line; empty where it is not known, or the sender's own."""
        entry = line.entry
        boot, uptime_ms = entry.boot_seq, entry.uptime_ms
        if type(boot) is not int or type(uptime_ms) is not int or not 0 <= uptime_ms <= UPTIME_MS_MAX:
            return ""
        starts = self._boots.get((line.listener, name_of(entry, line.source), boot))
        if starts is None or line.listener == IMPORTED or sent_time(entry, line.received_at) is not None:
            return ""
        start = starts[1][max(0, bisect_right(starts[0], uptime_ms) - 1)]
        received_us = _arrival[line.received_at]
        late_us = received_us - start.start_us - uptime_ms * 1000
        if late_us >= WRAP_US:
            late_us %= WRAP_US
        late_us = max(late_us, 0 if start.by_arrival else -AHEAD_US_MAX)
        time = iso_from_ns((received_us - late_us) * 1000)
        return time if time >= EARLIEST_TIME else ""


def _sum_of(first: int, row: BootStart) -> int:
    return xxhash.xxh3_64_intdigest(msgspec.msgpack.encode((*row.key, row.start_us, row.by_arrival)), first)


def read_clock(segment: Segment) -> SegmentClock | None:
    """Return the starts for a segment; None: it has no file, or a damaged one."""
    try:
        data = segment.clock_path.read_bytes()
        body = data[len(_MAGIC) + 8 :]
        if data[: len(_MAGIC) + 8] != _MAGIC + xxhash.xxh3_64_digest(body, segment.first):
            return None
        decoded = _decoder.decode(body)
    except (OSError, msgspec.DecodeError):
        return None
    return SegmentClock(segment.first, decoded.rows)


def lost_clocks(folder: Path, firsts: Iterable[int]) -> list[tuple[int, int]]:
    """Return the ranges of sequences of segments whose files are missing or damaged.

    Args:
        folder: the journal's.
        firsts: first sequences of the segments that had a file.
    """
    segments, had = list_segments(folder), set(firsts)
    return [
        (segment.first, newer.first)
        for segment, newer in pairwise(segments)
        if segment.first in had and read_clock(segment) is None
    ]


_writing: Final = threading.Lock()
"""Held while a file is read and replaced: two threads learn."""

Change = Callable[[dict[tuple[str, str, int, int], BootStart]], object]
"""Changes the starts of a segment in place."""


def change_clock(segment: Segment, change: Change) -> None:
    """Change the file of a segment, whole or not at all; not synced.

    Args:
        segment: the segment.
        change: called with its starts.

    Raises:
        OSError: it can't be written.
    """
    with _writing:
        before = read_clock(segment)
        rows = {row.key: row for row in before.rows} if before is not None else {}
        kept = dict(rows)
        change(rows)
        if before is not None and rows == kept:
            return
        newest = sorted(rows.values(), key=lambda row: row.low)[-ROWS_MAX:]
        body = msgspec.msgpack.encode(_Body(reserved=False, rows=newest))
        head = _MAGIC + xxhash.xxh3_64_digest(body, segment.first)
        replace_file(segment.clock_path, [head, body], sync=None)
        if not segment.form.exists():  # retention deleted it meanwhile
            segment.delete_derived()


class Clocks:
    """The starts of boots of a journal's segments, read when they are needed. Any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[int, tuple[tuple[int, int, int], SegmentClock | None]] = {}
        """By first sequence of the segment: identity of the file, and what it has."""
        self._rows = 0

    def of(self, segment: Segment) -> SegmentClock | None:
        """Return the starts for a segment; None: there are none. Costs a `stat` where nothing changed."""
        try:
            status = os.stat(segment.clock_path)  # noqa: PTH116 - once per block that is read
        except OSError:
            return None
        identity = (status.st_ino, status.st_mtime_ns, status.st_size)
        known = self._known.get(segment.first)
        if known is not None and known[0] == identity:
            return known[1]
        clock = read_clock(segment)
        clock = clock if clock is None or clock.rows else None
        with self._lock:
            self._known[segment.first] = (identity, clock)
            self._rows = sum(len(one.rows) + 1 for _, one in self._known.values() if one is not None)
            while self._rows > LOADED_ROWS_MAX and len(self._known) > 1:
                oldest = next(iter(self._known))
                _, dropped = self._known.pop(oldest)
                self._rows -= len(dropped.rows) + 1 if dropped is not None else 0
        return clock
