"""Following a file, as `logboom send --follow` does: its options, and what they lead to."""

import os
import re
import stat
import time
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from logboom.cli import options
from logboom.cli.connecting import EXIT_FAILED, EXIT_NOT_CONNECTED, EXIT_OK
from logboom.cli.groups import OptionGroup
from logboom.cli.speaking import say

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from logboom.cli.connecting import Server
    from logboom.clients.delivery.delivery import Policy
    from logboom.clients.delivery.shipping import Shipper
    from logboom.clients.follow.statefile import StateFile

_PANEL: Final = "Following"
_Follow = Annotated[
    bool,
    typer.Option(
        "--follow", "-f", rich_help_panel=_PANEL, help="Go on with what is written later, until Ctrl-C."
    ),
]
_Source = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", rich_help_panel=_PANEL, help="The sender's name, for example whaleon-36381824."
    ),
]
_State = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel=_PANEL,
        help="Keep the position here.",
        show_default="one for each file and server in $XDG_STATE_HOME/logboom",
    ),
]
_FromEnd = Annotated[
    bool,
    typer.Option("--from-end", rich_help_panel=_PANEL, help="The first time, skip what is there already."),
]
_Multiline = Annotated[
    bool,
    typer.Option(
        "--multiline", rich_help_panel=_PANEL, help="Send the lines of a stack trace as one message."
    ),
]
_MultilineStart = Annotated[
    str | None,
    typer.Option(
        metavar="REGEX", rich_help_panel=_PANEL, help="Only lines in which this is found begin a message."
    ),
]
_Interval = Annotated[
    float,
    typer.Option(
        min=0.01,
        metavar="SECONDS",
        rich_help_panel=_PANEL,
        help="Look at the file this often, in addition to its events.",
    ),
]
_MaxReconnects = Annotated[
    int,
    typer.Option(min=0, rich_help_panel=_PANEL, help=options.MAX_RECONNECTS),
]
_SpoolBytes = Annotated[
    int,
    typer.Option(
        min=1 << 20,
        metavar="BYTES",
        rich_help_panel=_PANEL,
        help="Room on disk for lines that were read and are not delivered; when it is full, reading pauses.",
    ),
]
_Last = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="LINES",
        rich_help_panel=_PANEL,
        help="Only send the file's last lines, as one message; with --follow, whenever they change.",
    ),
]
_Trim = Annotated[
    bool,
    typer.Option("--trim", rich_help_panel=_PANEL, help="With --last: rewrite the file to those lines."),
]
_StripAnsi = Annotated[
    bool, typer.Option("--strip-ansi", rich_help_panel=_PANEL, help="Leave colours and the like out.")
]


@dataclass(frozen=True)
class Following(OptionGroup):
    """Options of following, from the command line."""

    follow: _Follow = False
    source: _Source = None
    state: _State = None
    from_end: _FromEnd = False
    multiline: _Multiline = False
    multiline_start: _MultilineStart = None
    interval: _Interval = 2.0
    max_reconnects: _MaxReconnects = 10
    spool_bytes: _SpoolBytes = 1 << 30
    last: _Last = None
    trim: _Trim = False
    strip_ansi: _StripAnsi = False

    @property
    def wanted(self) -> bool:
        """True when the file is followed, or its last lines are wanted, rather than all of it once."""
        return self.follow or bool(self.last)

    def check(self) -> None:
        """End the command when there are options that only mean something when following."""
        given = [self.state, self.from_end, self.multiline, self.multiline_start]
        if not self.last:
            given += [self.trim, self.strip_ansi]
        if not self.follow and any(given):
            raise typer.BadParameter("the options of the panel Following need --follow")
        if self.trim and not self.last:
            raise typer.BadParameter("--trim needs --last")


def source_of(file: str) -> str:
    """The name of a sender that was given none: its file's, without the ending."""
    import socket

    name = Path(file).name.removesuffix(Path(file).suffix) if file != "-" else socket.gethostname()
    return name.encode(errors="replace").decode()


def follow_file(file: str, server: "Server", policy: "Policy", following: Following) -> int:
    """Follow the file until stopped, and return the exit code."""
    from logboom.cli.event_loop import run_until_stopped
    from logboom.clients.delivery.report import Report
    from logboom.clients.delivery.shipping import Shipper
    from logboom.clients.wire.dialect import ConnectFailedError

    path = _checked(file, following)
    dialect, target = server
    report = Report()
    source = following.source or source_of(file)
    shipper = Shipper(dialect, target, policy, report=report, source=source, say=say)
    code, started_s = EXIT_FAILED, time.monotonic()
    try:
        with closing(_state_file(path, str(target), following)) as state_file:
            run_until_stopped(_follower(path, state_file, shipper, following))
    except ConnectFailedError as error:
        report.stopped, code = str(error), EXIT_NOT_CONNECTED
    except OSError as error:
        report.stopped = f"can't follow {file}: {error}"
    report.sent -= report.unresolved  # those go out when the file is followed again
    report.seconds = time.monotonic() - started_s
    if report.stopped:
        say(f"❌ {report.stopped}")
    say(report.summary())
    return EXIT_OK if report.ok else code


def _checked(file: str, following: Following) -> Path:
    """The path to follow. One that can't be followed ends the command."""
    if file == "-":
        raise typer.BadParameter("--follow needs a file; standard input is followed without it")
    path = Path(file).absolute()
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise typer.BadParameter(f"{file} is a directory; name a file in it")
        if stat.S_ISSOCK(mode):
            raise typer.BadParameter(f"{file} is a socket, which can't be read")
        if stat.S_ISREG(mode):
            os.close(os.open(path, os.O_RDONLY))
            return Path(os.path.realpath(path)) if _is_descriptor(path) else path
    except FileNotFoundError:
        return path  # it may come later
    except OSError as error:
        raise typer.BadParameter(f"can't read {file}: {error.strerror}") from None
    if following.last or following.multiline or following.multiline_start or following.from_end:
        raise typer.BadParameter(
            f"{file} is a pipe or a terminal; its lines are sent as they come, one by one"
        )
    return path


def _is_descriptor(path: Path) -> bool:
    """True for /dev/stdin and its like, whose meaning differs from process to process."""
    return "/proc/" in os.path.realpath(path.parent) or path.parts[:2] == ("/", "dev")


def _state_file(path: Path, url: str, following: Following) -> "StateFile":
    from logboom.clients.follow.statefile import StateFile, default_path

    return StateFile(Path(following.state) if following.state else default_path(path, url))


def _follower(
    path: Path, state_file: "StateFile", shipper: "Shipper", following: Following
) -> "Coroutine[object, object, None]":
    from logboom.clients.follow.file_follower import FileFollower, FollowOptions
    from logboom.clients.follow.lastlines import LastLines
    from logboom.clients.follow.multiline import Grouping

    if following.last:
        last_lines = LastLines(
            path,
            following.last,
            shipper,
            interval_s=following.interval,
            trims=following.trim,
            strips_ansi=following.strip_ansi,
            follows=following.follow,
        )
        return last_lines.run()
    if path.exists() and not path.is_file():
        return _stream(path, state_file, shipper, following)
    options = FollowOptions(
        interval_s=following.interval,
        grouping=Grouping(joins_traces=following.multiline, start=_pattern(following.multiline_start)),
        strips_ansi=following.strip_ansi,
        from_end=following.from_end,
        spool_bytes_max=following.spool_bytes,
    )
    return FileFollower(path, state_file, shipper, options, say).run()


async def _stream(path: Path, state_file: "StateFile", shipper: "Shipper", following: Following) -> None:
    """Follow a pipe or a terminal."""
    from logboom.clients.follow.stream_follower import StreamFollower, spool_for

    descriptor = os.open(path, os.O_RDWR if _is_named_pipe(path) else os.O_RDONLY)
    try:
        spool = spool_for(state_file, shipper.source, following.spool_bytes)
        read = partial(os.read, descriptor)
        await StreamFollower(read, spool, shipper, strips_ansi=following.strip_ansi, say=say).run()
    finally:
        os.close(descriptor)


def _is_named_pipe(path: Path) -> bool:
    """True for a pipe that has a name of its own. It stays open when its writer closes it: another may come."""
    return path.is_fifo() and Path(os.path.realpath(path)).exists()


def _pattern(text: str | None) -> "re.Pattern[bytes] | None":
    try:
        return re.compile(text.encode()) if text else None
    except re.error as error:
        raise typer.BadParameter(f"--multiline-start {text!r} is no regular expression: {error}") from None
