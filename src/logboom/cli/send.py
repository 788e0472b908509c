"""`logboom send`: lines from a file or a pipe to a server, once or for as long as they come."""

import os
import re
import stat
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import typer

from logboom.cli import trust

if TYPE_CHECKING:
    from logboom.clients.delivery import Policy
    from logboom.clients.dialect import Dialect
    from logboom.clients.report import Report
    from logboom.clients.shipping import Shipper
    from logboom.clients.statefile import StateFile
    from logboom.clients.target import Target
    from logboom.clients.tls import Trust

    _Server = tuple[Dialect, Target]

EXIT_OK: Final = 0
EXIT_NOT_ACKNOWLEDGED: Final = 1
EXIT_NOT_CONNECTED: Final = 3

_File = Annotated[str, typer.Argument(metavar="FILE|-", help="The lines; - is standard input.")]
_To = Annotated[
    str, typer.Option(metavar="URL", help="The server: ws://HOST:PORT, tcp://HOST:PORT, tcp://[::1]:5000.")
]
_As = Annotated[
    str | None,
    typer.Option(
        "--as",
        metavar="PROTOCOL",
        help="ws, device, collector, gateway, capnp or grpc; needed where the URL's scheme does not tell.",
    ),
]
_Window = Annotated[int, typer.Option(min=1, help="Lines sent before their answers are awaited.")]
_AckTimeout = Annotated[
    float | None,
    typer.Option(
        min=0.001,
        metavar="SECONDS",
        help="Silence after which lines are sent again.",
        show_default="device 2, ws, collector and grpc 10, gateway and capnp 30",
    ),
]
_Retries = Annotated[int, typer.Option(min=1, help="How often a line is sent alone before it is given up.")]
_ConnectTries = Annotated[int, typer.Option(min=1, help="Tries to connect, with growing pauses.")]
_MaxWait = Annotated[
    float, typer.Option(min=0, metavar="SECONDS", help="How long one line may wait for a rate limit.")
]
_Raw = Annotated[bool, typer.Option("--raw", help="Send every line as it is; never wrap text.")]
_Progress = Annotated[bool, typer.Option(help="A progress bar, where stderr is a terminal.")]
_FOLLOWING: Final = "Following"
_Follow = Annotated[
    bool,
    typer.Option(
        "--follow", "-f", rich_help_panel=_FOLLOWING, help="Go on with what is written later, until Ctrl-C."
    ),
]
_Source = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", rich_help_panel=_FOLLOWING, help="The sender's name, for example whaleon-36381824."
    ),
]
_State = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel=_FOLLOWING,
        help="Keep the position here.",
        show_default="one for each file and server in $XDG_STATE_HOME/logboom",
    ),
]
_FromEnd = Annotated[
    bool,
    typer.Option(
        "--from-end", rich_help_panel=_FOLLOWING, help="The first time, skip what is there already."
    ),
]
_Multiline = Annotated[
    bool,
    typer.Option(
        "--multiline", rich_help_panel=_FOLLOWING, help="Send the lines of a stack trace as one message."
    ),
]
_MultilineStart = Annotated[
    str | None,
    typer.Option(
        metavar="REGEX", rich_help_panel=_FOLLOWING, help="Only lines in which this is found begin a message."
    ),
]
_Interval = Annotated[
    float,
    typer.Option(
        min=0.01,
        metavar="SECONDS",
        rich_help_panel=_FOLLOWING,
        help="Look at the file this often, beside its events.",
    ),
]
_MaxReconnects = Annotated[
    int,
    typer.Option(
        min=0, rich_help_panel=_FOLLOWING, help="Tries to connect again, with growing pauses; 0: for ever."
    ),
]
_Last = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="LINES",
        rich_help_panel=_FOLLOWING,
        help="Only send the file's last lines, as one message, whenever they change.",
    ),
]
_Trim = Annotated[
    bool,
    typer.Option("--trim", rich_help_panel=_FOLLOWING, help="With --last: rewrite the file to those lines."),
]
_StripAnsi = Annotated[
    bool, typer.Option("--strip-ansi", rich_help_panel=_FOLLOWING, help="Leave colours and the like out.")
]


def send(
    file: _File = "-",
    *,
    to: _To,
    as_: _As = None,
    window: _Window = 256,
    ack_timeout: _AckTimeout = None,
    retries: _Retries = 3,
    connect_tries: _ConnectTries = 6,
    max_wait: _MaxWait = 120.0,
    raw: _Raw = False,
    progress: _Progress = True,
    follow: _Follow = False,
    source: _Source = None,
    state: _State = None,
    from_end: _FromEnd = False,
    multiline: _Multiline = False,
    multiline_start: _MultilineStart = None,
    interval: _Interval = 2.0,
    max_reconnects: _MaxReconnects = 10,
    last: _Last = None,
    trim: _Trim = False,
    strip_ansi: _StripAnsi = False,
    ca: trust.Ca = None,
    client_cert: trust.ClientCert = None,
    client_key: trust.ClientKey = None,
    skip_verify: trust.SkipVerify = False,
    token: trust.Token = None,
) -> None:
    """Send lines to a server, and wait until it has acknowledged them.

    JSON objects go out as they are.
    Other lines are wrapped: for a collector into an INFO message, for a device server into a log entry.
    Over a WebSocket, messages go out as they are, and all other lines become messages.
    A gateway takes objects only, and never answers: its lines are only known to be sent.
    Over capnp, which has no answers either, and grpc, an object's keys become the fields of the message.
    Lines that are not acknowledged are sent again, so a server may see a line twice.

    With --follow, every line that is written goes out once, whatever happens to the file (renamed, copied and
    truncated), to the server or to this command: the position in the file is kept, and advances only when the
    server has the line. Over a WebSocket, nothing comes twice, since the server is asked before sending again.

    Exit codes:
    0 everything was acknowledged, also after Ctrl-C with --follow,
    1 a line was refused or not acknowledged,
    2 wrong usage,
    3 could not connect, or the token was refused.

    Examples:
      logboom send app.log --to tcp://127.0.0.1:9000 --as collector

      logboom send app.log --follow --to ws://127.0.0.1:8080 --multiline

      LOGBOOM_TOKEN=lb_… logboom send app.log --to grpcs://logs.example.org:9021

      logboom send nohup.out --follow --last 5 --to ws://127.0.0.1:8080 --source whaleon-36381824
    """
    from logboom.clients.delivery import Policy, exponential
    from logboom.clients.shipping import patient_policy

    server = _chosen(
        as_, to, trust.trust_of(ca, client_cert, client_key, skip_verify=skip_verify, token=token)
    )
    if follow or last:
        options = _FollowFlags(
            source, state, interval, last, multiline_start, from_end, multiline, trim, strip_ansi
        )
        policy = patient_policy(reconnects_max=max_reconnects, window=window, ack_timeout_s=ack_timeout)
        raise typer.Exit(_follow(file, server, policy, options))
    if state or from_end or multiline or multiline_start or trim or strip_ansi:
        raise typer.BadParameter("the options of the panel Following need --follow")
    policy = Policy(
        window=window,
        ack_timeout_s=ack_timeout,
        tries=retries,
        delays_s=exponential(0.25, connect_tries),
        wait_s_max=max_wait,
    )
    raise typer.Exit(_send(file, server, policy, source=source, raw=raw, progress=progress))


class _FollowFlags(NamedTuple):
    """What the command line says about following."""

    source: str | None
    state: str | None
    interval: float
    last: int | None
    multiline_start: str | None
    from_end: bool
    multiline: bool
    trim: bool
    strip_ansi: bool


def _chosen(protocol: str | None, url: str, trusted: "Trust") -> "_Server":
    from logboom.clients.dialects import choose
    from logboom.clients.lines import LineDialect
    from logboom.errors import ConfigError

    try:
        dialect, target = choose(protocol, url, trusted)
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from None
    trust.warn_if_exposed(str(target), target.trust, _say)
    if isinstance(dialect, LineDialect):
        dialect.say = _say
    return dialect, target


def _source_of(file: str) -> str:
    """The name of a sender that was given none: its file's, without the ending."""
    import socket

    name = Path(file).name.removesuffix(Path(file).suffix) if file != "-" else socket.gethostname()
    return name.encode(errors="replace").decode()


def _follow(file: str, server: "_Server", policy: "Policy", flags: _FollowFlags) -> int:
    """Follow the file until stopped, and return the exit code."""
    from logboom.clients.delivery import ConnectFailedError
    from logboom.clients.report import Report
    from logboom.clients.shipping import Shipper
    from logboom.clients.stopping import run_until_stopped

    if file == "-":
        raise typer.BadParameter("--follow needs a file; standard input is followed without it")
    dialect, target = server
    report = Report()
    source = flags.source or _source_of(file)
    shipper = Shipper(dialect, target, policy, report=report, source=source, say=_say)
    path, code, started_s = Path(file).absolute(), EXIT_NOT_ACKNOWLEDGED, time.monotonic()
    try:
        with closing(_state_file(path, str(target), flags)) as state_file:
            run_until_stopped(_follower(path, state_file, shipper, flags))
    except ConnectFailedError as error:
        report.stopped, code = str(error), EXIT_NOT_CONNECTED
    except OSError as error:
        report.stopped = f"can't follow {file}: {error}"
    report.sent -= report.unresolved  # those go out when the file is followed again
    report.seconds = time.monotonic() - started_s
    if report.stopped:
        _say(f"❌ {report.stopped}")
    _say(report.summary())
    return EXIT_OK if report.ok else code


def _state_file(path: Path, url: str, flags: _FollowFlags) -> "StateFile":
    from logboom.clients.statefile import StateFile, default_path

    return StateFile(Path(flags.state) if flags.state else default_path(path, url))


def _follower(
    path: Path, state_file: "StateFile", shipper: "Shipper", flags: _FollowFlags
) -> "Coroutine[object, object, None]":
    from logboom.clients.following import Follower, FollowOptions
    from logboom.clients.lastlines import LastLines
    from logboom.clients.multiline import Grouping

    if flags.last:
        last_lines = LastLines(
            path,
            flags.last,
            shipper,
            interval_s=flags.interval,
            trims=flags.trim,
            strips_ansi=flags.strip_ansi,
        )
        return last_lines.run()
    options = FollowOptions(
        interval_s=flags.interval,
        grouping=Grouping(joins_traces=flags.multiline, start=_pattern(flags.multiline_start)),
        strips_ansi=flags.strip_ansi,
        from_end=flags.from_end,
    )
    return Follower(path, state_file, shipper, options, _say).run()


def _pattern(text: str | None) -> "re.Pattern[bytes] | None":
    try:
        return re.compile(text.encode()) if text else None
    except re.error as error:
        raise typer.BadParameter(f"--multiline-start {text!r} is no regular expression: {error}") from None


def _say(text: str) -> None:
    typer.echo(text, err=True)


def _send(
    file: str,
    server: "_Server",
    policy: "Policy",
    *,
    source: str | None,
    raw: bool,
    progress: bool,
) -> int:
    """Do it, and return the exit code."""
    from logboom.clients.delivery import ConnectFailedError
    from logboom.clients.report import Report
    from logboom.clients.running import run
    from logboom.clients.sending import send_file
    from logboom.clients.websocket import WebSocketDialect

    dialect, target = server
    if isinstance(dialect, WebSocketDialect):
        dialect.source = source or _source_of(file)
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
        _say(f"❌ {report.stopped}")
    _say(report.summary())
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
