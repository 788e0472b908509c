"""Reader of a column file: the bytes of the lines from which it was made."""

import os
from bisect import bisect_right
from contextlib import closing
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import xxhash

from logboom.errors import ExtraMissingError
from logboom.journal.columns.column_engine import cursor, engine_errors, text_literal
from logboom.journal.columns.layout import METADATA_KEY, VERSION, ColumnsLayout

if TYPE_CHECKING:
    import duckdb

GROUPS_KEPT: Final = 4
"""Row groups that are kept in memory, some megabytes each: neighbouring parts of a search are in the same one."""

LAYOUTS_KEPT: Final = 64

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


@dataclass(frozen=True)
class _State:
    """A file as it was when it was opened, which is equal to the same file when it is opened again."""

    identity: tuple[int, int, int, int]
    path: str = field(compare=False)

    @classmethod
    def of(cls, descriptor: int) -> "_State":
        about = os.fstat(descriptor)
        identity = about.st_dev, about.st_ino, about.st_size, about.st_ctime_ns
        return cls(identity, f"/proc/self/fd/{descriptor}")


@lru_cache(maxsize=LAYOUTS_KEPT)
def _layout(state: _State) -> ColumnsLayout:
    """Return the layout of a file. Raises `OSError`, `ExtraMissingError`."""
    with closing(cursor()) as engine:
        return read_layout(engine, state.path)


@lru_cache(maxsize=GROUPS_KEPT)
def _group(state: _State, number: int) -> bytes | None:
    """Return the lines of a row group; None: they are not those that were packed."""
    layout = _layout(state)
    group = layout.groups[number]
    first = layout.first + sum(one.lines for one in layout.groups[:number])
    query = (
        f"SELECT string_agg({layout.line()}, chr(10)) FROM read_parquet({text_literal(state.path)}) "  # noqa: S608
        f"WHERE sequence >= {first} AND sequence < {first + group.lines}"
    )
    with closing(cursor()) as engine:
        try:
            row = engine.execute(query).fetchone()
        except engine_errors():
            return None
    data = f"{row[0]}\n".encode() if row and row[0] is not None else b""
    return data if len(data) == group.size and xxhash.xxh3_64_intdigest(data) == group.checksum else None


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
        self._state = _State.of(self._descriptor)
        try:
            self._groups = _layout(self._state).groups
        except (OSError, ExtraMissingError) as error:
            self.close()
            raise OSError(f"{path.name}: {error}") from error
        except BaseException:
            self.close()
            raise
        self._starts = list(accumulate((group.size for group in self._groups), initial=0))
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
        data = _group(self._state, number)
        if data is None:
            self.damaged.add(number)
            group = self._groups[number]
            return b"?" * (group.size - group.lines) + b"\n" * group.lines
        return data
