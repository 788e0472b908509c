"""Clients for Redis: its own protocol, and the REST dialect of a hosted service. Libraries are imported when needed."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Final, cast

from logboom.errors import OutputError
from logboom.formats.redaction import place

NATIVE_SCHEMES: Final = ("redis", "rediss", "unix")
REST_SCHEMES: Final = ("https", "http")
"""`http` is for a proxy on the same machine: the token is not encrypted."""

CONNECT_TIMEOUT_S: Final = 5.0
ANSWER_TIMEOUT_S: Final = 10.0
"""A server that takes longer counts as unreachable: its answer to the request is not needed any more."""
SCAN_KEYS: Final = 200
"""Approximate number of keys per step of `Client.scan`, since Redis runs one command at a time."""


class Client(ABC):
    """Redis commands of the output and the viewer. Every call but `close` may raise `OutputError`."""

    def hget(self, key: str, field: str) -> str | None:
        """Return a field of a hash; None when it is missing."""
        found = self._execute("HGET", key, field)
        return None if found is None else str(found)

    def hset(self, key: str, field: str, value: str) -> None:
        """Set a field of a hash."""
        self._execute("HSET", key, field, value)

    def run(self, script: str, key_count: int, keys_and_arguments: list[str]) -> str:
        """Run a script that returns a text."""
        return str(self._execute("EVAL", script, str(key_count), *keys_and_arguments))

    def lrange(self, key: str, first: int, last: int) -> list[str]:
        """Return the elements of a list from `first` to `last`, inclusive."""
        found = self._execute("LRANGE", key, str(first), str(last))
        if not isinstance(found, list):
            raise OutputError(f"LRANGE returned {type(found).__name__}: this is not a Redis server")
        return found

    def hgetall(self, keys: Sequence[str]) -> list[dict[str, str]]:
        """Return the hashes of all keys in one exchange; an empty one for a missing key."""
        return cast("list[dict[str, str]]", self._execute_all([("HGETALL", key) for key in keys]))

    def scan(self, pattern: str) -> list[str]:
        """Return the matching keys, sorted."""
        found: set[str] = set()
        cursor = "0"
        while True:
            command = ("SCAN", cursor, "MATCH", pattern, "COUNT", str(SCAN_KEYS))
            moved, keys = cast("tuple[int | str, list[str]]", self._execute(*command))
            found.update(keys)
            cursor = str(moved)
            if cursor == "0":
                return sorted(found)

    @abstractmethod
    def close(self) -> None:
        """Close connections. Idempotent."""

    @abstractmethod
    def _execute(self, *command: str) -> object:
        """Run one command."""

    @abstractmethod
    def _execute_all(self, commands: Sequence[Sequence[str]]) -> list[Any]:
        """Run several commands in one exchange."""


def is_rest(url: str) -> bool:
    """Return whether `url` is for the REST dialect."""
    return scheme(url) in REST_SCHEMES


def scheme(url: str) -> str:
    """The scheme of `url`, in lower case."""
    return url.partition("://")[0].lower()


def make_client(url: str, token: str) -> Client:
    """Make a client, which connects at its first call. Raises `OutputError`."""
    return RestClient(url, token) if is_rest(url) else NativeClient(url)


class NativeClient(Client):
    """`redis://`, `rediss://`, `unix://`, by redis-py."""

    def __init__(self, url: str) -> None:
        try:
            import redis  # noqa: PLC0415 - an extra, see below
            from redis.backoff import NoBackoff  # noqa: PLC0415
            from redis.retry import Retry  # noqa: PLC0415
        except ImportError as error:
            raise _missing("redis", "redis", error) from error
        self._errors = redis.RedisError
        try:
            self._place = place(url)
            self._redis: Any = redis.Redis.from_url(
                url,
                decode_responses=True,
                socket_connect_timeout=CONNECT_TIMEOUT_S,
                socket_timeout=ANSWER_TIMEOUT_S,
                retry=Retry(NoBackoff(), 0),  # the runner retries
            )
        except (redis.RedisError, TypeError, ValueError):  # whose text may have a part of the password
            raise OutputError(
                "url: it can't be read; special characters in a password are written as %2F, %23 and so on"
            ) from None

    def close(self) -> None:
        """See `Client.close`."""
        self._redis.close()

    def _execute(self, *command: str) -> object:
        try:
            return self._redis.execute_command(*command)
        except self._errors as error:
            raise OutputError(f"{self._place}: {error}") from error

    def _execute_all(self, commands: Sequence[Sequence[str]]) -> list[Any]:
        pipeline = self._redis.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        try:
            return list(pipeline.execute())
        except self._errors as error:
            raise OutputError(f"{self._place}: {error}") from error


class RestClient(Client):
    """`https://` and a token, by the hosted service's library."""

    def __init__(self, url: str, token: str) -> None:
        try:
            import httpx  # noqa: PLC0415 - comes with the extra, see below
            from upstash_redis import Redis  # noqa: PLC0415
            from upstash_redis.errors import UpstashError  # noqa: PLC0415
        except ImportError as error:
            raise _missing("redis-rest", "upstash-redis", error) from error
        # ValueError, TypeError, LookupError, AttributeError: the answer is HTTP, but not this dialect.
        self._errors = (
            UpstashError,
            httpx.HTTPError,
            httpx.InvalidURL,
            ValueError,
            TypeError,
            LookupError,
            AttributeError,
        )
        self._place = place(url)
        self._redis: Any = Redis(url.rstrip("/"), token, rest_retries=0, allow_telemetry=False)
        # The library has no time limit, and no setting for one.
        self._redis._http._client.timeout = httpx.Timeout(  # noqa: SLF001
            ANSWER_TIMEOUT_S, connect=CONNECT_TIMEOUT_S
        )

    def close(self) -> None:
        """See `Client.close`."""
        self._redis.close()

    def _execute(self, *command: str) -> object:
        try:
            return self._redis.execute(list(command))
        except self._errors as error:
            raise OutputError(f"{self._place}: {type(error).__name__}: {error}") from error

    def _execute_all(self, commands: Sequence[Sequence[str]]) -> list[Any]:
        pipeline = self._redis.pipeline()
        for command in commands:
            pipeline.execute(list(command))
        try:
            return list(pipeline.exec())
        except self._errors as error:
            raise OutputError(f"{self._place}: {type(error).__name__}: {error}") from error


def _missing(extra: str, library: str, error: ImportError) -> OutputError:
    return OutputError(
        f"needs the library {library} ({error}); install it with: pip install 'logboom[{extra}]'"
    )
