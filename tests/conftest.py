"""Services that tests of several folders talk to, and how hard hypothesis tries: always the same in CI."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.kit.postgres_kit import find_binaries
from tests.kit.services import find_program, give_up

settings.register_profile(
    "logboom",
    deadline=None,
    max_examples=400,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("logboom")


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
