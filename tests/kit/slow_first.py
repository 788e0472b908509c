"""Distribution of tests over processes: what takes long begins first, so that no process works alone at the end."""

from typing import Final

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

LONGEST: Final = (
    "tests/integration/test_handler_endings.py",
    "tests/docs/",
    "tests/integration/test_run.py",
    "tests/integration/test_api_description.py",
    "tests/crash/",
    "tests/browser/",
    "tests/integration/test_follow.py",
    "tests/integration/test_tail.py",
    "tests/integration/test_health.py",
    "tests/integration/test_handler.py",
    "tests/integration/test_client_tokens.py",
    "tests/integration/test_originals.py",
    "tests/integration/test_http_garbage.py",
    "tests/integration/test_attacks.py",
    "tests/integration/",
    "tests/property/",
    "tests/house/",
    "tests/unit/query/",
    "tests/unit/outputs/",
)
"""Files and folders in the order in which they begin; the others follow."""

APART: Final = (
    "tests/docs/test_commands.py::test_a_page_does_what_it_says[",
    "tests/docs/test_contributing.py::test_a_page_can_be_followed[",
    "tests/crash/",
    "tests/integration/test_handler_endings.py",
    "tests/integration/test_run.py",
)
"""Tests that share nothing costly with others of their file: each may run in a process of its own."""


def rank(nodeid: str) -> int:
    """Place of a test in the order of `LONGEST`."""
    return next((place for place, start in enumerate(LONGEST) if nodeid.startswith(start)), len(LONGEST))


def put_slow_first(items: list[pytest.Item]) -> None:
    """Sort collected tests by their `rank`; those of one rank keep their order."""
    items.sort(key=lambda item: rank(item.nodeid))


class SlowFirst(LoadScopeScheduling):  # type: ignore[misc]
    """Scheduler that hands out files in the order of their collection, and tests `APART` one by one."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return nodeid if nodeid.startswith(APART) else nodeid.partition("::")[0]
