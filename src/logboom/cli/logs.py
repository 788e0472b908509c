"""`logboom logs`: recent entries, from the journal or from Redis."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from logboom.cli import options
from logboom.cli.connecting import wrong_usage

if TYPE_CHECKING:
    from logboom.clients.recent import Row
    from logboom.journal.matching import Filter

LIMIT_DEFAULT: Final = 50

_Limit = Annotated[int, typer.Option("--limit", "-n", min=1, metavar="ENTRIES", help="The last ones.")]
_Stats = Annotated[bool, typer.Option("--stats", help="Statistics instead, as `logboom stats`.")]


def logs(
    *,
    data_dir: options.ReadDataDir = None,
    config: options.ConfigFile = None,
    redis: options.ReadRedis = None,
    redis_token: options.ReadRedisToken = None,
    source: options.Source = None,
    level: options.Level = None,
    since: options.Since = None,
    grep: options.Grep = None,
    limit: _Limit = LIMIT_DEFAULT,
    as_json: options.AsJson = False,
    stats: _Stats = False,
) -> None:
    """Show recent entries: the last ones of the journal, or of Redis. The server need not run, and may.

    Examples:
      logboom logs

      logboom logs --source whaleon-36381824 --limit 100

      logboom logs --redis redis://127.0.0.1:6379/0 --stats

      logboom logs --level error --since 2h --json

    Exit codes: 0 done, 1 there is no journal, or Redis has trouble, 2 wrong usage.
    """
    if stats:
        from logboom.cli.stats import stats as show_stats

        show_stats(
            data_dir=data_dir,
            config=config,
            redis=redis,
            redis_token=redis_token,
            source=source,
            level=level,
            since=since,
            as_json=as_json,
        )
        return
    wanted = filter_from(level=level, source=source, since=since, q=grep)
    rows = _rows(lambda: options.data_dir_of(data_dir, config), redis, redis_token, wanted, limit)
    if as_json:
        write_json([row.data for row in rows])
    else:
        _write(rows)


def _rows(
    data_dir: Callable[[], Path], redis: str | None, token: str | None, wanted: "Filter", limit: int
) -> "list[Row]":
    from logboom.clients import recent, redislogs

    if redis:
        with wrong_usage():
            asked = redislogs.connect(redis, token)
        return redislogs.recent_rows(asked, wanted, limit)
    return recent.recent_rows(recent.journal_folder(data_dir()), wanted, limit)


def filter_from(**words: str | None) -> "Filter":
    """The filter of the command line's words; a wrong one ends the command."""
    from logboom.web.query import QueryError, filter_of

    try:
        return filter_of({name: word for name, word in words.items() if word})
    except QueryError as error:
        raise options.option_error(error) from None


def write_json(objects: list[dict[str, Any]]) -> None:
    """One JSON object a line."""
    import msgspec

    for one in objects:
        typer.echo(msgspec.json.encode(one).decode())


def _write(rows: "list[Row]") -> None:
    from logboom.clients.ansi import strip_colours
    from logboom.clients.display import is_bad, is_dubious
    from logboom.clients.tables import write_table

    cells = [
        (
            row.time[:19].replace("T", " "),
            strip_colours(row.source),
            strip_colours(row.kind),
            " ⏎ ".join(strip_colours(line) for line in row.message.split("\n")),
        )
        for row in rows
    ]
    styles = ["red" if is_bad(row.kind) else "yellow" if is_dubious(row.kind) else "" for row in rows]
    write_table(sys.stdout, ("TIME", "SOURCE", "LEVEL", "MESSAGE"), cells, styles=styles)
