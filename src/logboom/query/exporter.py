"""A journal's entries as a file: blocks of CSV rows or of the journal's own lines, oldest first."""

import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import Final, NamedTuple

from logboom.formats.compressing import compressor
from logboom.formats.csv_rows import COLUMN_CHARS_MAX, COLUMNS, COLUMNS_MAX, csv_rows, header
from logboom.formats.json_rows import json_rows
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
        form: `csv` or `jsonl`.
        fields: of each row, see `csv_rows.csv_rows`. None: the usual columns of CSV; JSON lines are the journal's
            own, byte for byte.
        start: no sequence below this one.
        end: no sequence from this one on.
    """

    def __init__(
        self,
        log: Log,
        wanted: Filter,
        form: str,
        *,
        fields: Sequence[str] = (),
        start: int = 0,
        end: int | None = None,
    ) -> None:
        self._log = log
        self._is_csv = form == "csv"
        self._fields = tuple(fields) or (COLUMNS if self._is_csv else ())
        first, end = bounds_of(log, wanted, start, end)
        self._ranges = Steps(log, wanted).ranges(first, end)
        self.first, self.end = (self._ranges[0].start, self._ranges[-1].end) if self._ranges else (end, end)
        """The range: the first sequence, and the one after the last."""

    @property
    def head(self) -> bytes:
        """Return the header line; empty for JSON lines."""
        return header(self._fields) if self._is_csv else b""

    def _blocks(self) -> Iterator[tuple[Block, Matcher]]:
        for part in self._ranges:
            for block in blocks(self._log, part.start, part.end, BLOCK_BYTES):
                yield block, part.matcher

    def pieces(self) -> Generator[Piece]:
        """The export, block by block; on a thread. Close it when it is not read to its end."""
        for block, matcher in self._blocks():
            found = matcher.matching(block, as_stored=not self._fields)
            if isinstance(found, Block):
                sequences: Sequence[int] = range(block.first_sequence, block.next_sequence)
                data = found.data
            else:
                sequences = [sequence for sequence, _ in found]
                data = b"".join([line + b"\n" for _, line in found])
            count = len(sequences)
            if count and self._fields:
                rows = csv_rows if self._is_csv else json_rows
                data = rows(sequences, data, self._fields)
            yield Piece(data, count, block.next_sequence)


def packed(export: Export, kind: str) -> Generator[Piece]:
    """Yield an export with its header, compressed.

    Args:
        export: to be read to its end, or closed.
        kind: see `compressing.compressor`.
    """
    packer = compressor(kind)
    yield Piece(packer.compress(export.head), 0, export.first)
    with closing(export.pieces()) as pieces:
        for piece in pieces:
            yield piece._replace(data=packer.compress(piece.data))
    yield Piece(packer.flush(), 0, export.end)


def fields_of(text: str) -> tuple[str, ...]:
    """Names of fields from a list with commas between.

    Raises:
        ValueError: too many, or not one that can stand in a header.
    """
    if not text:
        return ()
    names = tuple(name.strip() for name in text.split(","))
    bad = next(
        (name for name in names if _CONTROL.search(name) or not 0 < len(name) <= COLUMN_CHARS_MAX), None
    )
    if bad is not None:
        raise ValueError(
            f"found {bad[:40]!r}, expected names of 1 to {COLUMN_CHARS_MAX} characters, without control characters"
        )
    if len(names) > COLUMNS_MAX:
        raise ValueError(f"found {len(names)} names, expected {COLUMNS_MAX} at most")
    return names
