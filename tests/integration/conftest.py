"""What the integration tests share."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from logboom.testing.postgres_kit import PostgresServer, find_binaries, postgres_server
from logboom.testing.redis_kit import RedisServer, redis_server


def _give_up(reason: str) -> NoReturn:
    """Skip; fail where CI promises to have everything."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def redis_binary() -> str:
    """The redis-server of this machine; without one a test is skipped, except where CI promises to have it."""
    binary = shutil.which("redis-server")
    if binary is None:
        _give_up("there is no redis-server; Debian has it in the package redis-server")
    return binary


@pytest.fixture(scope="session")
def shared_redis(redis_binary: str) -> Iterator[RedisServer]:
    with redis_server(redis_binary) as server:
        server.start()
        yield server


@pytest.fixture(scope="session")
def postgres_binaries() -> Path:
    """The programs of this machine's PostgreSQL server; without them, as for Redis."""
    binaries = find_binaries()
    if binaries is None:
        _give_up("there is no PostgreSQL server; Debian has it in the package postgresql")
    return binaries


@pytest.fixture(scope="session")
def shared_postgres(postgres_binaries: Path) -> Iterator[PostgresServer]:
    """A server that several tests share; it may be stopped, when it is started again."""
    with postgres_server(postgres_binaries) as server:
        server.start()
        yield server
