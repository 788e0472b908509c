"""The pages, and the services that some of them talk to."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kit.postgres_kit import QUOTED, PostgresServer, postgres_server
from tests.kit.redis_kit import RedisServer, redis_server
from tests.kit.services import give_up


@pytest.fixture(scope="session")
def redis(redis_binary: str) -> Iterator[RedisServer]:
    with redis_server(redis_binary) as server:
        server.start()
        yield server


@pytest.fixture(scope="session")
def postgres(postgres_binaries: Path) -> Iterator[PostgresServer]:
    with postgres_server(postgres_binaries) as server:
        server.start()
        yield server


@pytest.fixture(scope="session")
def postgres_words() -> dict[str, str]:
    """The placeholder for a user's password in pages."""
    return {"logboom:password@": f"logboom:{QUOTED}@"}


@pytest.fixture
def missing() -> Callable[[str], None]:
    """This machine lacks something that a page needs."""
    return give_up
