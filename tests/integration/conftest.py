"""Fixtures of the integration tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.postgres_kit import PostgresServer, postgres_server
from tests.kit.redis_kit import RedisServer, redis_server


@pytest.fixture(scope="session")
def shared_redis(redis_binary: str) -> Iterator[RedisServer]:
    with redis_server(redis_binary) as server:
        server.start()
        yield server


@pytest.fixture(scope="session")
def shared_postgres(postgres_binaries: Path) -> Iterator[PostgresServer]:
    """A server that several tests share; it may be stopped, when it is started again."""
    with postgres_server(postgres_binaries) as server:
        server.start()
        yield server
