"""Reader of a column file: the bytes of the lines from which it was made."""

import os
from bisect import bisect_right
from contextlib import closing
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import xxhash

from logboom.errors import ExtraMissingError
from logboom.journal.columns.engine import cursor, engine_errors, text_literal
from logboom.journal.columns.layout import METADATA_KEY, VERSION, ColumnsLayout, RowGroup

if TYPE_CHECKING:
    import duckdb

_LAYOUT_OF: Final = "SELECT value FROM parquet_kv_metadata({}) WHERE decode(key) = {}"


def read_layout(engine: "duckdb.DuckDBPyConnection", path: str) -> ColumnsLayout:
    """Return the layout of a column file. Raises `OSError`: it is damaged, or of another version."""
    damaged = OSError("the column file can't be read: it is damaged, or was written by another version")
    unreadable: tuple[type[Exception], ...] = (*engine_errors(), msgspec.DecodeError)
    try:
        row = engine.execute(_LAYOUT_OF.format(text_literal(path), text_literal(METADATA_KEY))).fetchone()
        layout = msgspec.json.decode(row[0], type=ColumnsLayout) if row else None
    except unreadable as error:
        raise damaged from error
    if layout is None or layout.version != VERSION:
        raise damaged
    return layout


class ColumnFile:
    """The lines of a column file, see `SegmentFile`.

    Args:
        path: path of the file.

    Raises:
        FileNotFoundError: there is none.
        OSError: it is damaged, or of another version, or the extra `archive` is missing.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._path = f"/proc/self/fd/{self._descriptor}"
        try:
            with closing(cursor()) as engine:
                self.layout = read_layout(engine, self._path)
        except (OSError, ExtraMissingError) as error:
            self.close()
            raise OSError(f"{path.name}: {error}") from error
        except BaseException:
            self.close()
            raise
        groups = self.layout.groups
        self._starts = list(accumulate((group.size for group in groups), initial=0))
        self._firsts = list(accumulate((group.lines for group in groups), initial=self.layout.first))
        self._query = (
            f"SELECT string_agg({self.layout.line()}, chr(10)) "  # noqa: S608
            f"FROM read_parquet({text_literal(self._path)}) WHERE sequence >= ? AND sequence < ?"
        )
        self._cached: tuple[int, bytes] = (-1, b"")
        self.size = self._starts[-1]
        """Bytes of all lines."""
        self.damaged: set[int] = set()
        """Numbers of the row groups that could not be read."""

    def read_at(self, offset: int, size: int) -> bytes:
        """Return a range of bytes, fewer at the end. Raises `OSError`."""
        end = min(offset + size, self.size)
        parts = []
        while offset < end:
            number = bisect_right(self._starts, offset) - 1
            start = self._starts[number]
            part = self._lines(number)[offset - start : end - start]
            parts.append(part)
            offset += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def forget(self, _offset: int, _size: int) -> None:
        """See `SegmentFile`."""

    def close(self) -> None:
        """Close the file. Idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def _lines(self, number: int) -> bytes:
        """Return the lines of a row group; a damaged one has as many lines, each without a meaning."""
        if self._cached[0] == number:
            return self._cached[1]
        group = self.layout.groups[number]
        data = self._rebuilt(number)
        if len(data) != group.size or xxhash.xxh3_64_intdigest(data) != group.checksum:
            self.damaged.add(number)
            data = _placeholder(group)
        self._cached = number, data
        return data

    def _rebuilt(self, number: int) -> bytes:
        with closing(cursor()) as engine:
            try:
                row = engine.execute(self._query, self._firsts[number : number + 2]).fetchone()
            except engine_errors():
                return b""
        return f"{row[0]}\n".encode() if row and row[0] is not None else b""


def _placeholder(group: RowGroup) -> bytes:
    return b"?" * (group.size - group.lines) + b"\n" * group.lines
