"""The place that commands read entries from: a data directory, or a running server where there is none."""

from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import typer

from logboom.cli import options
from logboom.cli.connecting import EXIT_NOT_CONNECTED, api_of
from logboom.cli.speaking import say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from logboom.cli.connection_options import ConnectionOptions
    from logboom.clients.wire.http_api import HttpApi
    from logboom.journal.log import Log
    from logboom.model import Record
    from logboom.query.matching import Filter

Url = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Read from this server.",
        show_default=f"{options.URL_DEFAULT} where there is no data directory",
    ),
]
EXIT_NOTHING_TO_READ: Final = 1
"""There is neither a data directory nor a server."""


class Wanted(NamedTuple):
    """The place to read from, as the options have it."""

    data_dir: str | None
    config: Path | None
    url: str | None
    redis: str | None = None
    redis_token: str | None = None


class Server(NamedTuple):
    """A server to read from."""

    api: "HttpApi"
    is_guess: bool = False
    """True: it was not named, but is asked since there is no data directory."""


def place_of(where: Wanted, connection: "ConnectionOptions") -> "Log | Server":
    """Find where to read: a journal, or a server. Wrong words end the command.

    Raises:
        StorageError: the data directory that was named has no journal.
        ConfigError: the settings that name it are wrong.
    """
    from logboom.viewer.recent import journal_log

    if where.url and (where.data_dir or where.config):
        raise typer.BadParameter("--url and --data-dir or --config: choose one")
    if where.url:
        return Server(api_of(where.url, connection))
    folder = options.data_dir_of(where.data_dir, where.config)
    if options.data_dir_is_named(where.data_dir, where.config) or (folder / "journal").is_dir():
        return journal_log(folder)
    say(f"💬 there is no journal in {folder}: asking the server at {options.URL_DEFAULT}")
    return Server(api_of(options.URL_DEFAULT, connection), is_guess=True)


def records_of_server(
    server: Server, wanted: "Mapping[str, str | None]", limit: int | None = None, start: int = 0
) -> "Iterator[Record]":
    """A server's entries that match, oldest first: the last `limit` of them, or all. Trouble ends the command.

    Args:
        server: which one.
        wanted: the API's filters.
        limit: how many.
        start: without a limit, the first sequence.
    """
    import asyncio

    from logboom.viewer.display import read_event
    from logboom.viewer.live_reader import LiveReader

    reader = LiveReader(server.api, {name: word for name, word in wanted.items() if word}, say)
    reader.position = start - 1
    with asyncio.Runner() as runner:
        portions = reader.recent(limit)
        try:
            while (portion := runner.run(_next(portions))) is not None:
                for event in map(read_event, portion):
                    yield event.record()
        except OSError as error:
            raise not_connected(server, error) from None
        finally:
            runner.run(portions.aclose())


async def _next(portions: AsyncGenerator[list[bytes]]) -> list[bytes] | None:
    return await anext(portions, None)


def not_connected(server: Server, error: OSError) -> typer.Exit:
    """Report that a server can not be read from; return what ends the command."""
    if server.is_guess:
        say(f"❌ no server either: {error}; name a data directory with --data-dir, or a server with --url")
        return typer.Exit(EXIT_NOTHING_TO_READ)
    say(f"❌ can't read from the server: {error}")
    return typer.Exit(EXIT_NOT_CONNECTED)


def filter_from(**words: str | None) -> "Filter":
    """The filter of the command line's words; a wrong one ends the command."""
    from logboom.web.query import QueryError, filter_of

    try:
        return filter_of({name: word for name, word in words.items() if word})
    except QueryError as error:
        raise options.option_error(error) from None
