"""Document 004's logs as they stand in Redis. Contract: WIRE.md, "Redis layout"."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Protocol

from logboom.clients.recent import Row, SourceCounts
from logboom.errors import ConfigError, StorageError
from logboom.formats.levels import name, severity
from logboom.formats.times import parse_time
from logboom.journal.matching import Filter

GLOBAL: Final = "recent_logs:global"
KEEPS: Final = 1000
"""Keys that the global list has at most; those of the sources have fewer."""
TIMEOUT_S: Final = 5.0
"""A Redis that takes longer is as good as away."""
_STATS: Final = "stats:"
_BATCH: Final = 200


class RedisLogs(Protocol):
    """The few commands that the viewer needs."""

    def newest(self, key: str, count: int) -> list[str]:
        """The first elements of a list."""

    def hashes(self, keys: Sequence[str]) -> list[Mapping[str, str]]:
        """One hash a key; an empty one where there is none."""

    def keys(self, prefix: str) -> list[str]:
        """The keys that begin with a prefix."""


def connect(url: str, token: str | None) -> RedisLogs:
    """Open a Redis.

    Args:
        url: `redis://`, `rediss://`, `unix://`, or `https://` for the hosted service.
        token: of the hosted service.

    Raises:
        ConfigError: wrong URL, or the client library is not installed.
    """
    scheme = url.partition("://")[0].lower()
    try:
        if scheme in ("redis", "rediss", "unix"):
            return _Native(url)
        if scheme == "https":
            return _Hosted(url, token or "")
    except ImportError as error:
        extra = "redis-rest" if scheme == "https" else "redis"
        raise ConfigError(
            f"{scheme}:// needs the package {error.name}: pip install 'logboom[{extra}]'"
        ) from None
    except ValueError:  # its text may hold a part of the password
        raise ConfigError(
            "--redis: the URL can't be read; write special characters as %2F, %23 and so on"
        ) from None
    raise ConfigError(f"--redis: found {scheme}://, expected redis://, rediss://, unix:// or https://")


class _Native:
    def __init__(self, url: str) -> None:
        import redis  # noqa: PLC0415 - an extra

        self._client: Any = redis.Redis.from_url(
            url, decode_responses=True, socket_connect_timeout=TIMEOUT_S, socket_timeout=TIMEOUT_S
        )
        self._trouble: type[Exception] = redis.RedisError

    def newest(self, key: str, count: int) -> list[str]:
        elements: list[str] = self._do(lambda: self._client.lrange(key, 0, count - 1))
        return elements

    def hashes(self, keys: Sequence[str]) -> list[Mapping[str, str]]:
        pipeline = self._client.pipeline(transaction=False)
        for key in keys:
            pipeline.hgetall(key)
        found: list[Mapping[str, str]] = self._do(pipeline.execute)
        return found

    def keys(self, prefix: str) -> list[str]:
        found: list[str] = self._do(lambda: sorted(self._client.scan_iter(match=f"{prefix}*", count=_BATCH)))
        return found

    def _do(self, command: Callable[[], Any]) -> Any:
        try:
            return command()
        except self._trouble as error:
            raise StorageError(f"Redis: {error}") from error


class _Hosted:
    def __init__(self, url: str, token: str) -> None:
        import upstash_redis  # noqa: PLC0415 - an extra

        self._client: Any = upstash_redis.Redis(url=url, token=token)

    def newest(self, key: str, count: int) -> list[str]:
        elements: list[str] = self._do(lambda: self._client.lrange(key, 0, count - 1))
        return elements

    def hashes(self, keys: Sequence[str]) -> list[Mapping[str, str]]:
        pipeline = self._client.pipeline()
        for key in keys:
            pipeline.hgetall(key)
        found: list[Mapping[str, str]] = self._do(pipeline.exec)
        return found

    def keys(self, prefix: str) -> list[str]:
        found: set[str] = set()
        cursor = 0
        while True:
            scan = partial(self._client.scan, cursor, match=f"{prefix}*", count=_BATCH)
            cursor, keys = self._do(scan)
            found.update(keys)
            if not int(cursor):
                return sorted(found)

    def _do(self, command: Callable[[], Any]) -> Any:
        try:
            return command()
        except Exception as error:  # the library raises its own and its transport's, without a common base
            raise StorageError(f"Redis: {error}") from error


def recent_rows(redis: RedisLogs, wanted: Filter, limit: int) -> list[Row]:
    """The newest logs that match, oldest first. Raises `StorageError`."""
    key = f"recent_logs:{wanted.source}" if wanted.source else GLOBAL
    selects = wanted.level_min is not None or bool(wanted.since) or bool(wanted.text)
    keys = redis.newest(key, KEEPS if selects else limit)
    rows: list[Row] = []
    for start in range(0, len(keys), _BATCH):
        logs = [log for log in redis.hashes(keys[start : start + _BATCH]) if log]  # expired ones are empty
        rows += [_row(log) for log in logs if _matches(log, wanted)]
        if len(rows) >= limit:
            break
    return rows[:limit][::-1]


def _row(log: Mapping[str, str]) -> Row:
    kind = log.get("message_type", "")
    return Row(
        log.get("timestamp", ""), log.get("source", ""), kind, log.get("message_content", ""), dict(log)
    )


def _matches(log: Mapping[str, str], wanted: Filter) -> bool:
    number = severity(log.get("message_type"))
    if wanted.level_min is not None and (number is None or number < wanted.level_min):
        return False
    if wanted.text and wanted.text.lower() not in log.get("message_content", "").lower():
        return False
    moment = parse_time(log.get("created_at"))
    return not wanted.since or moment is None or moment.isoformat(timespec="microseconds") >= wanted.since


def count_sources(redis: RedisLogs, source: str = "") -> dict[str, SourceCounts]:
    """The statistics that stand in Redis, of all sources or of one. Raises `StorageError`."""
    keys = [_STATS + source] if source else redis.keys(_STATS)
    sources: dict[str, SourceCounts] = {}
    for start in range(0, len(keys), _BATCH):
        batch = keys[start : start + _BATCH]
        for key, fields in zip(batch, redis.hashes(batch), strict=True):
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
