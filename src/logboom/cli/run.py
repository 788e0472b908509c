"""`logboom run`: a command whose output goes to a server, too."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from logboom.cli import options
from logboom.cli.connecting import choose_server
from logboom.cli.connection_options import ConnectionOptions
from logboom.cli.groups import grouped
from logboom.cli.speaking import say

if TYPE_CHECKING:
    from logboom.clients.delivery.shipping import Shipper
    from logboom.clients.delivery.spool import Spool

_Command = Annotated[list[str], typer.Argument(metavar="-- CMD…", help="The command and its arguments.")]
_To = Annotated[str, typer.Option(metavar="URL", help="The server: ws://HOST:PORT, tcp://HOST:PORT.")]
_Source = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The sender's name, for example whaleon-36381824.",
        show_default="the command's name",
    ),
]
_MaxReconnects = Annotated[int, typer.Option(min=0, help=options.MAX_RECONNECTS)]
_FlushTimeout = Annotated[
    float,
    typer.Option(
        min=0,
        metavar="SECONDS",
        help="Time after the command's end to send the rest, and what its background processes write; inf: until"
        " they end, too.",
    ),
]
_SpoolBytes = Annotated[
    int,
    typer.Option(
        min=0, metavar="BYTES", help="Room on disk for what is not delivered. 0: 16 MiB of memory instead."
    ),
]
_SpoolDir = Annotated[
    str | None,
    typer.Option(metavar="DIR", help="Where that is.", show_default="$XDG_STATE_HOME/logboom/spool"),
]
_StripAnsi = Annotated[bool, typer.Option("--strip-ansi", help="Leave colours out of what is sent.")]


@grouped
def run(
    command: _Command,
    *,
    to: _To,
    as_: options.As = None,
    source: _Source = None,
    window: options.Window = 256,
    max_reconnects: _MaxReconnects = 0,
    flush_timeout: _FlushTimeout = 10.0,
    spool_bytes: _SpoolBytes = 1 << 30,
    spool_dir: _SpoolDir = None,
    strip_ansi: _StripAnsi = False,
    connection: ConnectionOptions,
) -> None:
    """Run a command, and send what it writes to a server, line by line.

    Its output also appears here, unchanged and at once; signals go to it; its exit code is returned. What is not
    delivered yet is in a spool on disk, and survives a crash. The command waits only when that is full. What is
    not delivered when the flush time-out is over stays there: the next `logboom run` or `logboom send` to this
    server delivers it. Background processes of the command may hold its output open: what they write after the
    flush time-out is not read any more. Lines of standard error have a field "stream":"stderr". Over a WebSocket,
    a status is sent on connect, and a heartbeat every 30 seconds.

    The command writes to a pipe: many programs then write in larger pieces, unless set otherwise
    (PYTHONUNBUFFERED=1, stdbuf -oL).

    Examples:
      logboom run --to ws://127.0.0.1:8080 -- ./whaleon start --headless

      logboom run --to tcp://127.0.0.1:9000 --as collector --source nightly -- sh backup.sh

    Exit codes: the command's own, 128 + n when signal n ended it, 2 wrong usage, 126 not executable,
    127 not found.
    """
    from logboom.clients.delivery.report import Report
    from logboom.clients.delivery.shipping import Shipper, patient_policy
    from logboom.clients.run.runspool import run_spool

    dialect, target = choose_server(as_, to, connection, _say)
    policy = patient_policy(reconnects_max=max_reconnects, window=window)
    name = (source or Path(command[0]).name).encode(errors="replace").decode()
    shipper = Shipper(dialect, target, policy, report=Report(), source=name, say=_say)
    spool = run_spool(dialect, target, spool_bytes, folder=spool_dir, source=name)
    raise typer.Exit(_run(command, shipper, spool, flush_timeout_s=flush_timeout, strips_ansi=strip_ansi))


def _run(
    command: list[str], shipper: "Shipper", spool: "Spool", *, flush_timeout_s: float, strips_ansi: bool
) -> int:
    from logboom.cli.event_loop import run as run_client
    from logboom.clients.run.child import NOT_EXECUTABLE, NOT_FOUND
    from logboom.clients.run.wrapping import Wrapper

    try:
        wrapper = Wrapper(
            command, shipper, spool, flush_timeout_s=flush_timeout_s, strips_ansi=strips_ansi, say=_say
        )
    except OSError as error:
        _say(f"❌ {command[0]}: {error.strerror}")
        return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
    return run_client(wrapper.run())


def _say(text: str) -> None:
    """Write to standard error, marked, since the command's own goes there, too."""
    say(f"logboom: {text}")
