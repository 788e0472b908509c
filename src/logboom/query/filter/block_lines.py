"""A block of journal lines as checks look at it: what one of them has decoded or counted, the next one reuses."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, Final

import msgspec

from logboom.formats.entry_level import level_of
from logboom.formats.envelope import LISTENER_AT, entry_of
from logboom.formats.records import records_of
from logboom.model import Record
from logboom.query.entry_facts import level_names
from logboom.query.filter.needles import has_other_spellings

Reader = Callable[[bytes, int], list[Any] | None]
"""Decodes some lines; None when some line can't be read."""

_DENSE_SHARE: Final = 0.5
"""Share of a block's lines from which on all of them are decoded, not the wanted ones alone."""


class BlockLines:
    """The lines of a block.

    Args:
        data: the lines, each with its newline.
        count: how many.
        read: decodes the parts of lines that the query needs.
        names: keys that `read` looks for, in quotes; a block that has them in other cases is decoded whole.
    """

    def __init__(self, data: bytes, count: int, read: Reader, names: Sequence[bytes] = ()) -> None:
        self.data = data
        self.count = count
        self._read = read
        self._names = names
        self._decoded: dict[int, Any] = {}
        self._records: dict[int, Record] = {}

    @cached_property
    def lowered(self) -> bytes:
        """The lines in lower case, as far as ASCII goes."""
        return self.data.lower()

    @cached_property
    def lines(self) -> list[bytes]:
        """The lines, and what follows the last newline."""
        return self.data.split(b"\n")

    @cached_property
    def odd(self) -> list[int]:
        """Numbers of the lines where plain text may be written in other ways than any needle."""
        if not has_other_spellings(self.data):
            return []
        return [number for number in range(self.count) if has_other_spellings(self.lines[number])]

    def entry(self, number: int) -> bytes:
        """The entry of a line, as it was sent."""
        return entry_of(self.lines[number])

    def ending(self, number: int) -> bytes:
        """The end of a line, from its listener on."""
        line = self.lines[number]
        return line[line.rfind(LISTENER_AT) :]

    def with_needle(self, needle: bytes, numbers: Sequence[int]) -> Sequence[int]:
        """Return the lines that may have a text; all for an empty needle."""
        if not needle:
            return numbers
        found = list(lines_with(self.lowered, needle))
        if self.odd:
            found = sorted({*found, *self.odd})
        return found if len(numbers) == self.count else intersection(found, numbers)

    def not_ascii(self, numbers: Sequence[int]) -> Sequence[int]:
        """Return the lines that have characters, or escapes, beyond ASCII."""
        if self.data.isascii() and b"\\u" not in self.data:
            return []
        lines = self.lines
        return [one for one in numbers if not lines[one].isascii() or b"\\u" in lines[one]]

    def decoded(self, numbers: Sequence[int]) -> list[Any]:
        """The wanted parts of some lines: `entry`, `source` and `listener`; None for a damaged line."""
        if self._has_other_cases:
            return self.records(numbers)
        missing = [number for number in numbers if number not in self._decoded]
        if missing:
            self._decode(missing)
        get = self._decoded.get
        return [get(number) for number in numbers]

    def records(self, numbers: Sequence[int]) -> list[Record | None]:
        """The records of some lines; None for a damaged one."""
        missing = [number for number in numbers if number not in self._records]
        if missing:
            data = b"".join([self.lines[number] + b"\n" for number in missing])
            self._records.update(
                (record.sequence, record) for record in records_of(missing, data, with_times=False)
            )
        get = self._records.get
        return [get(number) for number in numbers]

    def levels(self, numbers: Sequence[int]) -> list[str]:
        """The levels of some lines, as records have them; empty where there is none."""
        lines = self.decoded(numbers)
        try:
            return level_names(lines)
        except AttributeError:  # some were read as records
            return ["" if line is None else level_of(line.entry) for line in lines]

    @cached_property
    def _has_other_cases(self) -> bool:
        return any(self.lowered.count(name.lower()) != self.data.count(name) for name in self._names)

    def _decode(self, numbers: list[int]) -> None:
        if len(numbers) > self.count * _DENSE_SHARE:
            numbers = list(range(self.count))
            data = self.data
        else:
            data = b"".join([self.lines[number] + b"\n" for number in numbers])
        found = self._read(data, len(numbers))
        if found is None:
            found = self.records(numbers)
        self._decoded.update(zip(numbers, found, strict=True))
        if self.odd:  # their keys may be written in other ways
            odd = intersection(self.odd, numbers)
            self._decoded.update(zip(odd, self.records(odd), strict=True))


def lines_with(data: bytes, needle: bytes) -> Iterator[int]:
    """Yield the numbers of the lines that hold `needle`."""
    number = start = 0
    while (hit := data.find(needle, start)) >= 0:
        number += data.count(b"\n", start, hit)
        yield number
        start = data.find(b"\n", hit) + 1
        number += 1
        if not start:
            return


def intersection(numbers: Sequence[int], others: Sequence[int]) -> list[int]:
    """The numbers that are also among others, in order."""
    wanted = others if isinstance(others, range) else set(others)
    return [number for number in numbers if number in wanted]


def listener_of(ending: bytes) -> str:
    """The listener of a line, by its end; empty when it is damaged."""
    try:
        return msgspec.json.decode(ending[len(LISTENER_AT) : -1], type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
