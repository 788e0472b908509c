"""DuckDB, which writes and reads the column files, and the texts of its SQL."""

import sys
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Final

from logboom.errors import ExtraMissingError
from logboom.extras import advice, is_missing

if TYPE_CHECKING:
    import duckdb

EXTRA: Final = "archive"

READER_MEMORY_MIB: Final = 128
"""Memory of the engine that reads column files: some row groups at once."""


def text_literal(text: str) -> str:
    """Return a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def joined(parts: Iterable[str]) -> str:
    """Return the parts of a list in SQL."""
    return ", ".join(parts)


def connect(memory_mib: int) -> "duckdb.DuckDBPyConnection":
    """Return an engine of its own, with one thread, without extensions and temporary files.

    Args:
        memory_mib: most memory of its buffers.

    Raises:
        ExtraMissingError: the extra `archive` is missing.
    """
    if is_missing(EXTRA):
        raise ExtraMissingError(f"reading and writing column files: {advice(EXTRA)}")
    import duckdb  # noqa: PLC0415 - only where there are column files

    engine = duckdb.connect(
        ":memory:",
        config={
            "threads": 1,
            "enable_external_file_cache": "false",  # it would hold files by their path, here a descriptor's
            "async_threads": 0,
            "autoload_known_extensions": "false",
            "autoinstall_known_extensions": "false",
            "memory_limit": f"{memory_mib}MiB",
            "temp_directory": "",
        },
    )
    engine.execute("SET TimeZone = 'UTC'")
    return engine


@cache
def _reader() -> "duckdb.DuckDBPyConnection":
    return connect(READER_MEMORY_MIB)


def cursor() -> "duckdb.DuckDBPyConnection":
    """Return a cursor of the engine that all readers of this process share. Raises `ExtraMissingError`."""
    return _reader().cursor()


def engine_errors() -> tuple[type[Exception], ...]:
    """Return the errors of the engine; none where it is not loaded."""
    module = sys.modules.get("duckdb")
    return (module.Error,) if module else ()
