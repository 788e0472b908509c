"""`logboom import`: log files of the past into a server, each line once."""

import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from logboom.cli import options
from logboom.cli.connecting import EXIT_FAILED, EXIT_OK, api_of
from logboom.cli.connection_options import ConnectionOptions
from logboom.cli.groups import grouped
from logboom.cli.speaking import say
from logboom.cli.time_options import Zone, zone_from

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from logboom.clients.importing.importer import Importer, ImportProgress

ANSWER_S_MAX: Final = 60.0
"""A server that is silent for longer is asked again."""
REASONS_SHOWN: Final = 5
"""Different reasons of refused entries that are shown per file."""

_Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE…", exists=True, dir_okay=False, readable=True, help="Log files, also packed ones."
    ),
]
_Format = Annotated[
    str,
    typer.Option("--format", metavar="NAME", help="Format of all files.", show_default="recognised per file"),
]
_Name = Annotated[
    str,
    typer.Option("--source", metavar="NAME", help="Source of the entries.", show_default="the file's name"),
]
_Again = Annotated[
    bool, typer.Option("--again", help="Read files from their start, also where they were imported before.")
]


@grouped
def import_files(
    files: _Files,
    *,
    url: Annotated[str, typer.Option(metavar="URL", help="The server.")] = options.URL_DEFAULT,
    form: _Format = "",
    tz: Zone = "",
    source: _Name = "",
    again: _Again = False,
    max_wait: options.MaxWait = 120.0,
    progress: Annotated[bool, typer.Option(help="A progress bar, where stderr is a terminal.")] = True,
    connection: ConnectionOptions,
) -> None:
    """Bring the history that is in log files into a server, each line once.

    Recognised formats: JSON lines, Docker's json-file, journalctl -o json and -o export, access and error logs of nginx
    and Apache, syslog files, logfmt, CSV with a header, and text lines that begin with a time. Files may be packed with
    gzip, zstd, xz or bzip2. Times that name no zone are of --tz.

    A run that was interrupted, by Ctrl-C, by a crash of either side or by kill -9, goes on where it was; a further run
    imports what was added. The reached position of each file is kept in $XDG_STATE_HOME/logboom/imports.
    Imported entries have the listener `import`; they raise no alert, and live views leave them out.

    Exit codes: 0 everything was imported, 1 something was not, 2 wrong usage.

    Examples:
      logboom import /var/log/nginx/access.log*

      journalctl -o export > journal.export && logboom import journal.export

      logboom import old.log.gz --format timed --tz Europe/Berlin --source boiler
    """
    import asyncio

    from logboom.clients.importing.layouts.registry import LAYOUTS

    if form and form not in LAYOUTS:
        known = ", ".join(LAYOUTS)
        raise typer.BadParameter(f"--format: found {form!r}, expected one of {known}")
    api = api_of(url, connection)
    zone = zone_from(tz)

    async def run() -> int:
        from logboom.clients.importing.importer import Importer

        with _bar(shown=progress) as on_progress:
            async with api.session(ANSWER_S_MAX) as session:
                importer = Importer(
                    api,
                    session,
                    source=source,
                    zone=zone,
                    layout=form,
                    wait_s_max=max_wait,
                    from_start=again,
                    on_progress=on_progress,
                    on_wait=lambda reason: say(f"💤 waiting for {api.url}: {reason}"),
                )
                codes = [await _import(importer, path) for path in files]
        return max(codes, default=EXIT_OK)

    try:
        raise typer.Exit(asyncio.run(run()))
    except KeyboardInterrupt:
        say("⏹️ interrupted; run the same command again to go on")
        raise typer.Exit(EXIT_FAILED) from None


async def _import(importer: "Importer", path: Path) -> int:
    """Import one file, and report it; returns the exit code."""
    from logboom.clients.importing.importer import ImportFailedError, ImportProgress

    done = ImportProgress(path)
    started = time.monotonic()
    trouble = ""
    try:
        await importer.import_file(path, done)
    except ImportFailedError as error:
        trouble = str(error)
    say(f"{'❌' if trouble else '✅'} {path}: {summary(done, time.monotonic() - started)}")
    for reason, count in done.reasons.most_common(REASONS_SHOWN):
        say(f"   {count:,} refused: {reason}")
    if trouble:
        say(f"   {trouble}")
    return EXIT_FAILED if trouble or done.refused or done.unreadable else EXIT_OK


def summary(done: "ImportProgress", seconds: float) -> str:
    """Describe what became of a file."""
    parts = [f"{done.stored:,} entries stored"]
    parts += [f"{done.duplicates:,} stored before"] if done.duplicates else []
    parts += [f"{done.refused:,} refused"] if done.refused else []
    parts += [f"{done.unreadable:,} not readable as {done.layout}"] if done.unreadable else []
    parts += (
        [f"the first {done.skipped_bytes:,} bytes imported by an earlier run"] if done.skipped_bytes else []
    )
    rate = done.stored / max(seconds, 1e-9)
    return f"{', '.join(parts)} ({done.layout or 'unknown format'}; {seconds:.1f} s, {rate:,.0f} entries/s)"


@contextmanager
def _bar(*, shown: bool) -> "Iterator[Callable[[ImportProgress], object]]":
    """Draw progress on stderr: a share of the file where its size is known, else only the number of entries."""
    if not shown or not sys.stderr.isatty():
        yield lambda _progress: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.fields[name]}"),
        BarColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, name="")

        def on_progress(done: "ImportProgress") -> None:
            bar.update(
                task,
                completed=done.offset,
                total=done.size,
                name=done.path.name,
                description=f"{done.stored:,} entries",
            )

        yield on_progress
