"""The limit of open files, and the number of connections that it leaves for all listeners together."""

import resource
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from logboom.errors import ConfigError
from logboom.pipeline.intake import Counters

SPARE_FILES: Final = 100
"""Open files that connections do not get: for the journal, the outputs, and whatever else must be opened."""

AMPLE_FILES: Final = 4 * SPARE_FILES
"""With fewer, the spare ones are counted out: those that are open after the start, and `WORKING_FILES`."""

WORKING_FILES: Final = 16
"""Files that a running server opens later: the next segment, its index, a message to an alert's target."""

CONNECTIONS_MIN: Final = 8
"""A server that can take fewer is of no use, and would turn away clients that wait for an answer."""

OPEN_FOLDER: Final = "/proc/self/fd"


class OpenFiles:
    """Budget of open files for connections. Belongs to the event loop.

    Args:
        counters: those of all listeners.
        limit: files that the process may open; None: raise the limit as far as it goes.

    Raises:
        ConfigError: not even the start is possible with so few.
    """

    def __init__(self, counters: Callable[[], Iterable[Counters]], limit: int | None = None) -> None:
        self.limit = raise_limit() if limit is None else limit
        self.spare = SPARE_FILES if self.limit >= AMPLE_FILES else WORKING_FILES
        self._counters = counters

    @property
    def left(self) -> int:
        """Number of files left for connections; below 0 when the server opened more files than expected."""
        taken = sum(one.connections_open * one.files_each + one.shaking for one in self._counters())
        return self.limit - self.spare - taken

    def started(self) -> str:
        """Count what the server itself has open, now that all of it runs; returns a warning, or nothing.

        Raises:
            ConfigError: too few are left for connections.
        """
        if self.limit >= AMPLE_FILES:
            return ""
        self.spare = _count_open() + WORKING_FILES
        if self.left < CONNECTIONS_MIN:
            raise _too_few(self.limit, self.spare + CONNECTIONS_MIN)
        return (
            f"the process may open only {self.limit} files (`ulimit -n`): "
            f"all listeners together take {self.left} connections at most"
        )


def raise_limit() -> int:
    """Raise the limit of open files as far as it goes; returns it.

    Raises:
        ConfigError: not even the start is possible with so few.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < 2 * WORKING_FILES:
        raise _too_few(hard, 2 * WORKING_FILES + CONNECTIONS_MIN)
    return hard


def _count_open() -> int:
    try:
        return sum(1 for _ in Path(OPEN_FOLDER).iterdir()) - 1  # but for the folder itself
    except OSError:
        return SPARE_FILES


def _too_few(limit: int, needed: int) -> ConfigError:
    return ConfigError(
        f"the process may open only {limit} files, and this configuration needs {needed} at least: "
        "raise the limit with `ulimit -n`, or LimitNOFILE= of the systemd unit"
    )
