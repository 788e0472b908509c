"""Reader of a column file: the bytes of the lines from which it was made."""

import os
from contextlib import closing
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final

import xxhash

from logboom.errors import ExtraMissingError
from logboom.journal.columns.column_engine import cursor, engine_errors
from logboom.journal.columns.footer import read_layout
from logboom.journal.columns.layout import ColumnsLayout
from logboom.journal.packed_file import PackedFile, PackedPart

GROUPS_KEPT: Final = 4
"""Row groups that are kept in memory, some megabytes each: neighbouring parts of a search are in the same one."""

LAYOUTS_KEPT: Final = 64


@dataclass(frozen=True)
class _State:
    """A file as it was when it was opened, which is equal to the same file when it is opened again."""

    identity: tuple[int, int, int, int]
    descriptor: int = field(compare=False)

    @classmethod
    def of(cls, descriptor: int) -> "_State":
        about = os.fstat(descriptor)
        identity = about.st_dev, about.st_ino, about.st_size, about.st_ctime_ns
        return cls(identity, descriptor)


@lru_cache(maxsize=LAYOUTS_KEPT)
def _layout(state: _State) -> ColumnsLayout:
    """Return the layout of a file. Raises `OSError`."""
    return read_layout(state.descriptor)


@lru_cache(maxsize=GROUPS_KEPT)
def _group(state: _State, number: int) -> bytes | None:
    """Return the lines of a row group; None: they are not those that were packed."""
    layout = _layout(state)
    group = layout.groups[number]
    first = layout.first + sum(one.lines for one in layout.groups[:number])
    query = (
        f"SELECT string_agg({layout.line()}, chr(10)) FROM read_parquet('/proc/self/fd/{state.descriptor}') "  # noqa: S608
        f"WHERE sequence >= {first} AND sequence < {first + group.lines}"
    )
    with closing(cursor()) as engine:
        try:
            row = engine.execute(query).fetchone()
        except engine_errors():
            return None
    data = f"{row[0]}\n".encode() if row and row[0] is not None else b""
    return data if len(data) == group.size and xxhash.xxh3_64_intdigest(data) == group.checksum else None


class ColumnFile(PackedFile):
    """The lines of a column file. Reading them also raises `OSError` where the extra `archive` is missing."""

    _state: _State
    _name: str

    def _read_parts(self, path: Path) -> list[PackedPart]:
        self._state = _State.of(self._descriptor)
        try:
            groups = _layout(self._state).groups
        except OSError as error:
            raise OSError(f"{path.name}: {error}") from error
        self._name = path.name
        return [PackedPart(group.size, group.lines) for group in groups]

    def _unpack(self, number: int) -> bytes | None:
        try:
            return _group(self._state, number)
        except ExtraMissingError as error:
            raise OSError(f"{self._name}: {error}") from error
