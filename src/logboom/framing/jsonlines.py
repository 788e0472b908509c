"""Framing and judging of newline-delimited JSON, both with bounds, for all protocols that have it."""

from collections import deque
from typing import Final

from logboom.formats import ndjson
from logboom.framing.lines import LineFramer, TooLong
from logboom.model import Batch, Verdict

PIECE_BYTES: Final = 16 << 10
"""A chunk that is not all good is judged in pieces of about this size, a batch each: one bad line then
costs its neighbours the fast way only within its piece, and a stream of garbage (two bytes per line, 2 µs
each) holds the event loop for some 16 ms per batch."""
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class JsonLines:
    """Bytes in, judged batches out.

    Args:
        decoder: what an entry must have; from `ndjson.entry_decoder`.
        line_bytes_max: the longest line, in bytes.
        wants_levels: whether batches carry the levels of their entries.
        lenient: decoder for the lines of chunks that `decoder` rejects; None: the same.
    """

    __slots__ = ("_begun", "_decoder", "_framer", "_lenient", "_line_bytes_max", "_pieces", "_wants_levels")

    def __init__(
        self,
        decoder: ndjson.EntryDecoder,
        line_bytes_max: int,
        *,
        wants_levels: bool = False,
        lenient: ndjson.EntryDecoder | None = None,
    ) -> None:
        self._decoder = decoder
        self._lenient = lenient or decoder
        self._framer = LineFramer(line_bytes_max)
        self._line_bytes_max = line_bytes_max
        self._pieces: deque[bytes] = deque()
        self._wants_levels = wants_levels
        self._begun = False

    def __len__(self) -> int:
        """Bytes held."""
        return len(self._framer) + sum(map(len, self._pieces))

    @property
    def between_lines(self) -> bool:
        """True after the first line while nothing is held, not even the rest of a line that is too long."""
        return self._begun and not self._pieces and self._framer.between_lines

    def feed(self, data: bytes | memoryview) -> None:
        """Take bytes; the caller's buffer is free again afterwards."""
        self._framer.feed(data)

    def end(self) -> None:
        """No more bytes will come: what is left counts as a line."""
        self._framer.end()

    def take(self) -> Batch | None:
        """The next batch that has at least one wire line, or None."""
        while True:
            chunk = self._pieces.popleft() if self._pieces else self._framer.take()
            if chunk is None:
                return None
            if isinstance(chunk, TooLong):
                return self._too_long(chunk)
            batch = self._judge(chunk)
            if batch is not None and batch.verdicts:
                return batch

    def _judge(self, chunk: bytes) -> Batch | None:
        if not self._begun:  # files of Windows begin with a mark, and are sent as they are
            self._begun = True
            chunk = chunk.removeprefix(_BYTE_ORDER_MARK)
        if (
            not chunk or chunk.isspace()
        ):  # a megabyte of blank lines would take a tenth of a second below, to no avail
            return None
        batch = ndjson.judge_all(chunk, self._decoder, wants_levels=self._wants_levels)
        if batch is not None:
            return batch
        pieces = _split(chunk)
        if len(pieces) > 1:  # a piece is never split again: it holds no newline after its first PIECE_BYTES
            self._pieces.extendleft(reversed(pieces))
            return None
        return ndjson.judge_each(chunk, self._lenient, wants_levels=self._wants_levels)

    def _too_long(self, line: TooLong) -> Batch:
        reason = f"line of {line.size_bytes} bytes, the limit is {self._line_bytes_max}"
        return Batch(b"", bytes([Verdict.TOO_LONG]), size_bytes=line.size_bytes + 1, reasons=(reason,))


def _split(chunk: bytes) -> list[bytes]:
    """Cut at newlines into pieces of at least `PIECE_BYTES` each, but for the last."""
    pieces = []
    start = 0
    while (end := chunk.find(b"\n", start + PIECE_BYTES)) >= 0:
        pieces.append(chunk[start:end])
        start = end + 1
    pieces.append(chunk[start:])
    return pieces
