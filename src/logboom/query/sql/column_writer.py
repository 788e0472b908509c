"""Writer of column files: a sealed segment becomes a Parquet file from which each of its lines can be rebuilt.

A sample of the lines gives the shapes and the types of the columns. A line that its columns would not give back
byte for byte, whatever the reason, is kept whole. Time, level and sender are computed as SQL has them for plain lines.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Final, NamedTuple

import msgspec
import xxhash

from logboom.durable import FILE_MODE
from logboom.errors import StorageError
from logboom.journal.columns.column_engine import connect, engine_errors, identifier, joined, text_literal
from logboom.journal.columns.layout import (
    CANDIDATES,
    METADATA_KEY,
    ROWS,
    Column,
    ColumnsLayout,
    ColumnType,
    RowGroup,
    lines_of,
)
from logboom.journal.columns.shapes import LineShape, ShapeValue, name_columns, shape_of
from logboom.journal.manifest import SegmentEvent
from logboom.journal.segment_packing import prove
from logboom.journal.segments import Segment
from logboom.query.sql.entry_macros import SETUP, pointer
from logboom.query.sql.log_view import LEVELLED, LINE_BYTES_MAX
from logboom.query.sql.sampled_fields import EXACT_MAX

if TYPE_CHECKING:
    import duckdb

MEMORY_MIB: Final = 320
"""Memory of the engine; what needs more is refused, and the segment is packed as frames."""

SHAPES_MAX: Final = 200
COLUMNS_MAX: Final = 300
"""Most shapes and columns of a file: each costs time and space in every row group. Other lines are kept whole."""

PART_BYTES: Final = 16 << 20
"""Bytes that the engine reads at a time."""

SAMPLE_LINES: Final = 16_384
"""Lines of the sample, spread over the segment."""


def pack_columns(segment: Segment, sealed: SegmentEvent, part: Path, level: int) -> None:
    """Write a segment as columns, sync and prove it, see `ColumnPacker`. Raises as that does."""
    write_columns(segment.path, segment.first, part, level)
    with part.open("rb") as file:
        os.fchmod(file.fileno(), FILE_MODE)
        os.fsync(file.fileno())
    prove(part, sealed)


def write_columns(source: Path, first: int, target: Path, level: int) -> None:
    """Write the lines of a plain segment as columns. The caller syncs the file.

    Args:
        source: the segment, whole lines only.
        first: sequence of its first line.
        target: the file to write.
        level: compression level of zstd.

    Raises:
        StorageError: its lines can't be read as text, or need too much memory.
        OSError: the disk is full, or broken.
        ExtraMissingError: the extra `archive` is missing.
    """
    with ExitStack() as opened:
        engine = opened.enter_context(closing(connect(MEMORY_MIB)))
        groups, parts = _split(source, target.parent, opened)
        try:
            engine.execute(SETUP)
            engine.execute(_lines_view(parts, first))
            lines = sum(group.lines for group in groups)
            engine.execute(_SAMPLE.format(step=max(1, lines // SAMPLE_LINES)))
            sampled = _sampled(engine)
            layout = ColumnsLayout(
                first=first,
                columns=[
                    msgspec.structs.replace(one, name=sampled.titles[one.name]) for one in sampled.columns
                ],
                shapes=[_renamed(plan.shape, sampled.titles) for plan in sampled.plans],
                groups=groups,
            )
            engine.execute(_copy(layout, sampled, target, level))
        except engine_errors() as error:
            raise StorageError(f"{source.name}: {str(error).splitlines()[0][:300]}") from error


def _split(source: Path, folder: Path, opened: ExitStack) -> tuple[list[RowGroup], list[str]]:
    """Return size, lines and checksum of each row group, and the paths of copies of the lines, in parts.

    The engine keeps what it has read of a file until it has read all of it: a segment would take its size in memory.

    Args:
        source: the segment.
        folder: where the copies are, without a name, so that nothing is left of them.
        opened: closes them.
    """
    groups, parts, free = list[RowGroup](), list[IO[bytes]](), 0
    with source.open("rb") as file:
        while lines := list(islice(file, ROWS)):
            data = b"".join(lines)
            groups.append(RowGroup(len(data), len(lines), xxhash.xxh3_64_intdigest(data)))
            if len(data) > free:
                parts.append(opened.enter_context(TemporaryFile(dir=folder)))  # noqa: SIM115 - `opened` does
                free = PART_BYTES
            parts[-1].write(data)
            free -= len(data)
    for part in parts:
        part.flush()
    return groups, [f"/proc/self/fd/{part.fileno()}" for part in parts] or [str(source)]


def _lines_view(parts: Iterable[str], first: int) -> str:
    """Return the statement that defines the lines; JSON has no byte 1, which would separate columns."""
    return (
        f"CREATE VIEW lines AS SELECT {first} + row_number() OVER () - 1 AS sequence, line, {_JSON} AS object "  # noqa: S608
        f"FROM read_csv([{joined(map(text_literal, parts))}], columns = {{line: 'VARCHAR'}}, auto_detect = false, "
        f"header = false, delim = '\\x01', quote = '', escape = '', new_line = '\\n', "
        f"max_line_size = {LINE_BYTES_MAX})"
    )


_SPACING: Final = """contains(line, '": '), contains(line, ', "')"""

_JSON: Final = "CASE WHEN json_valid(line) THEN line ELSE '{}' END"
"""Stands for a line that is not JSON where JSON is read: most functions would end the query."""

_KIND: Final = f"hash(json_structure(object)::VARCHAR, {_SPACING})"
"""Number that lines of the same keys, types and usual spacing share."""

_SAMPLE: Final = (
    f"CREATE TABLE sample AS SELECT *, {_KIND} AS kind FROM "  # noqa: S608
    "(FROM lines WHERE sequence % {step} = 0) WHERE json_valid(line)"
)


# --- shapes and types, from the sample ---


class _Plan(NamedTuple):
    """Way from the lines of a kind to columns."""

    kind: int
    shape: LineShape
    by_key: bool
    """A JSON reader gives the texts of the values, which costs less than a regular expression."""


class _Sampled(NamedTuple):
    """Result of sampling. Columns have numbers for names here, which no name of a field meets."""

    columns: list[Column]
    plans: list[_Plan]
    titles: dict[str, str]
    """The columns' names in the file."""


def _sampled(engine: "duckdb.DuckDBPyConnection") -> _Sampled:
    """Choose shapes and columns by the sample."""
    rows = engine.execute(
        "SELECT kind, arg_min(line, sequence) FROM sample GROUP BY kind ORDER BY count(*) DESC, kind "  # noqa: S608
        f"LIMIT {SHAPES_MAX}"
    ).fetchall()
    found = [(kind, shape) for kind, line in rows if (shape := shape_of(line)) is not None]
    fit = zip(found, name_columns([shape for _, shape in found], COLUMNS_MAX), strict=True)
    found = sorted((one for one, shape in fit if shape is not None), key=lambda one: one[1].literals)
    named = name_columns([shape for _, shape in found], COLUMNS_MAX)  # in the same order in each file
    kept = [(kind, shape) for (kind, _), shape in zip(found, named, strict=True) if shape is not None]
    names = dict.fromkeys(value.column for _, shape in kept for value in shape.values)
    numbers = {name: f"value {number}" for number, name in enumerate(names)}
    plans = [_Plan(kind, _renamed(shape, numbers), by_key=False) for kind, shape in kept]
    columns = list(_columns(engine, plans))
    chosen = [_chosen(engine, plan, columns) for plan in plans]
    return _Sampled(columns, chosen, {number: name for name, number in numbers.items()})


def _renamed(shape: LineShape, names: Mapping[str, str]) -> LineShape:
    """Return a shape whose columns have other names."""
    return LineShape(
        shape.literals, [ShapeValue(one.keys, one.kind, names[one.column]) for one in shape.values]
    )


def _columns(engine: "duckdb.DuckDBPyConnection", plans: Sequence[_Plan]) -> Iterator[Column]:
    """Yield the columns of the shapes, each with the narrowest type that gives back all its texts."""
    values = {value.column: value for plan in plans for value in plan.shape.values}
    if not values:
        return
    engine.execute(f"CREATE TABLE sampled AS SELECT {_texts(plans)} FROM ({_matched('sample', plans)})")  # noqa: S608
    for name, value in values.items():
        sql = identifier(name)
        fits = [
            f"bool_and({sql} IS NULL OR coalesce({one.text(one.cast(sql))} = {sql}, false))"
            for one in CANDIDATES[value.kind]
        ]
        wide = f"coalesce(bool_or(abs(try_cast({sql} AS HUGEINT)) > {EXACT_MAX}), false)"
        found = joined([f"count({sql})", wide if value.kind == "number" else "false", *fits])
        count, is_wide, *fit = engine.execute(f"SELECT {found} FROM sampled").fetchone() or (0, False)  # noqa: S608
        chosen = [
            one for one, fits_all in zip(CANDIDATES[value.kind], fit, strict=False) if fits_all and count
        ]
        yield Column(name, value.keys, value.kind, chosen[0] if chosen else ColumnType(), count, is_wide)


def _chosen(engine: "duckdb.DuckDBPyConnection", plan: _Plan, columns: Iterable[Column]) -> _Plan:
    """Return the plan of a kind: by key, if this gives back all lines of the sample."""
    by_key, names = plan._replace(by_key=True), {value.column for value in plan.shape.values}
    rows = _typed(
        f"(FROM sample WHERE kind = {plan.kind})", [one for one in columns if one.name in names], [by_key]
    )
    (is_exact,) = engine.execute(f"SELECT bool_and(rebuilt = line) FROM ({rows})").fetchone() or (False,)  # noqa: S608
    return by_key if is_exact else plan


# --- from lines to columns ---


def _matched(lines: str, plans: Sequence[_Plan]) -> str:
    """Return the query that adds the texts of the values: `found_N`, a list, or a structure with `v1` and so on."""
    found = []
    for number, (kind, shape, by_key) in enumerate(plans):
        if by_key:
            texts = f"json_extract_string(object, [{joined(pointer(*one.keys) for one in shape.values)}])"
        else:
            names = joined(f"'v{place}'" for place in range(1, len(shape.values) + 1))
            texts = f"regexp_extract(line, {text_literal(shape.pattern())}, [{names}])"
        found.append(f"CASE WHEN kind = {kind} THEN {texts} END AS found_{number}")
    return f"SELECT {joined(['*', *found])} FROM {lines}"  # noqa: S608


def _texts(plans: Sequence[_Plan]) -> str:
    """Return the columns with the texts of the values; NULL where the line's shape does not have it."""
    cases: dict[str, list[str]] = {}
    for number, (kind, shape, by_key) in enumerate(plans):
        for place, value in enumerate(shape.values, 1):
            found = f"found_{number}[{place}]" if by_key else f"found_{number}.v{place}"
            cases.setdefault(value.column, []).append(f"WHEN {kind} THEN {found}")
    return joined(f"CASE kind {' '.join(case)} END AS {identifier(name)}" for name, case in cases.items())


def _typed(lines: str, columns: Sequence[Column], plans: Sequence[_Plan]) -> str:
    """Return the query that adds the typed columns, and `rebuilt`, the line that they give."""
    if not plans:
        return f"SELECT *, NULL AS rebuilt FROM {lines}"  # noqa: S608
    texts = f"SELECT sequence, line, object, kind, {_texts(plans)} FROM ({_matched(lines, plans)})"  # noqa: S608
    casts = joined(f"{one.type.cast(one.sql)} AS {one.sql}" for one in columns)
    typed = f"SELECT sequence, line, object, kind, {casts} FROM ({texts})"  # noqa: S608
    cases = zip(plans, lines_of([plan.shape for plan in plans], columns), strict=True)
    rebuilt = " ".join(f"WHEN {plan.kind} THEN {text}" for plan, text in cases)
    return f"SELECT *, CASE kind {rebuilt} END AS rebuilt FROM ({typed})"  # noqa: S608


def _copy(layout: ColumnsLayout, sampled: _Sampled, target: Path, level: int) -> str:
    """Return the statement that writes the file."""
    plans = sampled.plans
    shape = " ".join(f"WHEN {plan.kind} THEN {number}" for number, plan in enumerate(plans))
    exact = "coalesce(rebuilt = line, false)"
    shaped = f"CASE WHEN {exact} THEN CASE kind {shape} END END" if plans else "NULL"
    lines = f"(SELECT *, {_KIND} AS kind FROM lines)"  # noqa: S608
    entries = (
        f"SELECT *, {shaped}::USMALLINT AS shape, try_cast(json_extract_string(object, '/received_at') AS TIMESTAMPTZ) "  # noqa: S608
        "AS arrived, json_extract(object, '/entry') AS entry, json_extract_string(object, '/source') AS peer "
        f"FROM ({_typed(lines, sampled.columns, plans)})"
    )
    values = [
        f"CASE WHEN shape IS NOT NULL THEN {one.sql} END AS {identifier(sampled.titles[one.name])}"
        for one in sampled.columns
    ]
    selected = joined(
        [
            "sequence",
            "shape",
            "CASE WHEN shape IS NULL THEN line END AS line",
            "CASE WHEN arrived IS NOT NULL THEN entry_time(entry, arrived) END AS time",
            "level",
            "entry_sender(entry, peer) AS sender",
            *values,
        ]
    )
    metadata = text_literal(msgspec.json.encode(layout).decode())
    options = (
        f"FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL {level}, ROW_GROUP_SIZE {ROWS}, PARQUET_VERSION v2, "
        f"USE_TMP_FILE false, WRITE_BLOOM_FILTER false, KV_METADATA {{{METADATA_KEY}: {metadata}}}"
    )
    return f"COPY (SELECT {selected} FROM ({LEVELLED % entries})) TO {text_literal(str(target))} ({options})"  # noqa: S608
