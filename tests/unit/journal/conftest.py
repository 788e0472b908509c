"""What the journal's tests share."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from logboom.testing.crash_kit import Driver


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data directory that is not there yet."""
    return tmp_path / "data"


@pytest.fixture
def open_journal(data_dir: Path) -> Iterator[Callable[..., Driver]]:
    """Opens the journal of `data_dir`; what is left open is closed after the test."""
    drivers: list[Driver] = []

    def open_one(**options: Any) -> Driver:
        drivers.append(Driver(data_dir, **options))
        return drivers[-1]

    yield open_one
    for driver in drivers:
        driver.close()


@pytest.fixture
def names(data_dir: Path) -> Callable[[str], list[str]]:
    """The names of the journal's files of a kind, sorted."""
    return lambda suffix: sorted(path.name for path in (data_dir / "journal").glob(f"*{suffix}"))
