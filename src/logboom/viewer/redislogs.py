"""Entries in Redis, read back. Contract: docs/contracts/redis-layout.md."""

from collections.abc import Mapping
from typing import Final

import msgspec

from logboom.errors import ConfigError, OutputError
from logboom.formats.levels import name, severity
from logboom.formats.times import parse_time
from logboom.outputs.redis_clients import (
    NATIVE_SCHEMES,
    REST_SCHEMES,
    Client,
    is_rest,
    make_client,
    scheme,
)
from logboom.query.filter.compiler import CompiledFilter
from logboom.query.filter.parser import parse
from logboom.query.matching import Filter
from logboom.viewer.recent import LogRow
from logboom.viewer.source_counts import SourceCounts

GLOBAL: Final = "recent_logs:global"
KEEPS: Final = 1000
"""Keys that the global list has at most; those of the sources have fewer."""
_STATS: Final = "stats:"
_BATCH: Final = 200


def connect(url: str, token: str | None) -> Client:
    """A Redis, which is asked with the first call.

    Args:
        url: `redis://`, `rediss://`, `unix://`, or `https://` for the hosted service.
        token: of the hosted service.

    Raises:
        ConfigError: wrong URL, no token, or the client library is not installed.
    """
    schemes = NATIVE_SCHEMES + REST_SCHEMES
    if "://" not in url or scheme(url) not in schemes:  # the rest of it may be secret
        raise ConfigError(f"--redis: expected one of {', '.join(f'{known}://' for known in schemes)}")
    if is_rest(url) and not token:
        raise ConfigError(f"--redis {scheme(url)}:// needs --redis-token")
    try:
        return make_client(url, token or "")
    except OutputError as error:
        raise ConfigError(f"--redis: {error}") from None


def recent_rows(redis: Client, wanted: Filter, limit: int) -> list[LogRow]:
    """The newest logs that match, oldest first. Raises `OutputError`."""
    key = f"recent_logs:{wanted.source}" if wanted.source else GLOBAL
    selects = wanted.level_min is not None or bool(wanted.since or wanted.until or wanted.text)
    asked = CompiledFilter(parse(wanted.text))
    keys = redis.lrange(key, 0, (KEEPS if selects else limit) - 1)
    rows: list[LogRow] = []
    for start in range(0, len(keys), _BATCH):
        logs = [log for log in redis.hgetall(keys[start : start + _BATCH]) if log]  # expired ones are empty
        rows += [_row(log) for log in logs if _matches(log, wanted, asked)]
        if len(rows) >= limit:
            break
    return rows[:limit][::-1]


def _row(log: Mapping[str, str]) -> LogRow:
    kind = log.get("message_type", "")
    return LogRow(
        log.get("timestamp", ""), log.get("source", ""), kind, log.get("message_content", ""), dict(log)
    )


def _matches(log: Mapping[str, str], wanted: Filter, asked: CompiledFilter) -> bool:
    number = severity(log.get("message_type"))
    if wanted.level_min is not None and (number is None or number < wanted.level_min):
        return False
    entry = {"level": log.get("message_type"), "message": log.get("message_content")}
    if not asked.meets(msgspec.json.encode(entry), log.get("source", "")):
        return False
    moment = parse_time(log.get("created_at"))
    if moment is None:
        return True
    text = moment.isoformat(timespec="microseconds")
    return text >= wanted.since and (not wanted.until or text < wanted.until)


def count_sources(redis: Client, source: str = "") -> dict[str, SourceCounts]:
    """The statistics that stand in Redis, of all sources or of one. Raises `OutputError`."""
    keys = [_STATS + source] if source else redis.scan(f"{_STATS}*")
    sources: dict[str, SourceCounts] = {}
    for start in range(0, len(keys), _BATCH):
        batch = keys[start : start + _BATCH]
        for key, fields in zip(batch, redis.hgetall(batch), strict=True):
            if fields:
                sources[key.removeprefix(_STATS)] = _counts(fields)
    return sources


def _counts(fields: Mapping[str, str]) -> SourceCounts:
    counts = SourceCounts(last_seen=fields.get("last_seen", ""))
    for word, text in fields.items():
        if not str(text).isdecimal():
            continue
        if word == "total":
            counts.total = int(text)
        else:
            counts.types[word] = int(text)
            if severity(word) is not None:
                counts.levels[name(word)] = int(text)
    return counts
