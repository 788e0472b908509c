"""`logboom export`: a part of the journal as CSV, JSON lines or Parquet."""

import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, cast

import typer

from logboom import extras
from logboom.cli import options, reading
from logboom.cli.connecting import EXIT_FAILED, EXIT_NOT_CONNECTED, until_nobody_reads
from logboom.cli.connection_options import ConnectionOptions
from logboom.cli.groups import grouped
from logboom.cli.progress import entries_progress
from logboom.cli.speaking import TerminalBytes, say
from logboom.cli.time_options import By, From, TimeOf, To, Zone, exact

if TYPE_CHECKING:
    from collections.abc import Callable

    from logboom.journal.log import Log
    from logboom.viewer.export_file import Exported, Progress
    from logboom.web.query import ExportQuery


class ExportFormat(StrEnum):
    """Format of the output."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


class Compression(StrEnum):
    """Compression of the output."""

    NONE = "none"
    GZIP = "gzip"
    ZSTD = "zstd"


_Format = Annotated[
    ExportFormat,
    typer.Option(
        "--format", help="Rows for spreadsheets, JSON lines, or columns for DuckDB, Polars and pandas."
    ),
]
_Text = Annotated[str | None, typer.Option("-q", "--grep", metavar="QUERY", help=options.GREP)]
_Fields = Annotated[
    str | None, options.fields_option("those nine; of JSON lines, the journal's own; of Parquet, all")
]
_Compress = Annotated[
    Compression | None,
    typer.Option(help="Compress the output.", show_default="by the ending of FILE: .gz or .zst"),
]
_Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="FILE", help="Write this file, once all of it is there.", show_default="-"
    ),
]


@grouped
def export(
    asked: options.Query = None,
    *,
    from_: From = None,
    to: To = None,
    by: By = TimeOf.TIME,
    tz: Zone = "",
    form: _Format = ExportFormat.CSV,
    source: options.Source = None,
    level: options.Level = None,
    listener: options.Listener = None,
    text: _Text = None,
    fields: _Fields = None,
    output: _Output = None,
    compress: _Compress = None,
    url: reading.Url = None,
    data_dir: options.ReadDataDir = None,
    config: options.ConfigFile = None,
    connection: ConnectionOptions,
) -> None:
    """Write entries as CSV, JSON lines or Parquet, oldest first: all of them, or those of a time, a level, a sender.

    Reads the data directory of --data-dir, --config or LOGBOOM_DATA_DIR, where the server need not run, and may; where
    none is named and there is no ./logboom-data, asks the server at http://127.0.0.1:8080. Standard output gets the
    data and nothing else.

    Examples:
      logboom export --from 2025-10-01 --to 2025-10-02 --output october.csv

      logboom export --format jsonl --level error --from 7d > errors.jsonl

      logboom export 'source:greenhouse* temp:>30' --fields time,source,temp --output hot.csv.gz

      logboom export level:error --from 30d --format parquet --output errors.parquet

      logboom export --source greenhouse-3 --fields received_at,temp,rh,lux --url http://192.168.1.10:8080

    Exit codes: 0 done, 1 there is no journal, the server refuses, or the file can't be written, 2 wrong usage,
    3 the server can't be reached, or went away.
    """
    words = {
        "from": exact("from", from_, tz),
        "to": exact("to", to, tz, is_end=True),
        "level": level,
        "source": source,
        "listener": listener,
        "q": options.query_of(asked, text),
        "by": None if by is TimeOf.TIME else by.value,
    }
    from logboom.viewer.parquet_file import LINE_FIELDS

    is_parquet = form is ExportFormat.PARQUET
    words["fields"] = LINE_FIELDS if is_parquet else fields
    parameters = {name: word for name, word in words.items() if word}
    query = _query(parameters)
    place = reading.place_of(reading.Wanted(data_dir, config, url), connection)
    if is_parquet:
        run = _as_parquet(_reading(place, query, ExportFormat.JSONL, parameters), fields, output)
    else:
        run = _reading(place, query, form, parameters)
    started = time.monotonic()
    kind = _compression(output, compress)
    done = _guarded(lambda: _write(output, kind, run))
    seconds = max(1e-9, time.monotonic() - started)
    say(
        f"{done.rows:,} {'row' if done.rows == 1 else 'rows'}, {done.bytes:,} bytes in {seconds:.1f} s "
        f"({done.rows / seconds:,.0f} rows/s){f' to {output}' if output else ''}"
    )


def _compression(output: Path | None, compress: Compression | None) -> str:
    """Return the kind of compression; empty for none."""
    from logboom.formats.compressing import kind_of_name

    if compress is None:
        return kind_of_name(output.name) if output else ""
    return "" if compress is Compression.NONE else compress.value


def _query(parameters: dict[str, str]) -> "ExportQuery":
    """The query of the command line's words; wrong ones end the command."""
    from logboom.web.query import QueryError, export_query

    try:
        return export_query(parameters)
    except QueryError as error:
        raise options.option_error(error) from None


def _reading(
    place: "Log | reading.Server", query: "ExportQuery", form: ExportFormat, parameters: dict[str, str]
) -> "Callable[[IO[bytes], Progress], Exported]":
    """Return the function that writes the export into a file."""
    from logboom.query.exporter import Export
    from logboom.viewer import export_file

    if not isinstance(place, reading.Server):
        made = Export(place, query.wanted, form, fields=query.fields)
        return lambda file, progress: export_file.export_journal(made, file, progress)

    import asyncio

    api = place.api
    exact = {name: word for name, word in parameters.items() if name not in {"from", "to"}}
    exact |= {
        name: word for name, word in (("since", query.wanted.since), ("until", query.wanted.until)) if word
    }
    return lambda file, progress: asyncio.run(
        export_file.export_server(api, form, exact, file, progress=progress)
    )


def _as_parquet(
    run: "Callable[[IO[bytes], Progress], Exported]", fields: str | None, output: Path | None
) -> "Callable[[IO[bytes], Progress], Exported]":
    """Return the function that writes what another one writes as the journal's lines as a Parquet file."""
    import tempfile

    from logboom.viewer.parquet_file import write_parquet

    extras.require("archive", "--format parquet")
    names = options.fields_of(fields)
    folder = Path(tempfile.gettempdir()) if output is None else output.absolute().parent
    return lambda file, progress: write_parquet(file, names, folder, lambda lines: run(lines, progress))


def _guarded(work: "Callable[[], Exported]") -> "Exported":
    """Do it; what goes wrong ends the command with its exit code."""
    try:
        with until_nobody_reads():
            return work()
    except (ConnectionError, TimeoutError) as error:
        say(f"❌ can't read from the server: {error}")
        raise typer.Exit(EXIT_NOT_CONNECTED) from None
    except OSError as error:
        say(f"❌ can't write: {error.strerror or error}")
        raise typer.Exit(EXIT_FAILED) from None


def _write(output: Path | None, kind: str, run: "Callable[[IO[bytes], Progress], Exported]") -> "Exported":
    from logboom.viewer.export_file import compressed, replaced_when_done

    to_stdout = output is None or str(output) == "-"
    if to_stdout and sys.stdout.isatty():
        if kind:
            raise typer.BadParameter("compressed data is not for a terminal: name a file with --output")
        # a bar would stand between the rows
        return run(cast("IO[bytes]", TerminalBytes()), lambda _first, _reached, _end: None)
    with entries_progress() as progress:
        if output is None or to_stdout:
            with compressed(sys.stdout.buffer, kind) as file:
                done = run(file, progress)
            sys.stdout.buffer.flush()
            return done
        with replaced_when_done(output) as whole, compressed(whole, kind) as file:
            return run(file, progress)
