"""`logboom logs`: recent entries, or those around one, from the journal, a server or Redis."""

import sys
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import typer

from logboom.cli import options, reading
from logboom.cli.connecting import wrong_usage
from logboom.cli.connection_options import ConnectionOptions
from logboom.cli.groups import grouped
from logboom.cli.speaking import answer_json
from logboom.cli.time_options import Span, exact
from logboom.formats.asked_times import shown_time

if TYPE_CHECKING:
    from datetime import tzinfo

    from logboom.viewer.recent import LogRow

LIMIT_DEFAULT: Final = 50

WRONG_CLOCK: Final = " (wrong clock)"
"""Follows the time of an entry whose own time can't be right."""

BY_UPTIME: Final = " (by uptime)"
"""Follows a time that the entry did not give itself."""

MARK: Final = "▶"
"""Stands before the entry that `--around` names, or before the first one at or after its time."""

COLUMNS: Final = ("time", "source", "level", "message")
"""Columns of the table without `--fields`."""

_NUMBER_MAX: Final = (1 << 63) - 1

_Limit = Annotated[
    int,
    typer.Option(
        "--limit",
        "-n",
        min=1,
        metavar="ENTRIES",
        help="The last ones; with --around, as many before as after it.",
    ),
]
_Around = Annotated[
    str | None,
    typer.Option(
        metavar="TIME|NUMBER",
        help="The entries around this time, in the forms of --since, or around the entry of this sequence number, "
        "as --json and --fields sequence show it. The entry is marked. With --source, only neighbours of one sender.",
    ),
]
_Fields = Annotated[str | None, options.fields_option("time, sender, level or type, message")]
_Pager = Annotated[
    bool, typer.Option(help="On a terminal, show more than a screen with $PAGER.", show_default=True)
]
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
    around: _Around = None,
    limit: _Limit = LIMIT_DEFAULT,
    fields: _Fields = None,
    as_json: options.AsJson = False,
    pager: _Pager = True,
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

      logboom logs --around "2026-11-30 14:02" -n 20 --source pump-7

      logboom logs --fields sequence,time,temp,rh 'temp:>30'

      logboom logs --redis redis://127.0.0.1:6379/0 --stats

    Exit codes: 0 done, 1 there is nothing to read, or Redis or the server has trouble, 2 wrong usage,
    3 the server of --url can't be reached.
    """
    from logboom.viewer.recent import cell_of

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
    names = options.fields_of(fields)
    where = reading.Wanted(data_dir, config, url, redis, redis_token)
    shown = _around(where, connection, words, (around, span.tz), limit) if around else None
    if shown is None:
        shown = _Shown(_rows(where, connection, words, limit))
    if as_json:
        for row in shown.rows:
            answer_json({name: cell_of(row, name) for name in names} if names else row.data)
    else:
        _write(shown, names, span.zone, pages=pager)


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


class _Shown(NamedTuple):
    """The entries to show."""

    rows: "list[LogRow]"
    marked: int = -1
    """Index of the entry to mark; -1: none."""


def _around(
    where: reading.Wanted,
    connection: ConnectionOptions,
    words: dict[str, str | None],
    middle: tuple[str, str],
    limit: int,
) -> _Shown:
    """The entries before and from a time or a sequence number on.

    Args:
        where: to read from.
        connection: to the server.
        words: the filters.
        middle: a time or a number, and the zone of times.
        limit: entries before, and entries after.
    """
    from logboom.viewer import recent

    if where.redis or words["since"] or words["until"]:
        raise typer.BadParameter("--around: not with --redis, --since or --until")
    before, after, number = dict(words), dict(words), None
    if middle[0].isascii() and middle[0].isdigit():
        number = min(int(middle[0]), _NUMBER_MAX)
        before["before"] = str(number)
    else:
        before["until"] = after["since"] = exact("around", *middle)
    place = reading.place_of(where, connection)
    if isinstance(place, reading.Server):
        earlier = list(map(recent.row_of, reading.records_of_server(place, before, limit)))
        later = reading.records_of_server(place, after, start=number or 0)
        rows = [*earlier, *map(recent.row_of, islice(later, limit + 1))]
    else:
        before.pop("before", None)
        earlier = recent.recent_rows(place, reading.filter_from(**before), limit, end=number)
        rows = [*earlier, *recent.next_rows(place, reading.filter_from(**after), limit + 1, number or 0)]
    is_there = len(rows) > len(earlier) and number in (None, rows[len(earlier)].data["sequence"])
    return _Shown(rows, len(earlier) if is_there else -1)


def _write(shown: _Shown, fields: tuple[str, ...], zone: "tzinfo | None", *, pages: bool) -> None:
    from logboom.viewer.display import is_bad, is_dubious
    from logboom.viewer.recent import cell_of
    from logboom.viewer.tables import write_table

    def cell(row: "LogRow", field: str) -> str:
        if field == "time":
            marks = (WRONG_CLOCK if row.data.get("wrong_clock") else "") + _from(row.data.get("time_from"))
            return shown_time(row.time, zone) + marks
        return cell_of(row, field).replace("\n", " ⏎ ")

    def usual(row: "LogRow") -> tuple[str, ...]:
        return cell(row, "time"), row.source, row.kind, row.message.replace("\n", " ⏎ ")

    cells = [tuple(cell(row, field) for field in fields) if fields else usual(row) for row in shown.rows]
    headers = fields or tuple(name.upper() for name in COLUMNS)
    if shown.marked >= 0:
        headers = ("", *headers)
        cells = [(MARK if index == shown.marked else "", *row) for index, row in enumerate(cells)]
    styles = ["red" if is_bad(row.kind) else "yellow" if is_dubious(row.kind) else "" for row in shown.rows]
    write_table(sys.stdout, headers, cells, styles=styles, pages=pages)


def _from(time_from: object) -> str:
    return BY_UPTIME if time_from == "uptime" else ""
