"""`logboom stats`: what each source sent."""

import sys
from collections import Counter
from typing import TYPE_CHECKING

import typer

from logboom.cli import options, reading
from logboom.cli.connecting import wrong_usage
from logboom.cli.connection_options import ConnectionOptions
from logboom.cli.groups import grouped
from logboom.cli.progress import entries_progress
from logboom.cli.speaking import answer_json
from logboom.cli.time_options import Span, TimeOf
from logboom.formats.asked_times import shown_time

if TYPE_CHECKING:
    from datetime import tzinfo

    from logboom.viewer.source_counts import SourceCounts


@grouped
def stats(
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
    as_json: options.AsJson = False,
    connection: ConnectionOptions,
) -> None:
    """Show what each source sent: how much, of which types and levels, how fast, and when last.

    From the journal, all of it or a span of time; from a server where there is no data directory, which sends every
    entry for it; or what stands in Redis, which has no rates. PER MINUTE is the mean from a source's first entry to
    its last; of entries that all came within a minute, their number.

    Examples:
      logboom stats

      logboom stats 'timeout or refused' --since "last hour"

      logboom stats --since yesterday --until yesterday --url http://192.168.1.10:8080

      logboom stats --redis redis://127.0.0.1:6379/0 --json

    Exit codes: 0 done, 1 there is nothing to read, or Redis or the server has trouble, 2 wrong usage,
    3 the server of --url can't be reached.
    """
    show_stats(
        reading.Wanted(data_dir, config, url, redis, redis_token),
        connection,
        source,
        level,
        span,
        query=options.query_of(query, grep),
        as_json=as_json,
    )


def show_stats(
    where: reading.Wanted,
    connection: ConnectionOptions,
    source: str | None,
    level: str | None,
    span: Span,
    *,
    query: str | None,
    as_json: bool,
) -> None:
    """Count, and print what was counted."""
    if where.redis:
        if level or query or span.since or span.until or span.by is not TimeOf.TIME:
            raise typer.BadParameter("the statistics in Redis can't be narrowed by level, time or a query")
        sources = _counted_in_redis(where.redis, where.redis_token, source or "")
    else:
        sources = _counted(where, connection, {"level": level, "source": source, "q": query, **span.words()})
    if as_json:
        for name, counts in sorted(sources.items()):
            answer_json(_as_json(name, counts))
    else:
        _write(sources, span.zone)


def _counted(
    where: reading.Wanted, connection: ConnectionOptions, words: dict[str, str | None]
) -> "dict[str, SourceCounts]":
    from logboom.viewer import source_counts

    wanted = reading.filter_from(**words)
    place = reading.place_of(where, connection)
    if isinstance(place, reading.Server):
        return source_counts.count_records(
            reading.records_of_server(place, words), by_arrival=wanted.by_arrival
        )
    with entries_progress() as progress:
        return source_counts.count_sources(place, wanted, progress)


def _counted_in_redis(url: str, token: str | None, source: str) -> "dict[str, SourceCounts]":
    from logboom.viewer import redislogs

    with wrong_usage():
        redis = redislogs.connect(url, token)
    return redislogs.count_sources(redis, source)


def _as_json(name: str, counts: "SourceCounts") -> dict[str, object]:
    return {
        "source": name,
        "total": counts.total,
        "types": dict(counts.types),
        "levels": dict(counts.levels),
        "per_minute": counts.per_minute,
        "first_seen": counts.first_seen,
        "last_seen": counts.last_seen,
    }


def _write(sources: "dict[str, SourceCounts]", zone: "tzinfo | None") -> None:
    from logboom.viewer.tables import write_table

    rows = [
        (
            name,
            f"{counts.total:,}",
            _listed(counts.types),
            _listed(counts.levels),
            "" if counts.per_minute is None else f"{counts.per_minute:,.1f}",
            shown_time(counts.last_seen, zone),
        )
        for name, counts in sorted(sources.items(), key=lambda pair: -pair[1].total)
    ]
    headers = ("SOURCE", "TOTAL", "TYPES", "LEVELS", "PER MINUTE", "LAST SEEN")
    write_table(sys.stdout, headers, rows, numbers=frozenset({1, 4}), wraps=frozenset({0, 2, 3}))


def _listed(counter: Counter[str]) -> str:
    return ", ".join(f"{word} {count:,}" for word, count in counter.most_common())
