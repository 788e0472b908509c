"""`logboom tail`: a server's entries as they come."""

import io
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Final

import typer

from logboom.cli import trust

if TYPE_CHECKING:
    from logboom.clients.live import LiveReader

EXIT_OK: Final = 0
EXIT_REFUSED: Final = 1
EXIT_NOT_CONNECTED: Final = 3
RECENT_DEFAULT: Final = 10

_Url = Annotated[str, typer.Argument(metavar="[URL]", help="The server: http://HOST:PORT or ws://HOST:PORT.")]
_Level = Annotated[str | None, typer.Option(metavar="LEVEL", help="Only this level and above.")]
_Source = Annotated[str | None, typer.Option(metavar="NAME", help="Only this sender: its name or address.")]
_Listener = Annotated[str | None, typer.Option(metavar="NAME", help="Only what came over this listener.")]
_Grep = Annotated[
    str | None, typer.Option(metavar="TEXT", help="Only entries that hold this text, in any case.")
]
_Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
_Since = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Begin there: 15m, 2h, 7d, or a time such as 2025-01-01T12:00:00."),
]
_Follow = Annotated[bool, typer.Option("--follow/--no-follow", help="Go on with what comes later.")]
_Limit = Annotated[
    int | None,
    typer.Option(
        "--limit",
        "-n",
        min=0,
        max=10_000,
        metavar="ENTRIES",
        help="Of those that are there already, the last ones.",
        show_default="10; with --since: all",
    ),
]


def tail(
    url: _Url = "http://127.0.0.1:8080",
    *,
    level: _Level = None,
    source: _Source = None,
    listener: _Listener = None,
    grep: _Grep = None,
    as_json: _Json = False,
    since: _Since = None,
    follow: _Follow = True,
    limit: _Limit = None,
    ca: trust.Ca = None,
    client_cert: trust.ClientCert = None,
    client_key: trust.ClientKey = None,
    skip_verify: trust.SkipVerify = False,
    token: trust.Token = None,
) -> None:
    """Show a server's entries: the last ones, then each as it comes, numbered, until Ctrl-C.

    Logs are green, status messages yellow, heartbeats cyan, errors red; entries of other protocols have the
    colour of their level. No colours when the output is no terminal, or with NO_COLOR.
    When the server goes away, tail waits for it, and goes on where it was: nothing is missing, nothing comes twice.

    Examples:
      logboom tail

      logboom tail ws://logs.example.com:8080 --source whaleon-36381824

      logboom tail --level error --since 2h --no-follow --json

    Exit codes: 0 done, or stopped with Ctrl-C, 1 the server refuses or is no Logboom server, 2 wrong usage,
    3 could not connect (with --no-follow; else it waits).
    """
    from logboom.clients.live import LiveReader
    from logboom.errors import ConfigError
    from logboom.formats.levels import severity

    if level and severity(level) is None:
        raise typer.BadParameter(f"--level {level!r}: expected a level such as DEBUG, INFO, WARNING or ERROR")
    words = {"level": level, "source": source, "listener": listener, "q": grep, "since": since}
    wanted = {name: word for name, word in words.items() if word}
    if limit is None and not since:
        limit = RECENT_DEFAULT
    try:
        trusted = trust.trust_of(ca, client_cert, client_key, skip_verify=skip_verify, token=token)
        reader = LiveReader(url, wanted, _say, trusted)
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from None
    trust.warn_if_exposed(reader.url, reader.trust, _say)
    if follow and sys.stderr.isatty():
        _say(f"📡 {reader.url}: listening, Ctrl+C stops")
    raise typer.Exit(_tail(reader, limit, follows=follow, as_json=as_json))


def _tail(reader: "LiveReader", limit: int | None, *, follows: bool, as_json: bool) -> int:
    from logboom.clients.live import NotReadableError
    from logboom.clients.stopping import run_until_stopped

    try:
        run_until_stopped(_show(reader, limit, follows=follows, as_json=as_json))
    except NotReadableError as error:
        _say(f"❌ {error}")
        return EXIT_REFUSED
    except BrokenPipeError:  # nobody reads on: `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        _say(f"❌ can't connect: {error}")
        return EXIT_NOT_CONNECTED
    return EXIT_OK


async def _show(reader: "LiveReader", limit: int | None, *, follows: bool, as_json: bool) -> None:
    """Print what the reader brings."""
    from logboom.clients.display import Display, read_event

    display = Display(colours=colours_wanted())
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # entries may hold what the terminal has no sign for
    async with aclosing(_portions(reader, limit, follows=follows)) as portions:
        async for portion in portions:
            lines = [entry.decode() if as_json else display.format(read_event(entry)) for entry in portion]
            sys.stdout.write("\n".join([*lines, ""]))
            sys.stdout.flush()


async def _portions(reader: "LiveReader", limit: int | None, *, follows: bool) -> AsyncGenerator[list[bytes]]:
    recent = reader.await_server(limit) if follows else reader.recent(limit)
    async with aclosing(recent) as portions:
        async for portion in portions:
            if portion:
                yield portion
    if not follows:
        return
    async with aclosing(reader.follow()) as portions:
        async for portion in portions:
            yield portion


def colours_wanted() -> bool:
    """Whether standard output is a terminal, and its user wants colours (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _say(text: str) -> None:
    typer.echo(text, err=True)
