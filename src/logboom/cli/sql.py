"""`logboom sql`: SQL over the entries of a journal."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from logboom.cli import options, reading
from logboom.cli.connecting import EXIT_FAILED
from logboom.cli.connection_options import ConnectionOptions
from logboom.cli.groups import grouped
from logboom.cli.speaking import TerminalBytes, say
from logboom.cli.time_options import Since, Until, Zone, exact
from logboom.query.sql.sql_messages import QUERY_CHARS_MAX

LIMIT_MAX: Final = 1_000_000
ANSWER_BYTES_MAX: Final = 1 << 30
"""Size of an answer, which is in memory until it is written."""


class AnswerFormat(StrEnum):
    """Format of the output."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"


_Query = Annotated[str, typer.Argument(metavar="QUERY", help="One SELECT over `logs`, in DuckDB's SQL.")]
_Format = Annotated[
    AnswerFormat, typer.Option("--format", help="A table, one JSON object per row, CSV, or a Parquet file.")
]
_Limit = Annotated[
    int, typer.Option("--limit", "-n", min=1, max=LIMIT_MAX, metavar="ROWS", help="Rows at most.")
]
_Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write this file.", show_default="standard output"),
]


@grouped
def sql(
    query: _Query,
    *,
    since: Since = None,
    until: Until = None,
    tz: Zone = "",
    form: _Format = AnswerFormat.TABLE,
    limit: _Limit = 10_000,
    output: _Output = None,
    data_dir: options.ReadDataDir = None,
    config: options.ConfigFile = None,
    url: reading.Url = None,
    connection: ConnectionOptions,
) -> None:
    """Ask the journal in SQL: one SELECT over the table `logs`, which has a row per entry.

    Columns: sequence, time, received_at, source, sender, listener, level, severity, message, entry (JSON), and the
    fields of the entries, such as temp or "system.heap_free". `select * from (describe logs)` lists them.
    --since and --until choose the files that are read: the shorter the time, the faster the answer.

    The query runs in a process of its own, which can read the journal and nothing else.

    Examples:
      logboom sql 'select level, count(*) from logs group by 1'

      logboom sql 'select sender, avg(temp) from logs group by 1 order by 2 desc' --since 7d

      logboom sql 'select time, message from logs where severity >= 17' --format csv --output errors.csv

    Exit codes: 0 done, 1 the query is wrong or met a limit, or SQL is not available, 2 wrong usage,
    3 the server of --url can't be reached.
    """
    if len(query) > QUERY_CHARS_MAX:
        raise typer.BadParameter(f"the query has {len(query):,} characters; the limit is {QUERY_CHARS_MAX:,}")
    if form is AnswerFormat.PARQUET and output is None and sys.stdout.isatty():
        raise typer.BadParameter("a Parquet file is not for a terminal: name a file with --output")
    if form is AnswerFormat.TABLE and output is not None:
        raise typer.BadParameter("--output needs --format csv, json or parquet")
    words: dict[str, Any] = {
        "query": query,
        "since": exact("since", since, tz) or "",
        "until": exact("until", until, tz, is_end=True) or "",
        "limit": limit,
        "format": form.value if form in (AnswerFormat.CSV, AnswerFormat.PARQUET) else "json",
    }
    place = reading.place_of(reading.Wanted(data_dir, config, url), connection)
    if isinstance(place, reading.Server):
        data, is_cut = _ask_server(place, words)
    else:
        folder = options.data_dir_of(data_dir, config).absolute() / "journal"
        data, is_cut = _ask_journal(folder, words, config)
    _write(data, form, output)
    if is_cut:
        say(f"⚠️ the answer was cut at {limit:,} rows: see --limit")


def _ask_journal(folder: Path, words: dict[str, Any], config: Path | None) -> tuple[bytes, bool]:
    """Return the answer, and whether it was cut. Raises `LogboomError`."""
    from logboom.config import load
    from logboom.query.sql.sql_engine import SqlEngine
    from logboom.query.sql.sql_messages import SqlRequest

    limits = load(file=options.settings_file(config, options.warn)).sql
    engine = SqlEngine()
    try:
        request = SqlRequest(
            **words,
            folder=str(folder),
            time_s=limits.time_s_max,
            memory_bytes=limits.memory_bytes_max,
            answer_bytes=ANSWER_BYTES_MAX,
        )
        found = engine.run(request)
    finally:
        engine.close()
    return found.data, found.is_cut


def _ask_server(server: reading.Server, words: dict[str, Any]) -> tuple[bytes, bool]:
    """Return the answer, and whether it was cut. Trouble ends the command."""
    import asyncio

    try:
        return asyncio.run(_ask(server, words))
    except OSError as error:
        raise reading.not_connected(server, error) from None


async def _ask(server: reading.Server, words: dict[str, Any]) -> tuple[bytes, bool]:
    from logboom.cli.documents import SILENCE_S_MAX

    async with (
        server.api.session(SILENCE_S_MAX) as session,
        server.api.ask(session, "/api/sql", {}, "POST", body=words) as response,
    ):
        return await response.read(), response.headers.get("X-Logboom-Truncated") == "true"


def _write(data: bytes, form: AnswerFormat, output: Path | None) -> None:
    """Write the answer. A file that can't be written ends the command."""
    from logboom.cli.connecting import until_nobody_reads
    from logboom.viewer.export_file import replaced_when_done

    with until_nobody_reads():
        if form is AnswerFormat.TABLE:
            _show_table(msgspec.json.decode(data))
            return
        if form is AnswerFormat.JSON:
            data = _json_lines(msgspec.json.decode(data))
        if output is None:
            file = TerminalBytes() if sys.stdout.isatty() else sys.stdout.buffer
            file.write(data)
            file.flush()
            return
    try:
        with replaced_when_done(output) as replaced:
            replaced.write(data)
    except OSError as error:
        say(f"❌ can't write: {error.strerror or error}")
        raise typer.Exit(EXIT_FAILED) from None


def _json_lines(document: dict[str, Any]) -> bytes:
    """Return one object per row, each on a line."""
    names = [column["name"] for column in document["columns"]]
    rows = [msgspec.json.encode(dict(zip(names, row, strict=True))) for row in document["rows"]]
    return b"".join([row + b"\n" for row in rows])


def _show_table(document: dict[str, Any]) -> None:
    from logboom.viewer.tables import write_table

    columns = document["columns"]
    numbers = frozenset(place for place, column in enumerate(columns) if column["type"].startswith(_NUMBERS))
    rows = [[_cell(value) for value in row] for row in document["rows"]]
    write_table(sys.stdout, [column["name"] for column in columns], rows, numbers=numbers)


_NUMBERS: Final = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UBIGINT",
    "FLOAT",
    "DOUBLE",
    "DECIMAL",
)


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case float():
            return f"{value:.10g}"
    return msgspec.json.encode(value).decode()
