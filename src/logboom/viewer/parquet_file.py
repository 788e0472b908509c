"""Entries as a Parquet file: the columns of SQL's table `logs`, for DuckDB, Polars, pandas and others."""

import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Final

from logboom.journal.columns.column_engine import connect, identifier, joined, text_literal
from logboom.journal.segments import Segment
from logboom.query.sql.entry_macros import pointer
from logboom.query.sql.log_view import open_view
from logboom.viewer.export_file import Exported

MEMORY_MIB: Final = 512

LINE_FIELDS: Final = "received_at,time,source,listener,entry"
"""Fields of lines from which the table is made: those of the journal, and the time by uptime where it applies."""


def write_parquet(
    file: IO[bytes], fields: tuple[str, ...], folder: Path, export: Callable[[IO[bytes]], Exported]
) -> Exported:
    """Write a Parquet file.

    Args:
        file: the file to write.
        fields: its columns; empty: all but the sequence.
        folder: where the lines are kept meanwhile, as many bytes as the entries have.
        export: writes the entries as JSON lines with `LINE_FIELDS`.

    Returns:
        rows, and the bytes of the file.

    Raises:
        ExtraMissingError: the extra `archive` is missing.
        OSError: the disk is full, or broken.
    """
    with closing(connect(MEMORY_MIB)) as engine, TemporaryDirectory(prefix=".export-", dir=folder) as place:
        lines, target = Segment.at(Path(place), 0), Path(place) / "export.parquet"
        with lines.path.open("wb") as plain:
            done = export(plain)
        open_view(Path(place), None, "", "").create(engine)
        known = {str(name).lower() for (name, *_) in engine.execute("DESCRIBE logs").fetchall()}
        columns = joined(_column(name, known) for name in fields) or "* EXCLUDE (sequence)"
        engine.execute(
            f"COPY (SELECT {columns} FROM logs ORDER BY sequence) TO {text_literal(str(target))} "  # noqa: S608
            "(FORMAT parquet, COMPRESSION zstd)"
        )
        with target.open("rb") as made:
            shutil.copyfileobj(made, file)
        return done._replace(bytes=target.stat().st_size)


def _column(name: str, known: set[str]) -> str:
    """Return the SQL of a column; a field that the sample of the entries did not have is read from them."""
    if name.lower() in known:
        return identifier(name)
    return f"json_extract_string(entry, {pointer(*name.split('.'))}) AS {identifier(name)}"
