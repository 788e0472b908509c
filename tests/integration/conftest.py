"""What the integration tests share."""

import os
import shutil
from collections.abc import Iterator

import pytest

from logboom.testing.redis_kit import RedisServer, redis_server


@pytest.fixture(scope="session")
def redis_binary() -> str:
    """The redis-server of this machine; without one a test is skipped, except where CI promises to have it."""
    binary = shutil.which("redis-server")
    if binary is None:
        reason = "there is no redis-server; Debian has it in the package redis-server"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return binary


@pytest.fixture(scope="session")
def shared_redis(redis_binary: str) -> Iterator[RedisServer]:
    with redis_server(redis_binary) as server:
        server.start()
        yield server
