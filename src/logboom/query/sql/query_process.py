"""The process of one SQL query: it enters its sandbox, runs the query, writes the answer into a file, and ends."""

import errno
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from logboom.journal.columns.column_engine import connect
from logboom.query.sql import sandbox
from logboom.query.sql.answer_rows import CsvRows, JsonRows
from logboom.query.sql.log_view import open_view
from logboom.query.sql.sql_messages import SqlReport, SqlRequest

if TYPE_CHECKING:
    import duckdb

THREADS: Final = 2
"""Threads of a query: the server's own need the rest of the machine."""

OVERHEAD_BYTES: Final = 1 << 30
"""Address space beyond the engine's memory: its program, stacks, and buffers that it does not count."""

ERROR_CHARS_MAX: Final = 2000

_ROWS: Final = 2048
"""Rows that are encoded at once."""


class RefusedQueryError(Exception):
    """The query is not allowed. The text is the reason."""


def run(request: SqlRequest, answer: int) -> SqlReport:
    """Run a query in this process, which is restricted for good.

    Args:
        request: the query.
        answer: descriptor of the file of the answer.
    """
    import duckdb  # noqa: PLC0415 - only the process of a query needs it

    try:
        # The engine reads files of the system when it starts, and must not have a thread yet.
        with connect(request.memory_bytes >> 20) as engine:
            _enter(request)
            _check(engine, request.query)
            view = open_view(Path(request.folder), request.end, request.since, request.until)
            _lock(engine, [*view.paths, _path_of(answer)])
            view.create(engine)
            return _answer(engine, request, answer)
    except RefusedQueryError as error:
        return SqlReport(error=str(error), is_refused=True)
    except (MemoryError, duckdb.OutOfMemoryException):
        return SqlReport(error=_OUT_OF_MEMORY)
    except duckdb.Error as error:
        return _failure(str(error))
    except OSError as error:
        if error.errno == errno.EFBIG:
            return SqlReport(error=_TOO_LARGE)
        return SqlReport(error=f"the journal can't be read: {error}")


_OUT_OF_MEMORY: Final = "the query needs more memory than `sql.memory_bytes_max` allows"
_TOO_LARGE: Final = "the answer has too many bytes: select fewer columns or rows"


def _failure(text: str) -> SqlReport:
    """Return the report of an error of the engine."""
    if "bad_alloc" in text or "allocate" in text:
        return SqlReport(error=_OUT_OF_MEMORY)
    if text.startswith("IO Error"):
        return SqlReport(error=_TOO_LARGE if "File too large" in text else _shortened(text))
    return SqlReport(error=_shortened(text), is_refused=True)


def _shortened(text: str) -> str:
    """Return an error of the engine in one line, without the picture of the place."""
    return " ".join(text.partition("\n\nLINE ")[0].split())[:ERROR_CHARS_MAX]


def _enter(request: SqlRequest) -> None:
    """Enter the sandbox. Raises `OSError`."""
    limits = sandbox.SandboxLimits(
        request.memory_bytes + OVERHEAD_BYTES,
        int(request.time_s * THREADS) + 1,
        request.answer_bytes,
    )
    sandbox.enter(Path(request.folder), limits)


def _lock(engine: "duckdb.DuckDBPyConnection", paths: Sequence[str]) -> None:
    """Let the engine open some files only, and keep its settings."""
    for setting in (
        f"threads = {THREADS}",
        "python_enable_replacements = false",
        f"allowed_paths = {list(paths)}",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        engine.execute(f"SET {setting}")


def _path_of(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"


def _check(engine: "duckdb.DuckDBPyConnection", query: str) -> None:
    """Refuse all but one SELECT. Raises `RefusedQueryError`."""
    statements = engine.extract_statements(query)
    if len(statements) != 1:
        raise RefusedQueryError(f"expected one SELECT, found {len(statements) or 'no'} statements")
    kind = statements[0].type.name
    if kind != "SELECT":
        raise RefusedQueryError(f"only SELECT is allowed, found {kind}")


def _answer(engine: "duckdb.DuckDBPyConnection", request: SqlRequest, answer: int) -> SqlReport:
    """Write the answer. Raises `duckdb.Error`, `OSError`."""
    limit = request.limit
    relation = engine.sql(request.query)
    if request.format == "parquet":
        relation.limit(limit).create_view("answer")
        options = "FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false"
        found = engine.execute(f"COPY answer TO '{_path_of(answer)}' ({options})").fetchone()
        rows = int(found[0]) if found else 0
        return SqlReport(rows=rows, is_cut=rows == limit)
    relation.limit(limit + 1).create_view("answer")
    columns = list(zip(relation.columns, map(str, relation.types), strict=True))
    result, rows = engine.execute("FROM answer"), 0
    with open(answer, "wb", closefd=False) as file:
        writer = CsvRows(file, columns) if request.format == "csv" else JsonRows(file, columns)
        while portion := result.fetchmany(_ROWS):
            writer.write(portion[: limit - rows])
            rows += len(portion)
        writer.close(is_cut=rows > limit)
    return SqlReport(rows=min(rows, limit), is_cut=rows > limit)
