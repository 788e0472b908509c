"""Services that tests of several folders talk to, and how hard hypothesis tries: always the same in CI."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer

from tests.kit.forked_commands import ForkedCommands
from tests.kit.postgres_kit import find_binaries
from tests.kit.scratch import use_memory
from tests.kit.services import find_program, give_up
from tests.kit.slow_first import SlowFirst, put_slow_first

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


_COMMANDS = ForkedCommands()


def pytest_configure() -> None:
    """Fork the program's commands; each starts as an interpreter where their coverage is measured."""
    use_memory()
    if not any(name.startswith("COVERAGE_") for name in os.environ):
        _COMMANDS.install()


def pytest_unconfigure() -> None:
    """End the process that forks them."""
    _COMMANDS.remove()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put what takes long first, where several processes share the tests."""
    if hasattr(config, "workerinput"):
        put_slow_first(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> SlowFirst:
    """Distribute the tests by files, see `tests.kit.slow_first`."""
    return SlowFirst(config, log)


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
