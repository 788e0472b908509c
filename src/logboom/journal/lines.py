"""Which bytes of a segment are journal lines, and how many lines the rest was.

A line's number is its sequence, so damage must be counted as well as found: a flipped bit can make one line of
two, or two of one.
"""

import os
import re
from dataclasses import dataclass, field
from typing import Final

import msgspec

from logboom.formats.envelope import Envelope
from logboom.formats.ndjson import is_utf8

_decoder: Final = msgspec.json.Decoder(Envelope)
_START: Final = b'{"received_at":"'
_END: Final = b'"}'
_MERGED: Final = re.compile(rb'"\}[^\n,:\[ ]\{"received_at":"[0-9T:.+-]{32}","entry":')
"""Two lines whose newline became another byte. What JSON has between two objects is left out: an entry may hold
a copy of journal lines."""

BAD_LINE_BYTES_MAX: Final = 8 << 20
"""Bytes without a newline that are looked at together. No line is that long, so the decoder need not see them."""

ENTRY_BYTES_MAX: Final = BAD_LINE_BYTES_MAX - (64 << 10)
"""The longest entry, as JSON; the rest of the line is its envelope's. A longer one would be taken for damage."""

_READ_BYTES: Final = 1 << 20
"""Read at once to be counted: larger ones are slower, as they don't stay in the processor's cache."""


@dataclass
class Damage:
    """Bytes of a segment that are not journal lines."""

    offset: int
    size: int
    sequence: int
    """The sequence that the first damaged line had."""
    lines: int
    """How many lines it was, as far as can be told."""
    torn: bool
    """The file ends inside a line."""
    newlines: int = field(default=0, compare=False)
    """How many lines newlines alone would make of it."""

    @property
    def end(self) -> int:
        """The offset behind it."""
        return self.offset + self.size


class LineScan:
    """Tells good lines from damage, block by block.

    Args:
        offset: where the scan starts in its file, at the start of a line.
        sequence: of that line.
    """

    def __init__(self, offset: int, sequence: int) -> None:
        self.size = offset
        """The offset behind what was looked at."""
        self.lines = 0
        """Good lines."""
        self.damage: list[Damage] = []
        self._sequence = sequence
        self._rest = b""
        self._last_bad = b""
        self._inside = False  # a bad line that is too long to be held goes on

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
        """The file ends here."""
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
        """One more damaged line; neighbours are one damage."""
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
    """How many bytes and lines of `tail` are whole journal lines, up to the first that is not."""
    whole = tail.rfind(b"\n") + 1
    count = tail.count(b"\n", 0, whole)
    if _all_good(tail[:whole], count):
        return whole, count
    good = count = 0
    while (end := tail.find(b"\n", good)) >= 0 and is_good_line(tail[good:end]):
        good, count = end + 1, count + 1
    return good, count


def _all_good(lines: bytes, count: int) -> bool:
    """Whether all lines are good, in a few calls. The decoder takes any white space for a newline: hence the count."""
    starts = lines.startswith(_START) + lines.count(b"\n" + _START)
    try:
        return starts == count == len(_decoder.decode_lines(lines)) and is_utf8(lines)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def is_good_line(line: bytes) -> bool:
    """Whether `line` is one whole journal line."""
    try:
        _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):  # the second one for text outside the entry
        return False
    except RecursionError:
        # How deep the decoder can go depends on who calls it: an entry that was acknowledged must not look damaged.
        return line.startswith(_START) and line.endswith(_END) and is_utf8(line)
    return is_utf8(line)  # the decoder skips the entry without a look at its characters


def count_newlines(descriptor: int, start: int, end: int) -> int:
    """How many newlines stand in a range of a file; of what is there, if the file is shorter.

    Raises:
        OSError: it can't be read.
    """
    count = 0
    while start < end and (data := os.pread(descriptor, min(end - start, _READ_BYTES), start)):
        count += data.count(b"\n")
        start += len(data)
    return count


def settle_lines(damages: list[Damage], lines: int) -> None:
    """Give the damages of a range the number of lines that they were together, as it is known from elsewhere.

    What the bytes look like is the first guess, newlines alone the second; else the last damage gets the difference.
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
    """Whether a newline came between that was none: one line looks like two halves."""
    return (
        first.startswith(_START)
        and not first.endswith(_END)
        and not second.startswith(_START)
        and second.endswith(_END)
    )
