"""Contract of receivers that connect outwards, such as a subscriber of a broker."""

from typing import Protocol

from logboom.model import Batch, Receipt, Report


class Storage(Protocol):
    """Way into the journal, with flow control; `pipeline.inlet.AwaitedInlet` is the real one."""

    async def store(self, batch: Batch) -> Receipt:
        """Wait for room, submit a batch, and wait for its receipt."""


class ClientReceiver(Protocol):
    """A client that runs under supervision."""

    address: str
    """Address that it connects to, for logs and as the source of its entries."""

    async def run(self, storage: Storage, report: Report) -> None:
        """Connect, and store until cancelled. When it raises or returns, it is started again after a pause."""
