"""Separating the valid journal lines of a segment from damage, and counting the damaged lines.

A line's number gives its sequence, so the number of damaged lines matters: a flipped bit can join two lines, or
split one.
"""

import re
from dataclasses import dataclass, field
from typing import Final

import msgspec

from logboom.formats.envelope import Envelope
from logboom.formats.ndjson import is_utf8
from logboom.journal.segment_file import SegmentFile, read_all

_decoder: Final = msgspec.json.Decoder(Envelope)
_START: Final = b'{"received_at":"'
_END: Final = b'"}'
_MERGED: Final = re.compile(rb'"\}[^\n,:\[ ]\{"received_at":"[0-9T:.+-]{32}","entry":')
"""Two lines whose newline was changed to another byte. Bytes that JSON allows between two objects are excluded,
because an entry may contain a copy of journal lines."""

BAD_LINE_BYTES_MAX: Final = 8 << 20
"""Longest run without a newline that is passed to the decoder. No line is that long."""

ENTRY_BYTES_MAX: Final = BAD_LINE_BYTES_MAX - (64 << 10)
"""The longest entry, as JSON; the rest of the line is for its envelope. A longer one would count as damage."""

_READ_BYTES: Final = 1 << 20
"""Bytes per read while counting: larger reads are slower, as they exceed the processor's cache."""


@dataclass
class Damage:
    """Bytes of a segment that are not journal lines."""

    offset: int
    size: int
    sequence: int
    """Sequence of the first damaged line."""
    lines: int
    """Estimated number of lines."""
    torn: bool
    """True if the file ends inside a line."""
    newlines: int = field(default=0, compare=False)
    """Number of lines by newlines alone."""

    @property
    def end(self) -> int:
        """The offset after it."""
        return self.offset + self.size


class LineScan:
    """Separates good lines from damage, block by block.

    Args:
        offset: where the scan starts in its file, at the start of a line.
        sequence: of that line.
    """

    def __init__(self, offset: int, sequence: int) -> None:
        self.size = offset
        """Offset after the last scanned line."""
        self.lines = 0
        """Number of good lines."""
        self.damage: list[Damage] = []
        self._sequence = sequence
        self._rest = b""
        self._last_bad = b""
        self._inside = False  # within a bad line that is too long to be kept in memory

    @property
    def next_sequence(self) -> int:
        """The sequence after the last line so far."""
        return self._sequence + self.lines + sum(damage.lines for damage in self.damage)

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the file."""
        data = self._rest + data
        if self._inside:
            end = data.find(b"\n") + 1
            self._go_on(len(data[:end] if end else data))
            self._inside = not end
            data = data[end:] if end else b""
        whole = data.rfind(b"\n") + 1
        self._take(data[:whole])
        self._rest = data[whole:]
        if len(self._rest) > BAD_LINE_BYTES_MAX:
            self._bad(self._rest, len(self._rest))
            self._rest, self._inside = b"", True

    def finish(self) -> None:
        """Take the end of the file."""
        if self._inside:
            self.damage[-1].torn = True
        elif self._rest:
            self.damage.append(
                Damage(self.size, len(self._rest), self.next_sequence, 1, torn=True, newlines=1)
            )
            self.size += len(self._rest)
        self._rest, self._inside = b"", False

    def _take(self, data: bytes) -> None:
        good, count = good_lines(data)
        self.lines += count
        self.size += good
        for line in data[good:].split(b"\n")[:-1]:
            if is_good_line(line):
                self.lines += 1
                self.size += len(line) + 1
            else:
                self._bad(line, len(line) + 1)

    def _bad(self, line: bytes, size: int) -> None:
        """Record a damaged line; adjacent ones form one damage."""
        last = self.damage[-1] if self.damage else None
        lines = 1 + len(_MERGED.findall(line))
        if last is not None and last.end == self.size:
            last.size += size
            last.lines += lines - _is_second_half(self._last_bad, line)
            last.newlines += 1
        else:
            self.damage.append(Damage(self.size, size, self.next_sequence, lines, torn=False, newlines=1))
        self._last_bad = line
        self.size += size

    def _go_on(self, size: int) -> None:
        self.damage[-1].size += size
        self.size += size


def good_lines(tail: bytes) -> tuple[int, int]:
    """Number of bytes and of lines up to the first that is not a whole journal line."""
    whole = tail.rfind(b"\n") + 1
    count = tail.count(b"\n", 0, whole)
    if _all_good(tail[:whole], count):
        return whole, count
    good = count = 0
    while (end := tail.find(b"\n", good)) >= 0 and is_good_line(tail[good:end]):
        good, count = end + 1, count + 1
    return good, count


def _all_good(lines: bytes, count: int) -> bool:
    """Return whether all lines are good. They are counted, since the decoder accepts any white space for a newline."""
    starts = lines.startswith(_START) + lines.count(b"\n" + _START)
    try:
        return starts == count == len(_decoder.decode_lines(lines)) and is_utf8(lines)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def is_good_line(line: bytes) -> bool:
    """Return whether `line` is one whole journal line."""
    try:
        _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):  # the second one for text outside the entry
        return False
    except RecursionError:
        # The depth available depends on the caller's stack: an acknowledged entry must not count as damage.
        return line.startswith(_START) and line.endswith(_END) and is_utf8(line)
    return is_utf8(line)  # the decoder skips the entry without checking its characters


def count_newlines(file: SegmentFile, start: int, end: int) -> int:
    """Count the newlines in a range of a segment, or in what exists of it if it is shorter.

    Raises:
        OSError: it can't be read.
    """
    return sum(data.count(b"\n") for data in read_all(file, start, end))


def settle_lines(damages: list[Damage], lines: int) -> None:
    """Correct the line counts of the damages of a range to the known total.

    The estimates are tried first, then the newlines alone; otherwise the last damage gets the difference.
    """
    if sum(damage.lines for damage in damages) == lines:
        return
    if sum(damage.newlines for damage in damages) == lines:
        for damage in damages:
            damage.lines = damage.newlines
        return
    others = sum(damage.lines for damage in damages[:-1])
    damages[-1].lines = max(0, lines - others)


def _is_second_half(first: bytes, second: bytes) -> bool:
    """Return whether a byte became a newline and split one line into these two."""
    return (
        first.startswith(_START)
        and not first.endswith(_END)
        and not second.startswith(_START)
        and second.endswith(_END)
    )
