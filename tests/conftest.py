"""Services that tests of several folders talk to."""

from pathlib import Path

import pytest

from logboom.testing.postgres_kit import find_binaries
from tests.services import find_program, give_up


@pytest.fixture(scope="session")
def redis_binary() -> str:
    """The redis-server of this machine."""
    return find_program("redis-server", "redis-server")


@pytest.fixture(scope="session")
def postgres_binaries() -> Path:
    """The programs of this machine's PostgreSQL server."""
    return find_binaries() or give_up(
        "there is no PostgreSQL server; Debian has it in the package postgresql"
    )
