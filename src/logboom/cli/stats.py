"""`logboom stats`: what each source sent."""

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from logboom.cli import options
from logboom.cli.connecting import wrong_usage
from logboom.cli.logs import filter_from, write_json
from logboom.cli.progress import entries_progress

if TYPE_CHECKING:
    from logboom.clients.counting import SourceCounts
    from logboom.journal.matching import Filter


def stats(
    *,
    data_dir: options.ReadDataDir = None,
    config: options.ConfigFile = None,
    redis: options.ReadRedis = None,
    redis_token: options.ReadRedisToken = None,
    source: options.Source = None,
    level: options.Level = None,
    since: options.Since = None,
    as_json: options.AsJson = False,
) -> None:
    """Show what each source sent: how much, of which types and levels, how fast, and when last.

    From the journal, all of it or since a time; or what stands in Redis, which has no rates. PER MINUTE is the mean
    from a source's first entry to its last; of entries that all came within a minute, their number.

    Examples:
      logboom stats

      logboom stats --since 1h

      logboom stats --redis redis://127.0.0.1:6379/0 --json

    Exit codes: 0 done, 1 there is no journal, or Redis has trouble, 2 wrong usage.
    """
    if redis:
        if level or since:
            raise typer.BadParameter("the statistics in Redis can't be narrowed by --level or --since")
        sources = _counted_in_redis(redis, redis_token, source or "")
    else:
        sources = _counted(
            options.data_dir_of(data_dir, config), filter_from(level=level, source=source, since=since)
        )
    if as_json:
        write_json([_as_json(name, counts) for name, counts in sorted(sources.items())])
    else:
        _write(sources)


def _counted(data_dir: Path, wanted: "Filter") -> "dict[str, SourceCounts]":
    from logboom.clients import counting, recent

    folder = recent.journal_folder(data_dir)
    with entries_progress() as progress:
        return counting.count_sources(folder, wanted, progress)


def _counted_in_redis(url: str, token: str | None, source: str) -> "dict[str, SourceCounts]":
    from logboom.clients import redislogs

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


def _write(sources: "dict[str, SourceCounts]") -> None:
    from logboom.clients.ansi import strip_colours
    from logboom.clients.tables import write_table

    rows = [
        (
            strip_colours(name),
            f"{counts.total:,}",
            strip_colours(_listed(counts.types)),
            strip_colours(_listed(counts.levels)),
            "" if counts.per_minute is None else f"{counts.per_minute:,.1f}",
            counts.last_seen[:19].replace("T", " "),
        )
        for name, counts in sorted(sources.items(), key=lambda pair: -pair[1].total)
    ]
    headers = ("SOURCE", "TOTAL", "TYPES", "LEVELS", "PER MINUTE", "LAST SEEN")
    write_table(sys.stdout, headers, rows, numbers=frozenset({1, 4}), wraps=frozenset({0, 2, 3}))


def _listed(counter: Counter[str]) -> str:
    return ", ".join(f"{word} {count:,}" for word, count in counter.most_common())
