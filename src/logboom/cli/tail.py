"""`logboom tail`: a server's entries as they come."""

import os
import re
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Final

import typer

from logboom.cli import options
from logboom.cli.connecting import EXIT_NOT_CONNECTED, api_of, until_nobody_reads
from logboom.cli.connection_options import ConnectionOptions
from logboom.cli.groups import grouped
from logboom.cli.speaking import json_line, say
from logboom.cli.time_options import TIME_HELP, Zone, exact

if TYPE_CHECKING:
    from logboom.viewer.display import Display
    from logboom.viewer.live_reader import LiveReader

RECENT_DEFAULT: Final = 10

_Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[URL] [QUERY]...",
        help="The server, http://HOST:PORT or ws://HOST:PORT; and which entries, as for `logboom logs`.",
    ),
]
_SERVER: Final = re.compile(
    r"[a-z]+://.*|(?:localhost|\[[0-9a-f:.]+\]|[\w-]+(?:\.[\w-]+)+)(?::\d+)?(?:/\S*)?", re.IGNORECASE
)
"""A server rather than a word of a query: a URL, or a host with a dot, with or without a port."""
_Since = Annotated[
    str | None,
    typer.Option(metavar="TIME", help=f"Begin there: {TIME_HELP}. Times are local, see --tz."),
]
_Follow = Annotated[bool, typer.Option("--follow/--no-follow", help="Go on with what comes later.")]
_Fields = Annotated[str | None, options.fields_option("the message")]
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


@grouped
def tail(
    arguments: _Words = None,
    *,
    level: options.Level = None,
    source: options.Source = None,
    listener: options.Listener = None,
    grep: options.Grep = None,
    fields: _Fields = None,
    as_json: options.AsJson = False,
    since: _Since = None,
    tz: Zone = "",
    follow: _Follow = True,
    limit: _Limit = None,
    connection: ConnectionOptions,
) -> None:
    """Show a server's entries: the last ones, then each as it comes, numbered, until Ctrl-C.

    Logs are green, status messages yellow, heartbeats cyan, errors red; entries of other protocols have the
    colour of their level. No colours when the output is no terminal, or with NO_COLOR.
    When the server goes away, tail waits for it, and goes on where it was: nothing is missing, nothing comes twice.

    Examples:
      logboom tail

      logboom tail ws://logs.example.com:8080 --source whaleon-36381824

      logboom tail 'level:>=error or "pump 2"'

      logboom tail 'temp:*' --fields temp,rh

      logboom tail --level error --since "2 hours ago" --no-follow --json

    Exit codes: 0 done, or stopped with Ctrl-C, 1 the server refuses or is no Logboom server, 2 wrong usage,
    3 could not connect (with --no-follow; else it waits).
    """
    from logboom.cli.reading import filter_from
    from logboom.viewer.display import Display
    from logboom.viewer.live_reader import LiveReader

    url, query = _server_and_query(arguments or [])
    words = {
        "level": level,
        "source": source,
        "listener": listener,
        "q": options.query_of(query, grep),
        "since": exact("since", since, tz),
    }
    filter_from(**words)  # a wrong word is reported before the server is asked
    wanted = {name: word for name, word in words.items() if word}
    if limit is None and not since:
        limit = RECENT_DEFAULT
    reader = LiveReader(api_of(url, connection), wanted, say)
    if follow and sys.stderr.isatty():
        say(f"📡 {reader.url}: listening, Ctrl+C stops")
    display = Display(colours=colours_wanted(), fields=options.fields_of(fields))
    _tail(reader, limit, follows=follow, display=None if as_json else display)


def _server_and_query(arguments: list[str]) -> tuple[str, list[str]]:
    """The server, which may stand first, and the rest."""
    if arguments and _SERVER.fullmatch(arguments[0]):
        return arguments[0], arguments[1:]
    return options.URL_DEFAULT, arguments


def _tail(reader: "LiveReader", limit: int | None, *, follows: bool, display: "Display | None") -> None:
    from logboom.cli.event_loop import run_until_stopped

    try:
        with until_nobody_reads():
            run_until_stopped(_show(reader, limit, follows=follows, display=display))
    except OSError as error:
        say(f"❌ can't connect: {error}")
        raise typer.Exit(EXIT_NOT_CONNECTED) from None


async def _show(reader: "LiveReader", limit: int | None, *, follows: bool, display: "Display | None") -> None:
    """Print what the reader brings; without a display, as JSON."""
    from logboom.viewer.display import read_event

    async with aclosing(_portions(reader, limit, follows=follows)) as portions:
        async for portion in portions:
            lines = [
                display.format(read_event(entry)) if display else json_line(entry.decode(errors="replace"))
                for entry in portion
            ]
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
    """Return whether standard output is a terminal whose user wants colours (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
