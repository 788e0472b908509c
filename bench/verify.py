"""Verification of the delivery, line by line, after the measurement."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from bench.line import ENTRY_BYTES, HEAD, NUMBER_DIGITS, NUMBER_FIRST, TAIL

_NUMBER_AT: Final = len(HEAD)
_TAIL_AT: Final = _NUMBER_AT + NUMBER_DIGITS
_EXAMPLES_MAX: Final = 3  # enough to see what is wrong, short enough for a report


@dataclass(slots=True)
class Delivery:
    """Comparison of a subject's output with the sent lines."""

    expected: int
    delivered: int = 0
    duplicated: int = 0
    damaged: int = 0
    reordered: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def lost(self) -> int:
        """Lines that were sent and are not in the output, or not as they were sent."""
        return self.expected - self.delivered

    @property
    def complete(self) -> bool:
        """Every line is there exactly once, and nothing else."""
        return not (self.lost or self.duplicated or self.damaged)

    def problem(self) -> str | None:
        """Description of the difference; None when everything is there."""
        if self.complete:
            return None
        text = f"lost {self.lost:,} of {self.expected:,}, "
        text += f"duplicated {self.duplicated:,}, damaged {self.damaged:,}"
        return text + (f", for example {self.examples}" if self.examples else "")


def entry_index(entry: bytes) -> int:
    """The index of a line from its bytes without newline; -1 when these are not one of our lines."""
    if len(entry) != ENTRY_BYTES or not entry.startswith(HEAD) or not entry.endswith(TAIL):
        return -1
    digits = entry[_NUMBER_AT:_TAIL_AT]
    return int(digits) - NUMBER_FIRST if digits.isdigit() else -1


def unwrap(stored: bytes, before: bytes, after: bytes) -> bytes:
    """The entry inside a stored line: what stands after the first `before` and ahead of the closing `after`.

    A stored line without that frame gives nothing, and so counts as damaged.
    """
    stored = stored.removesuffix(b"\n")
    if not before and not after:
        return stored
    start = stored.find(before)
    if start < 0 or not stored.endswith(after):
        return b""
    return stored[start + len(before) : len(stored) - len(after)]


def verify(lines: Iterable[bytes], expected: list[tuple[int, int]], before: bytes, after: bytes) -> Delivery:
    """Compare stored lines with what was sent.

    Args:
        lines: stored lines, in the order of the output.
        expected: (first, count) of consecutive indexes that were sent, a connection each.
        before: what stands directly ahead of the entry in a stored line.
        after: what stands behind the entry in a stored line, up to its newline.
    """
    delivery = Delivery(sum(count for _, count in expected))
    room = max((first + count for first, count in expected), default=0)
    owner = _owners(expected, room)
    seen = bytearray(room)
    newest = [-1] * len(expected)
    for stored in lines:
        index = entry_index(unwrap(stored, before, after))
        if not 0 <= index < room or owner[index] < 0:
            delivery.damaged += 1
            if len(delivery.examples) < _EXAMPLES_MAX:
                delivery.examples.append(stored[:400].decode(errors="replace"))
        elif seen[index]:
            delivery.duplicated += 1
        else:
            seen[index] = 1
            connection = owner[index]
            delivery.reordered += index < newest[connection]
            newest[connection] = index
    delivery.delivered = seen.count(1)
    return delivery


def _owners(expected: list[tuple[int, int]], room: int) -> list[int]:
    """The connection of each index, -1 where nothing was sent."""
    owner = [-1] * room
    for connection, (first, count) in enumerate(expected):
        owner[first : first + count] = [connection] * count
    return owner
