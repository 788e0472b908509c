"""A journal's entries as a file: blocks of CSV rows or of the journal's own lines, oldest first."""

import re
from collections.abc import Generator, Iterator, Sequence
from typing import Final, NamedTuple

from logboom.formats.csv_rows import COLUMN_CHARS_MAX, COLUMNS, COLUMNS_MAX, csv_rows, header
from logboom.journal.log import Block, Log, blocks
from logboom.query.matching import Filter, Matcher
from logboom.query.spans import Steps, bounds_of

FORMATS: Final = ("csv", "jsonl")

_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")

BLOCK_BYTES: Final = 64 << 10
"""Journal bytes that are read at once. Making rows of them holds the interpreter for a millisecond."""


class Piece(NamedTuple):
    """Result of one block."""

    data: bytes
    """Whole rows or lines; none when nothing of the block matches."""
    rows: int
    position: int
    """The sequence after the last one that was looked at."""


class Export:
    """One export, over a range that is fixed when it is made: what comes later is not part of it.

    Args:
        log: the journal.
        wanted: which entries; exactly those that a search shows.
        form: `csv` or `jsonl`. JSON lines are the journal's own, byte for byte.
        columns: of CSV; see `csv_rows.csv_rows`.
        start: no sequence below this one.
        end: no sequence from this one on.
    """

    def __init__(
        self,
        log: Log,
        wanted: Filter,
        form: str,
        *,
        columns: Sequence[str] = COLUMNS,
        start: int = 0,
        end: int | None = None,
    ) -> None:
        self._log = log
        self._columns = tuple(columns) if form == "csv" else None
        first, end = bounds_of(log, wanted, start, end)
        self._ranges = Steps(log, wanted).ranges(first, end)
        self.first, self.end = (self._ranges[0].start, self._ranges[-1].end) if self._ranges else (end, end)
        """The range: the first sequence, and the one after the last."""

    @property
    def head(self) -> bytes:
        """Return the header line; empty for JSON lines."""
        return header(self._columns) if self._columns else b""

    def _blocks(self) -> Iterator[tuple[Block, Matcher]]:
        for part in self._ranges:
            for block in blocks(self._log, part.start, part.end, BLOCK_BYTES):
                yield block, part.matcher

    def pieces(self) -> Generator[Piece]:
        """The export, block by block; on a thread. Close it when it is not read to its end."""
        for block, matcher in self._blocks():
            found = matcher.matching(block)
            if isinstance(found, Block):
                sequences: Sequence[int] = range(block.first_sequence, block.next_sequence)
                data = block.data
            else:
                sequences = [sequence for sequence, _ in found]
                data = b"".join([line + b"\n" for _, line in found])
            count = len(sequences)
            if count and self._columns:
                data = csv_rows(sequences, data, self._columns)
            yield Piece(data, count, block.next_sequence)


def columns_of(text: str) -> tuple[str, ...]:
    """Columns from a list of names with commas between; the usual ones for nothing.

    Raises:
        ValueError: too many, or not one that can stand in a header.
    """
    if not text:
        return COLUMNS
    names = tuple(name.strip() for name in text.split(","))
    bad = next(
        (name for name in names if _CONTROL.search(name) or not 0 < len(name) <= COLUMN_CHARS_MAX), None
    )
    if bad is not None:
        raise ValueError(
            f"found {bad[:40]!r}, expected names of 1 to {COLUMN_CHARS_MAX} characters, without control characters"
        )
    if len(names) > COLUMNS_MAX:
        raise ValueError(f"found {len(names)} columns, expected {COLUMNS_MAX} at most")
    return names
