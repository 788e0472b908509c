"""Documents about entries that match: made from the journal, or asked for from a server where there is none."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from logboom.cli import options, reading
from logboom.cli.connection_options import ConnectionOptions
from logboom.cli.groups import OptionGroup
from logboom.cli.progress import entries_progress
from logboom.cli.speaking import say
from logboom.cli.time_options import Span
from logboom.formats.asked_times import shown_time

if TYPE_CHECKING:
    from datetime import tzinfo

    from aiohttp import ClientSession

    from logboom.journal.log import Log
    from logboom.query.matching import Filter

SILENCE_S_MAX: Final = 90.0
"""The server answers after some seconds; other searches may be before this one."""

NO_FILTERS: Final = ("limit", "seconds")
"""Parameters of the API that say nothing about which entries are wanted."""

SHARES: Final = 1000
"""Steps of the progress of a server."""

Make = Callable[["Log", "Filter", Callable[[int, int, int], object]], dict[str, Any]]
"""Makes a document of a journal; it is called with what shows its progress."""


Join = Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]
"""Joins the documents of a newer and an older part of a range."""


@dataclass(frozen=True)
class EntryOptions(OptionGroup):
    """Options about the place of the entries, and about which are wanted."""

    data_dir: options.ReadDataDir = None
    config: options.ConfigFile = None
    url: reading.Url = None
    source: options.Source = None
    level: options.Level = None
    grep: options.Grep = None

    def words(self, query: list[str] | None, span: Span, limit: int) -> dict[str, str | None]:
        """Return the API's parameters; None for one that was not given."""
        wanted = {"level": self.level, "source": self.source, "q": options.query_of(query, self.grep)}
        return {**wanted, **span.words(), "limit": str(limit)}

    @property
    def place(self) -> reading.Wanted:
        """The place to read from."""
        return reading.Wanted(self.data_dir, self.config, self.url)


def document_of(
    where: reading.Wanted,
    connection: ConnectionOptions,
    words: dict[str, str | None],
    *,
    path: str,
    make: Make,
    join: Join | None = None,
) -> dict[str, Any]:
    """Return a document. Trouble ends the command.

    Args:
        where: the journal or server.
        connection: options of the connection to a server.
        words: the API's filters.
        path: of the same document in the API.
        make: makes it of a journal.
        join: joins the parts that a server reads at a time; None: its first part is the answer.
    """
    wanted = reading.filter_from(**{name: word for name, word in words.items() if name not in NO_FILTERS})
    place = reading.place_of(where, connection)
    if not isinstance(place, reading.Server):
        with entries_progress() as progress:
            return make(place, wanted, progress)
    import asyncio

    try:
        return asyncio.run(_ask(place, path, {name: word for name, word in words.items() if word}, join))
    except OSError as error:
        raise reading.not_connected(place, error) from None


async def _ask(server: reading.Server, path: str, words: dict[str, str], join: Join | None) -> dict[str, Any]:
    """Ask a server, and go on before what it has read, as long as parts can be joined."""
    async with server.api.session(SILENCE_S_MAX) as session:
        with entries_progress() as progress:
            found = await _part(server, session, path, words)
            while join is not None and not found["complete"]:
                progress(0, int(found["progress"] * SHARES), SHARES)
                older = await _part(server, session, path, {**words, "before": str(found["before"])})
                found = join(found, older)
            return found


async def _part(
    server: reading.Server, session: "ClientSession", path: str, words: dict[str, str]
) -> dict[str, Any]:
    import msgspec

    from logboom.clients.wire.http_api import NotReadableError

    async with server.api.ask(session, path, words) as response:
        try:
            return msgspec.json.decode(await response.read(), type=dict[str, Any])
        except msgspec.DecodeError:
            raise NotReadableError(f"{server.api.url} is no Logboom server") from None


def say_reach(document: dict[str, Any], zone: "tzinfo | None") -> None:
    """Report on standard error how many entries a document is about, and whether there are older ones."""
    entries = f"{document['entries']:,} entries"
    if document["complete"]:
        say(f"{entries} read")
        return
    reached = shown_time(document["reached_at"] or "", zone)
    say(
        f"⚠️ only the newest {entries} were read, back to {reached}: choose a shorter time, or read the data directory"
    )
