"""`logboom logs`: recent entries, from the journal, a server or Redis."""

import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer

from logboom.cli import options, reading
from logboom.cli.connecting import wrong_usage
from logboom.cli.connection_options import ConnectionOptions
from logboom.cli.groups import grouped
from logboom.cli.speaking import answer_json
from logboom.cli.time_options import Span
from logboom.formats.asked_times import shown_time

if TYPE_CHECKING:
    from datetime import tzinfo

    from logboom.viewer.recent import LogRow

LIMIT_DEFAULT: Final = 50

WRONG_CLOCK: Final = " (wrong clock)"
"""Follows the receive time of an entry whose own time can't be right."""

_Limit = Annotated[int, typer.Option("--limit", "-n", min=1, metavar="ENTRIES", help="The last ones.")]
_Stats = Annotated[bool, typer.Option("--stats", help="Statistics instead, as `logboom stats`.")]


@grouped
def logs(
    query: options.Query = None,
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
    connection: ConnectionOptions,
) -> None:
    """Show recent entries: the last ones of the journal, of a server, or of Redis.

    Reads the data directory, where the server need not run, and may; where there is none, asks the server at
    http://127.0.0.1:8080. Times are shown in the zone of --tz, and in UTC with --json.

    Examples:
      logboom logs

      logboom logs --source whaleon-36381824 --limit 100

      logboom logs 'level:>=warning pump temp:>80 -source:test'

      logboom logs --level error --since "2 hours ago" --json

      logboom logs --since "2026-11-30 14:00" --until "2026-11-30 15:00" --tz Europe/Berlin

      logboom logs --url http://192.168.1.10:8080 --since yesterday

      logboom logs --redis redis://127.0.0.1:6379/0 --stats

    Exit codes: 0 done, 1 there is nothing to read, or Redis or the server has trouble, 2 wrong usage,
    3 the server of --url can't be reached.
    """
    query_of_line = options.query_of(query, grep)
    if stats:
        from logboom.cli.stats import show_stats

        show_stats(
            reading.Wanted(data_dir, config, url, redis, redis_token),
            connection,
            source,
            level,
            span,
            query=query_of_line,
            as_json=as_json,
        )
        return
    words = {"level": level, "source": source, "q": query_of_line, **span.words()}
    rows = _rows(reading.Wanted(data_dir, config, url, redis, redis_token), connection, words, limit)
    if as_json:
        for row in rows:
            answer_json(row.data)
    else:
        _write(rows, span.zone)


def _rows(
    where: reading.Wanted, connection: ConnectionOptions, words: dict[str, str | None], limit: int
) -> "list[LogRow]":
    from logboom.viewer import recent, redislogs

    wanted = reading.filter_from(**words)
    if where.redis:
        with wrong_usage():
            asked = redislogs.connect(where.redis, where.redis_token)
        return redislogs.recent_rows(asked, wanted, limit)
    place = reading.place_of(where, connection)
    if isinstance(place, reading.Server):
        return list(map(recent.row_of, reading.records_of_server(place, words, limit)))
    return recent.recent_rows(place, wanted, limit)


def _write(rows: "list[LogRow]", zone: "tzinfo | None") -> None:
    from logboom.viewer.display import is_bad, is_dubious
    from logboom.viewer.tables import write_table

    cells = [
        (
            shown_time(row.time, zone) + (WRONG_CLOCK if row.data.get("wrong_clock") else ""),
            row.source,
            row.kind,
            row.message.replace("\n", " ⏎ "),
        )
        for row in rows
    ]
    styles = ["red" if is_bad(row.kind) else "yellow" if is_dubious(row.kind) else "" for row in rows]
    write_table(sys.stdout, ("TIME", "SOURCE", "LEVEL", "MESSAGE"), cells, styles=styles)
