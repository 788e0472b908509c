"""`logboom logs`: recent entries, from the journal, a server or Redis."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import typer

from logboom.cli import options, reading
from logboom.cli.connecting import wrong_usage
from logboom.cli.groups import grouped
from logboom.cli.speaking import answer_json
from logboom.cli.times import Span
from logboom.cli.trust import Connection
from logboom.formats.asked_times import shown_time

if TYPE_CHECKING:
    from datetime import tzinfo

    from logboom.clients.recent import Row
    from logboom.query.matching import Filter

LIMIT_DEFAULT: Final = 50

_Limit = Annotated[int, typer.Option("--limit", "-n", min=1, metavar="ENTRIES", help="The last ones.")]
_Stats = Annotated[bool, typer.Option("--stats", help="Statistics instead, as `logboom stats`.")]


@grouped
def logs(
    *,
    data_dir: options.ReadDataDir = None,
    config: options.ConfigFile = None,
    url: reading.Url = None,
    redis: options.ReadRedis = None,
    redis_token: options.ReadRedisToken = None,
    source: options.Source = None,
    level: options.Level = None,
    span: Span,
    grep: options.Grep = None,
    limit: _Limit = LIMIT_DEFAULT,
    as_json: options.AsJson = False,
    stats: _Stats = False,
    connection: Connection,
) -> None:
    """Show recent entries: the last ones of the journal, of a server, or of Redis.

    Reads the data directory, where the server need not run, and may; where there is none, asks the server at
    http://127.0.0.1:8080. Times are shown in the zone of --tz, and in UTC with --json.

    Examples:
      logboom logs

      logboom logs --source whaleon-36381824 --limit 100

      logboom logs --level error --since "2 hours ago" --json

      logboom logs --since "2026-11-30 14:00" --until "2026-11-30 15:00" --tz Europe/Berlin

      logboom logs --url http://192.168.1.10:8080 --since yesterday

      logboom logs --redis redis://127.0.0.1:6379/0 --stats

    Exit codes: 0 done, 1 there is nothing to read, or Redis or the server has trouble, 2 wrong usage,
    3 the server of --url can't be reached.
    """
    if stats:
        from logboom.cli.stats import show_stats

        show_stats(
            Wanted(data_dir, config, url, redis, redis_token),
            connection,
            source,
            level,
            span,
            as_json=as_json,
        )
        return
    words = {"level": level, "source": source, "q": grep, **span.words()}
    rows = _rows(Wanted(data_dir, config, url, redis, redis_token), connection, words, limit)
    if as_json:
        write_json([row.data for row in rows])
    else:
        _write(rows, span.zone)


class Wanted(NamedTuple):
    """The place to read from, as the options have it."""

    data_dir: str | None
    config: Path | None
    url: str | None
    redis: str | None
    redis_token: str | None


def _rows(where: Wanted, connection: Connection, words: dict[str, str | None], limit: int) -> "list[Row]":
    from logboom.clients import recent, redislogs

    wanted = filter_from(**words)
    if where.redis:
        with wrong_usage():
            asked = redislogs.connect(where.redis, where.redis_token)
        return redislogs.recent_rows(asked, wanted, limit)
    place = reading.place_of(where.url, where.data_dir, where.config, connection)
    if isinstance(place, Path):
        return recent.recent_rows(place, wanted, limit)
    return list(map(recent.row_of, reading.records_of_server(place, words, limit)))


def filter_from(**words: str | None) -> "Filter":
    """The filter of the command line's words; a wrong one ends the command."""
    from logboom.web.query import QueryError, filter_of

    try:
        return filter_of({name: word for name, word in words.items() if word})
    except QueryError as error:
        raise options.option_error(error) from None


def write_json(objects: list[dict[str, Any]]) -> None:
    """Write one JSON object per line."""
    for one in objects:
        answer_json(one)


def _write(rows: "list[Row]", zone: "tzinfo | None") -> None:
    from logboom.clients.display import is_bad, is_dubious
    from logboom.clients.tables import write_table

    cells = [
        (
            shown_time(row.time, zone),
            row.source,
            row.kind,
            row.message.replace("\n", " ⏎ "),
        )
        for row in rows
    ]
    styles = ["red" if is_bad(row.kind) else "yellow" if is_dubious(row.kind) else "" for row in rows]
    write_table(sys.stdout, ("TIME", "SOURCE", "LEVEL", "MESSAGE"), cells, styles=styles)
