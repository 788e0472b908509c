"""The pages, and the services that some of them talk to."""

import os
import shutil
from collections.abc import Callable, Iterator

import pytest

from logboom.testing.postgres_kit import QUOTED, PostgresServer, find_binaries, postgres_server
from logboom.testing.redis_kit import RedisServer, redis_server


def give_up(reason: str) -> None:
    """Skip; fail where CI promises to have everything."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def redis() -> Iterator[RedisServer]:
    binary = shutil.which("redis-server")
    if binary is None:
        give_up("there is no redis-server; Debian has it in the package redis-server")
    assert binary is not None
    with redis_server(binary) as server:
        server.start()
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    binaries = find_binaries()
    if binaries is None:
        give_up("there is no PostgreSQL server; Debian has it in the package postgresql")
    assert binaries is not None
    with postgres_server(binaries) as server:
        server.start()
        yield server


@pytest.fixture(scope="session")
def postgres_words() -> dict[str, str]:
    """What pages write for a user's password."""
    return {"logboom:password@": f"logboom:{QUOTED}@"}


@pytest.fixture
def missing() -> Callable[[str], None]:
    """What a page needs is not on this machine."""
    return give_up
