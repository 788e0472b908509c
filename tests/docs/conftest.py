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
    """What pages write for a user's password."""
    return {"logboom:password@": f"logboom:{QUOTED}@"}


@pytest.fixture
def missing() -> Callable[[str], None]:
    """What a page needs is not on this machine."""
    return give_up
