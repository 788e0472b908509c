"""Inlet: the only way of a sender's batches into the journal, with the flow control of that sender.

There is one per TCP connection, WebSocket, request, call or UDP socket. Its owner puts a batch only while the inlet
has room, and otherwise stops reading, so that pressure goes back to the peer. Three things take the room away:

- the sender's own bytes in flight, submitted and not answered yet;
- a journal that is behind: more bytes of all senders wait for it than it should hold;
- the debt of the sender's address, which has sent faster than its limit, over this or any other connection.

All three are looked at **before** a batch is put. A batch that was put is stored and answered at once, so there is no
entry that is stored and waits for its answer because of a limit.
"""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from logboom.model import Batch, Receipt, Source
from logboom.pipeline.intake import Intake
from logboom.pipeline.turns import Turns

IN_FLIGHT_BYTES_MAX: Final = 2 << 20
"""Wire bytes of one sender that wait for the journal; beyond, it is not read. Enough to keep the writer busy while
the next chunk is parsed, so that one fast sender reaches the same rate as four."""


class Inlet:
    """Flow control for an owner with callbacks.

    Args:
        intake: of the listener.
        turns: where all senders wait for the journal.
        source: of the batches; may be replaced when the peer has given itself a name.
        changed: called after each receipt, and once after `wait` when there may be room again.
        bytes_max: bytes in flight from which on there is no room.
    """

    __slots__ = (
        "_changed",
        "_intake",
        "_left",
        "_turns",
        "batches_in_flight",
        "bytes_in_flight",
        "bytes_max",
        "source",
    )

    def __init__(
        self,
        intake: Intake,
        turns: Turns,
        source: Source,
        changed: Callable[[], None],
        bytes_max: int = IN_FLIGHT_BYTES_MAX,
    ) -> None:
        self.source = source
        self.bytes_max = bytes_max
        self.bytes_in_flight = 0
        """Wire bytes that were put and have no receipt yet."""
        self._intake = intake
        self._turns = turns
        self._changed = changed
        self.batches_in_flight = 0
        """Batches that were put and have no receipt yet."""
        self._left = False

    @property
    def has_room(self) -> bool:
        """True while the owner may put a batch."""
        return (
            self.bytes_in_flight < self.bytes_max
            and not self._turns.behind()
            and not self._in_debt
            and not self._is_held
        )

    @property
    def _is_held(self) -> bool:
        return self._intake.holding is not None and self._intake.holding.is_active

    @property
    def _in_debt(self) -> bool:
        return not self._left and self._intake.debts.owes(self._address)

    @property
    def _address(self) -> str:
        return self.source.address or self.source.peer

    def put(self, batch: Batch, done: Callable[[Receipt], None]) -> None:
        """Submit a batch; `done` gets its receipt. Receipts come in the order of the batches, unless one is held."""
        batch.source = self.source
        batch.received_ns = time.time_ns()
        self.batches_in_flight += 1
        self.bytes_in_flight += batch.size_bytes
        self._intake.submit(batch, partial(self._settle, done, batch.size_bytes))

    def wait(self) -> None:
        """Have `changed` called when there may be room. Idempotent."""
        if self._intake.holding is not None and self._intake.holding.is_active:
            self._intake.holding.wait(self._changed, self._turns)
        elif self.batches_in_flight:
            return  # the next receipt calls it
        elif self._in_debt:
            self._intake.debts.wait(self._address, self._changed)
        else:
            self._turns.wait(self._changed)

    def leave(self) -> None:
        """The peer has gone: what it has sent is stored without waiting for its debt, or memory would hold it.

        The owner goes on until it has put what is left.
        """
        self._left = True
        self._intake.debts.leave(self._address, self._changed)

    def close(self) -> None:
        """Wait for nothing more. Idempotent."""
        self._turns.leave(self._changed)
        if self._intake.holding is not None:
            self._intake.holding.leave(self._changed)
        self._intake.debts.leave(self._address, self._changed)

    def _settle(self, done: Callable[[Receipt], None], size_bytes: int, receipt: Receipt) -> None:
        self.batches_in_flight -= 1
        self.bytes_in_flight -= size_bytes
        done(receipt)
        self._changed()


class AwaitedInlet(Inlet):
    """Flow control for an owner that is a coroutine. Arguments as for `Inlet`; `changed` may be None."""

    __slots__ = ("_also", "_waiting")

    def __init__(
        self,
        intake: Intake,
        turns: Turns,
        source: Source,
        changed: Callable[[], None] | None = None,
        bytes_max: int = IN_FLIGHT_BYTES_MAX,
    ) -> None:
        super().__init__(intake, turns, source, self._wake, bytes_max)
        self._also = changed
        self._waiting: list[asyncio.Future[None]] = []

    async def room(self) -> None:
        """Wait until a batch may be put; it must be put before the caller waits for anything else."""
        while not self.has_room:
            if self.batches_in_flight:
                await self._change()
            elif self._is_held:
                await self._released()
            elif self._in_debt:
                await self._intake.debts.paid(self._address)
            else:
                await self._turns.room()

    async def store(self, batch: Batch) -> Receipt:
        """Wait for room, put a batch, wait for its receipt."""
        await self.room()
        receipt: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self.put(batch, lambda got: None if receipt.done() else receipt.set_result(got))
        return await receipt

    async def settled(self) -> None:
        """Wait until everything that was put has its receipt."""
        while self.batches_in_flight:
            await self._change()

    async def _released(self) -> None:
        """Wait until the intake has stored what it holds."""
        holding = self._intake.holding
        change: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if holding is not None:
            holding.wait(self._wake, self._turns)
            self._waiting.append(change)
            await change

    async def _change(self) -> None:
        change: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(change)
        await change

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for change in waiting:
            if not change.done():
                change.set_result(None)
        if self._also is not None:
            self._also()
