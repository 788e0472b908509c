"""`logboom send`: lines from a file or a pipe to a server, once or for as long as they come."""

import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from logboom.cli import options
from logboom.cli.connecting import EXIT_FAILED, EXIT_NOT_CONNECTED, EXIT_OK, choose_server
from logboom.cli.connection_options import ConnectionOptions
from logboom.cli.follow_options import Following, follow_file, source_of
from logboom.cli.groups import grouped
from logboom.cli.speaking import say

if TYPE_CHECKING:
    from logboom.cli.connecting import Server
    from logboom.clients.delivery.delivery import Policy
    from logboom.clients.delivery.report import Report

_File = Annotated[str, typer.Argument(metavar="FILE|-", help="The lines; - is standard input.")]
_To = Annotated[
    str, typer.Option(metavar="URL", help="The server: ws://HOST:PORT, tcp://HOST:PORT, tcp://[::1]:5000.")
]
_AckTimeout = Annotated[
    float | None,
    typer.Option(
        min=0.001,
        metavar="SECONDS",
        help="Silence after which lines are sent again.",
        show_default="the one of the protocol: 2, 10 or 30",
    ),
]
_Retries = Annotated[int, typer.Option(min=1, help="How often a line is sent alone before it is given up.")]
_ConnectTries = Annotated[int, typer.Option(min=1, help="Tries to connect, with growing pauses.")]
_Raw = Annotated[bool, typer.Option("--raw", help="Send every line as it is; never wrap text.")]
_Progress = Annotated[bool, typer.Option(help="A progress bar, where stderr is a terminal.")]


@grouped
def send(
    file: _File = "-",
    *,
    to: _To,
    as_: options.As = None,
    window: options.Window = 256,
    ack_timeout: _AckTimeout = None,
    retries: _Retries = 3,
    connect_tries: _ConnectTries = 6,
    max_wait: options.MaxWait = 120.0,
    raw: _Raw = False,
    progress: _Progress = True,
    following: Following,
    connection: ConnectionOptions,
) -> None:
    """Send lines to a server, and wait until it has acknowledged them.

    JSON objects go out as they are.
    Other lines are wrapped: for a collector into an INFO message, for a device server into a log entry.
    Over a WebSocket, messages go out as they are, and all other lines become messages.
    A gateway takes objects only, and never answers: its lines are only known to be sent.
    Over capnp, which has no answers either, and grpc, an object's keys become the fields of the message.
    Over syslog, gelf, relp, forward and beats, level, message, source and time get their places in the protocol.
    Lines that are not acknowledged are sent again, so a server may store a line twice; not over HTTP, forward and
    beats, where what is sent again has the same key.
    Over forward, the password of the URL is the shared key, unless it is a token of Logboom.

    With --follow, every line that is written goes out once, whatever happens to the file (renamed, deleted, copied
    and truncated), to the server or to this command: what the file has is read at once into a spool on disk (1 GiB
    at most, then the file is read later), together with the position. Nothing is stored twice over a WebSocket,
    since the server is asked before sending again, and over HTTP, forward and beats, where the same lines go out again
    under the same key. Lines that are written and truncated, or deleted, between two looks at the file and are in
    no copy in its folder are lost; what is known to be lost is reported.
    A named pipe is read until Ctrl-C.

    Exit codes:
    0 everything was acknowledged, also after Ctrl-C with --follow,
    1 some line was refused or not acknowledged,
    2 wrong usage,
    3 could not connect, or the token was refused.

    Examples:
      logboom send app.log --to tcp://127.0.0.1:9000 --as collector

      logboom send app.log --follow --to ws://127.0.0.1:8080 --multiline

      LOGBOOM_TOKEN=lb_… logboom send app.log --to grpcs://logs.example.org:9021

      logboom send nohup.out --follow --last 5 --to ws://127.0.0.1:8080 --source whaleon-36381824
    """
    from logboom.clients.delivery.delivery import Policy, exponential
    from logboom.clients.delivery.shipping import patient_policy

    following.check()
    server = choose_server(as_, to, connection)
    if following.follow:
        policy = patient_policy(
            reconnects_max=following.max_reconnects, window=window, ack_timeout_s=ack_timeout
        )
        raise typer.Exit(follow_file(file, server, policy, following))
    policy = Policy(
        window=window,
        ack_timeout_s=ack_timeout,
        tries=retries,
        delays_s=exponential(0.25, connect_tries),
        wait_s_max=max_wait,
    )
    if following.last:
        raise typer.Exit(follow_file(file, server, policy, following))
    server[0].source = following.source or source_of(file)
    raise typer.Exit(_send(file, server, policy, raw=raw, progress=progress))


def _send(file: str, server: "Server", policy: "Policy", *, raw: bool, progress: bool) -> int:
    """Do it, and return the exit code."""
    from logboom.cli.event_loop import run
    from logboom.clients.delivery.report import Report
    from logboom.clients.delivery.sending import send_file
    from logboom.clients.run.runspool import deliver_left
    from logboom.clients.wire.dialect import ConnectFailedError

    dialect, target = server
    report = Report()
    code = EXIT_FAILED
    with _opened(file) as descriptor, _bar(descriptor, shown=progress) as on_window:
        read = partial(os.read, descriptor)
        try:
            if left := run(deliver_left(dialect, target, policy, report)):
                say(f"📦 {left} lines of earlier `logboom run` commands were delivered, too")
            run(send_file(read, target, dialect, policy=policy, report=report, raw=raw, on_window=on_window))
        except ConnectFailedError as error:
            report.stopped, code = str(error), EXIT_NOT_CONNECTED
        except KeyboardInterrupt:
            report.stopped = "interrupted"
        except OSError as error:
            report.stopped = f"can't read {file}: {error}"
    if report.stopped:
        say(f"❌ {report.stopped}")
    say(report.summary())
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
