"""Layout of a column file, stored in its metadata: shapes, columns, and the lines of each row group."""

from collections.abc import Iterable, Iterator
from typing import Final, Literal, NamedTuple

import msgspec

from logboom.journal.columns.column_engine import identifier, joined, text_literal
from logboom.journal.columns.shapes import Kind, LineShape

VERSION: Final = 1
METADATA_KEY: Final = "logboom"

ROWS: Final = 8192
"""Rows of a row group: a few megabytes of lines, which are read at once. Half as many take 5 % more space."""

Type = Literal["text", "integer", "decimal", "double", "boolean", "microseconds", "milliseconds", "seconds"]
"""Form in which a column keeps the text of its values; the times have an offset, `Z`, or neither."""


class _TypeSql(NamedTuple):
    cast: str
    """From text; NULL where it is something else."""
    text: str
    """Back to text."""


class ColumnType(msgspec.Struct, frozen=True, array_like=True):
    """Type of a column."""

    name: Type = "text"
    digits: int = 0
    """Digits after the point, of decimals."""

    def cast(self, text: str) -> str:
        """Return the SQL that turns a text into a value."""
        return _TYPES[self.name].cast.format(text, digits=self.digits)

    def text(self, value: str) -> str:
        """Return the SQL that turns a value into the text that it was made from."""
        return _TYPES[self.name].text.format(value)


_TYPES: Final[dict[Type, _TypeSql]] = {
    "text": _TypeSql("{0}", "{0}"),
    "integer": _TypeSql("try_cast({0} AS BIGINT)", "cast({0} AS VARCHAR)"),
    "decimal": _TypeSql("try_cast({0} AS DECIMAL(18, {digits}))", "cast({0} AS VARCHAR)"),
    "double": _TypeSql("try_cast({0} AS DOUBLE)", "cast({0} AS VARCHAR)"),
    "boolean": _TypeSql("try_cast({0} AS BOOLEAN)", "cast({0} AS VARCHAR)"),
    "microseconds": _TypeSql(
        "try_strptime({0}, '%Y-%m-%dT%H:%M:%S.%f+00:00')", "strftime({0}, '%Y-%m-%dT%H:%M:%S.%f+00:00')"
    ),
    "milliseconds": _TypeSql(
        "try_strptime({0}, '%Y-%m-%dT%H:%M:%S.%gZ')", "strftime({0}, '%Y-%m-%dT%H:%M:%S.%gZ')"
    ),
    "seconds": _TypeSql("try_strptime({0}, '%Y-%m-%d %H:%M:%S')", "strftime({0}, '%Y-%m-%d %H:%M:%S')"),
}

CANDIDATES: Final[dict[Kind, tuple[ColumnType, ...]]] = {
    "text": (ColumnType("microseconds"), ColumnType("milliseconds"), ColumnType("seconds")),
    "number": (
        ColumnType("integer"),
        *(ColumnType("decimal", digits) for digits in range(1, 7)),
        ColumnType("double"),
    ),
    "boolean": (ColumnType("boolean"),),
    "json": (),
}
"""Types that are tried in turn: the first one that gives back the texts of all values of a sample."""


class Column(msgspec.Struct, array_like=True):
    """A column of values."""

    name: str
    keys: tuple[str, ...]
    """Path from the line's own object."""
    kind: Kind
    type: ColumnType
    count: int
    """Values in the sample from which the layout was made."""
    is_wide: bool = False
    """Some of them are whole numbers that lose digits as DOUBLE."""

    @property
    def sql(self) -> str:
        """Its name in SQL."""
        return identifier(self.name)

    @property
    def text(self) -> str:
        """SQL of its text in the line."""
        return self.type.text(self.sql)


class RowGroup(msgspec.Struct, array_like=True):
    """Lines of a row group."""

    size: int
    """Bytes of its lines."""
    lines: int
    checksum: int
    """XXH3 of its lines, 64 bits."""


class ColumnsLayout(msgspec.Struct, kw_only=True):
    """Layout of a file."""

    version: int = VERSION
    first: int
    """Sequence of the first line."""
    columns: list[Column]
    shapes: list[LineShape]
    groups: list[RowGroup]

    @property
    def same_columns(self) -> bytes:
        """Equal for files that one query can read."""
        columns = [(one.name, one.keys, one.kind, one.type) for one in self.columns]
        return msgspec.json.encode((columns, self.shapes))

    def line(self) -> str:
        """Return the SQL that puts a line together; `shape` NULL: it was kept whole."""
        if not self.shapes:
            return "line"
        texts = enumerate(lines_of(self.shapes, self.columns))
        cases = " ".join(f"WHEN {number} THEN {text}" for number, text in texts)
        return f"CASE WHEN shape IS NULL THEN line ELSE CASE shape {cases} END END"


def lines_of(shapes: Iterable[LineShape], columns: Iterable[Column]) -> Iterator[str]:
    """Yield the SQL that puts the lines of each shape together."""
    texts = {column.name: column.text for column in columns}
    for shape in shapes:
        parts = [text_literal(shape.literals[0])]
        for value, literal in zip(shape.values, shape.literals[1:], strict=True):
            parts += [texts[value.column], text_literal(literal)]
        yield f"concat({joined(parts)})"
