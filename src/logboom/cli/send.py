"""`logboom send`: lines from a file or a pipe to a server."""

import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from logboom.clients.delivery import Policy
    from logboom.clients.report import Report

EXIT_OK: Final = 0
EXIT_NOT_ACKNOWLEDGED: Final = 1
EXIT_NOT_CONNECTED: Final = 3

_File = Annotated[str, typer.Argument(metavar="FILE|-", help="The lines; - is standard input.")]
_To = Annotated[
    str, typer.Option(metavar="URL", help="The server: tcp://HOST:PORT, tcp://[::1]:5000 for IPv6.")
]
_As = Annotated[str, typer.Option("--as", metavar="PROTOCOL", help="device, collector or gateway.")]
_Window = Annotated[int, typer.Option(min=1, help="Lines sent before their answers are awaited.")]
_AckTimeout = Annotated[
    float | None,
    typer.Option(
        min=0.001,
        metavar="SECONDS",
        help="Silence after which lines are sent again.",
        show_default="device 2, collector 10, gateway 30",
    ),
]
_Retries = Annotated[int, typer.Option(min=1, help="How often a line is sent alone before it is given up.")]
_ConnectTries = Annotated[int, typer.Option(min=1, help="Tries to connect, with growing pauses.")]
_MaxWait = Annotated[
    float, typer.Option(min=0, metavar="SECONDS", help="How long one line may wait for a rate limit.")
]
_Raw = Annotated[bool, typer.Option("--raw", help="Send every line as it is; never wrap text.")]
_Progress = Annotated[bool, typer.Option(help="A progress bar, where stderr is a terminal.")]


def send(
    file: _File = "-",
    *,
    to: _To,
    as_: _As,
    window: _Window = 256,
    ack_timeout: _AckTimeout = None,
    retries: _Retries = 3,
    connect_tries: _ConnectTries = 6,
    max_wait: _MaxWait = 120.0,
    raw: _Raw = False,
    progress: _Progress = True,
) -> None:
    """Send lines to a server, and wait until it has acknowledged them.

    JSON objects go out as they are.
    Other lines are wrapped: for a collector into an INFO message, for a device server into a log entry.
    A gateway takes objects only, and never answers: its lines are only known to be sent.
    Lines that are not acknowledged are sent again, so a server may see a line twice.

    Exit codes:
    0 everything was acknowledged,
    1 a line was refused or not acknowledged,
    2 wrong usage,
    3 could not connect.

    Example: logboom send app.log --to tcp://127.0.0.1:9000 --as collector
    """
    from logboom.clients.delivery import Policy, exponential

    policy = Policy(
        window=window,
        ack_timeout_s=ack_timeout,
        tries=retries,
        delays_s=exponential(0.25, connect_tries),
        wait_s_max=max_wait,
    )
    raise typer.Exit(_send(file, as_, to, policy, raw=raw, progress=progress))


def _send(file: str, protocol: str, url: str, policy: "Policy", *, raw: bool, progress: bool) -> int:
    """Do it, and return the exit code."""
    from logboom.clients.delivery import ConnectFailedError
    from logboom.clients.dialects import choose
    from logboom.clients.report import Report
    from logboom.clients.running import run
    from logboom.clients.sending import send_file
    from logboom.errors import ConfigError

    try:
        dialect, target = choose(protocol, url)
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from None
    report = Report()
    code = EXIT_NOT_ACKNOWLEDGED
    with _opened(file) as descriptor, _bar(descriptor, shown=progress) as on_window:
        read = partial(os.read, descriptor)
        try:
            run(send_file(read, target, dialect, policy=policy, report=report, raw=raw, on_window=on_window))
        except ConnectFailedError as error:
            report.stopped, code = str(error), EXIT_NOT_CONNECTED
        except KeyboardInterrupt:
            report.stopped = "interrupted"
        except OSError as error:
            report.stopped = f"can't read {file}: {error}"
    if report.stopped:
        typer.echo(f"❌ {report.stopped}", err=True)
    typer.echo(report.summary(), err=True)
    return EXIT_OK if report.ok else code


@contextmanager
def _opened(file: str) -> Iterator[int]:
    """Open the input unbuffered: a pipe's lines are sent as they come."""
    if file == "-":
        yield sys.stdin.fileno()
        return
    try:
        descriptor = os.open(file, os.O_RDONLY)
    except OSError as error:
        raise typer.BadParameter(f"can't read {file}: {error.strerror}") from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _bar(descriptor: int, *, shown: bool) -> Iterator[Callable[["Report"], object] | None]:
    """Draw progress on stderr: by bytes for a file, whose size is known, else only the number of lines."""
    if not shown or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    status = os.fstat(descriptor)
    total = status.st_size if stat.S_ISREG(status.st_mode) else None
    columns = (BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("connecting", total=total)

        def on_window(report: "Report") -> None:
            settled = f"{report.sent - report.unresolved:,} lines, {report.refused.total():,} refused"
            bar.update(task, completed=report.bytes_read, description=settled)

        yield on_window
