"""The destination of batches: the journal, or a way into it."""

from collections.abc import Callable
from typing import Protocol

from logboom.journal.journal import AckLevel
from logboom.model import Batch, Receipt


class Store(Protocol):
    """Part of `Journal` that an intake needs."""

    def submit(self, batch: Batch, ack: AckLevel, done: Callable[[Receipt], None]) -> None:
        """See `Journal.submit`."""
