"""Batches that could not be stored, of senders that cannot be refused: they are kept, and stored later.

Syslog, GELF, sensor gateways and Cap'n Proto have no answers: what is refused is lost. Their listeners keep what
the journal could not store, and read nothing more until it is stored; meanwhile the senders queue, or the kernel's
buffer for datagrams fills.

The memory is bounded without a limit of its own: what is kept was on its way to the journal when it failed
(`inlet.IN_FLIGHT_BYTES_MAX` per sender, and `Turns` over all of them), and nothing is added while anything is kept.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

from logboom.model import Batch, Receipt, Report, Verdict
from logboom.pipeline.turns import Turns

RETRY_S: Final = 0.5
"""Time between two attempts to store what is kept, seconds."""


class _Held(NamedTuple):
    batch: Batch
    settle: Callable[[Receipt], None]


class Holding:
    """The kept batches of one listener. Belongs to the event loop.

    Args:
        store: submits a batch to the journal.
        report: the operational log.
    """

    def __init__(self, store: Callable[[Batch, Callable[[Receipt], None]], None], report: Report) -> None:
        self._store = store
        self._report = report
        self._held: deque[_Held] = deque()
        self._waiting: dict[Callable[[], None], Turns] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._kept = 0  # entries since the journal failed
        self._trying = 0  # kept batches that are on their way to the journal again

    @property
    def is_active(self) -> bool:
        """True while anything is kept: nothing more is to be read."""
        return bool(self._held or self._trying)

    @property
    def entries(self) -> int:
        """Entries that are kept."""
        return sum(one.batch.count for one in self._held)

    def submit(self, batch: Batch, settle: Callable[[Receipt], None]) -> None:
        """Store a batch, however long it takes; `settle` gets its receipt."""
        held = _Held(batch, settle)
        if self._held:
            self._keep(held)
        else:
            self._store(batch, partial(self._settle, held))

    def wait(self, wake: Callable[[], None], turns: Turns) -> None:
        """Let `wake` have its turn once everything is stored. Idempotent."""
        self._waiting[wake] = turns

    def leave(self, wake: Callable[[], None]) -> None:
        """Do not call `wake`. Idempotent."""
        self._waiting.pop(wake, None)

    def _settle(self, held: _Held, receipt: Receipt) -> None:
        if Verdict.FAILED in receipt.verdicts:
            self._keep(held)
        else:
            held.settle(receipt)

    def _keep(self, held: _Held) -> None:
        if not self._kept:
            listener = held.batch.source.listener
            self._report(
                "warning", f"{listener}: keeps what it received, and reads no more until it is stored"
            )
        self._kept += held.batch.count
        self._retry_later(held)

    def _retry_later(self, held: _Held) -> None:
        self._held.append(held)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(RETRY_S, self._try_again)

    def _try_again(self) -> None:
        """Submit everything again, in the order in which it came."""
        self._timer = None
        again, self._held = self._held, deque()
        self._trying += len(again)
        for one in again:
            self._store(one.batch, partial(self._settle_again, one))

    def _settle_again(self, held: _Held, receipt: Receipt) -> None:
        self._trying -= 1
        if Verdict.FAILED in receipt.verdicts:
            self._retry_later(held)
            return
        held.settle(receipt)
        if not self.is_active:
            self._release(held.batch.source.listener)

    def _release(self, listener: str) -> None:
        kept, self._kept = self._kept, 0
        self._report("info", f"{listener}: stored the {kept} entries that it kept, and reads again")
        waiting, self._waiting = self._waiting, {}
        for wake, turns in waiting.items():
            turns.wait(wake)
