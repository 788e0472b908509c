"""Selection of lines by a text anywhere in their entries.

Hits of the needle in the raw lines decide nearly all lines: the entry holds the text when the characters around the hit
can't be part of the word, of an escape, or of a character that is composed. The rest is decided by the entry's texts.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final

from logboom.formats.envelope import ENTRY_AT, SOURCE_AT
from logboom.query.filter.block_lines import BlockLines, intersection
from logboom.query.filter.conditions import Contains, Matches
from logboom.query.filter.entry_strings import lines_of, searched_text
from logboom.query.filter.needles import PLAIN, literal_of, needle_of
from logboom.query.filter.regexes import compile_regex
from logboom.query.filter.text_tests import contained_in
from logboom.query.filter.text_words import is_joining

_STRUCTURE: Final = frozenset(",:{}[]")
"""Plain characters that also stand between the texts of an entry."""

_WORD: Final = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789_")
_OF_NUMBERS: Final = frozenset(b".+-")
_DIGITS: Final = frozenset("0123456789e")
_BACKSLASH: Final = ord("\\")
_ASCII_END: Final = 0x80
_ESCAPE_BYTES: Final = 6
"""Length of the longest escape."""

_CHUNK_LINES: Final = 256
"""Lines that an expression is looked for in at once: a call costs as much as 500 bytes."""


class TextSelector:
    """Selects lines by a text, see `conditions.Contains`."""

    cost = 0

    def __init__(self, test: Contains) -> None:
        text = test.text
        self._contained = contained_in(test)
        self._needle = needle_of(text)
        self._hits_decide = (
            PLAIN.fullmatch(text) is not None
            and text.isascii()
            and text == text.strip()
            and _STRUCTURE.isdisjoint(text)
        )
        self._starts = test.starts and is_joining(text[0])
        self._ends = test.ends and is_joining(text[-1])
        self._may_start_number, self._may_end_number = text[0] in _DIGITS, text[-1] in _DIGITS

    def select(self, block: BlockLines, numbers: Sequence[int]) -> Sequence[int]:
        """Return the lines that have the text, in order."""
        if not self._needle:
            return self._verified(block, block.not_ascii(numbers))
        if not self._hits_decide:
            return self._verified(block, block.with_needle(self._needle, numbers))
        found = list(self._by_hits(block))
        if block.odd:
            found = sorted({*found, *self._verified(block, block.odd)})
        return found if len(numbers) == block.count else intersection(found, numbers)

    def _verified(self, block: BlockLines, numbers: Sequence[int]) -> list[int]:
        return [number for number in numbers if self._contained(searched_text(block.entry(number)))]

    def _by_hits(self, block: BlockLines) -> Iterator[int]:
        """Yield the lines of a block that have the text, as written in the needle."""
        data, needle, size = block.lowered, self._needle, len(self._needle)
        number = start = 0
        while (hit := data.find(needle, start)) >= 0:
            number += data.count(b"\n", start, hit)
            first = data.rfind(b"\n", 0, hit) + 1
            end = data.find(b"\n", hit)
            last = data.rfind(SOURCE_AT, first, end) - size
            if self._is_in_line(block, number, first + ENTRY_AT, last, hit):
                yield number
            start = end + 1
            number += 1

    def _is_in_line(self, block: BlockLines, number: int, first: int, last: int, hit: int) -> bool:
        """Return whether a line's entry has the text.

        Args:
            block: of the line.
            number: the line's.
            first: where the text may begin at the earliest.
            last: where it may begin at the latest.
            hit: the first place of the needle in the line.
        """
        data, size = block.lowered, len(self._needle)
        unsure = False
        while 0 <= hit <= last:
            if hit >= first:
                sure = self._before(data, hit), self._after(data[hit + size])
                if all(sure):
                    return True
                unsure = unsure or False not in sure
            hit = data.find(self._needle, hit + 1, last + size)
        return unsure and self._contained(searched_text(block.entry(number)))

    def _before(self, data: bytes, hit: int) -> bool | None:
        """Return whether a hit begins as the text must; None when that is not sure."""
        before = data[hit - 1]
        if before == _BACKSLASH or data.rfind(b"\\", hit - _ESCAPE_BYTES, hit) >= 0:
            return None
        if not self._starts:
            return True
        if before in _WORD:
            return False
        if before >= _ASCII_END or (self._may_start_number and before in _OF_NUMBERS):
            return None
        return True

    def _after(self, after: int) -> bool | None:
        """Return whether a hit ends as the text must, by the byte after it; None when that is not sure."""
        if after == _BACKSLASH or after >= _ASCII_END:
            return None
        if not self._ends:
            return True
        if after in _WORD:
            return False
        return None if self._may_end_number and after in _OF_NUMBERS else True


class RegexSelector:
    """Selects lines by a regular expression in one of their entries' texts."""

    cost = 9

    def __init__(self, test: Matches) -> None:
        self._search = compile_regex(test.pattern).search
        self._needle = literal_of(test.pattern)

    def select(self, block: BlockLines, numbers: Sequence[int]) -> Sequence[int]:
        """Return the lines that match, in order."""
        candidates = block.with_needle(self._needle, numbers)
        found: list[int] = []
        for start in range(0, len(candidates), _CHUNK_LINES):
            found += self._matching(block, candidates[start : start + _CHUNK_LINES])
        return found

    def _matching(self, block: BlockLines, numbers: Sequence[int]) -> Iterator[int]:
        """Yield those of a few lines that match, by one search for all texts up to the first hit, and so on."""
        texts = [(number, lines_of(block.entry(number))) for number in numbers]
        texts = [(number, text) for number, text in texts if text]
        starts = [0, *accumulate(len(text) + 1 for _, text in texts)]
        data, place = b"\n".join([text for _, text in texts]), 0
        while place < len(data) and (hit := self._search(data, place)) is not None:
            row = bisect_right(starts, hit.start()) - 1
            yield texts[row][0]
            place = starts[row + 1]
