"""Services that tests of several folders talk to, and how hard hypothesis tries: always the same in CI."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.kit.postgres_kit import find_binaries
from tests.kit.services import find_program, give_up

for name, examples in (("quick", 60), ("deep", 1000)):
    settings.register_profile(
        name,
        deadline=None,
        max_examples=examples,
        derandomize=bool(os.environ.get("CI")),
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile("quick")
"""`make test ARGS=--hypothesis-profile=deep` tries harder: a property test then takes up to half a minute."""


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
