"""Answers for `ack = "replicated"`: a receipt waits until the cluster has its entries.

The entries are in the journal by then, which is the spool of the forwarder. A receipt that waits too long becomes a
failure, and further batches are refused without being stored until the forwarder advances: otherwise senders that
resend would fill the spool with copies.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from logboom.journal.journal import AckLevel, Journal
from logboom.model import Batch, Receipt, Report, Verdict

CHECK_S: Final = 0.25
"""Interval of the check for receipts that wait too long, seconds."""

_FAILED: Final = bytes(
    Verdict.FAILED if number in (Verdict.ACCEPTED, Verdict.DUPLICATE) else number for number in range(256)
)


class Replication:
    """State of the forwarder, for all listeners. Belongs to the event loop.

    Args:
        timeout_s: time limit of a receipt.
        report: logs the beginning and the end of an outage.
    """

    def __init__(self, timeout_s: float, report: Report) -> None:
        self.position = 0
        """The sequence up to which the cluster has everything."""
        self.failing = False
        """True from the first receipt that waited too long until the forwarder advances."""
        self.timeouts = 0
        """Number of batches that waited too long."""
        self._timeout_s = timeout_s
        self._report = report
        self.journals: list[ReplicatedJournal] = []
        """One per listener with that ack level."""

    @property
    def pending_bytes(self) -> int:
        """Bytes of stored batches that wait for the cluster."""
        return sum(one.pending_bytes for one in self.journals)

    def advance(self, position: int) -> None:
        """Deliver the receipts of all entries before `position`."""
        moved = position > self.position
        self.position = position
        if moved and self.failing:
            self.failing = False
            self._report("info", "the cluster stores again")
        for journal in self.journals:
            journal.release()

    async def watch(self) -> None:
        """Fail receipts that wait too long; runs until it is cancelled."""
        while True:
            await asyncio.sleep(CHECK_S)
            expired = sum(journal.expire(self._timeout_s) for journal in self.journals)
            self.timeouts += expired
            if expired and not self.failing:
                self.failing = True
                self._report("error", f"the cluster has not stored entries within {self._timeout_s:g} s")


class _Waiting:
    """A batch without an answer."""

    __slots__ = ("batch", "done", "receipt", "since", "until", "weight")

    def __init__(self, batch: Batch, done: Callable[[Receipt], None], since: float) -> None:
        self.batch = batch
        self.done = done
        self.since = since
        self.receipt: Receipt | None = None
        """None: it is not in the journal yet."""
        self.until = 0
        """The position at which the receipt is delivered."""
        self.weight = 0
        """Bytes that it counts for."""


class ReplicatedJournal:
    """Way of one listener into the journal, with receipts from the cluster, in the order of submission.

    Args:
        journal: stores the entries.
        replication: its state.
        patient: receipts wait without a limit, for protocols whose senders can't be refused.
    """

    def __init__(self, journal: Journal, replication: Replication, *, patient: bool) -> None:
        self.pending_bytes = 0
        self._journal = journal
        self._replication = replication
        self._patient = patient
        self._waiting: deque[_Waiting] = deque()
        self._clock = asyncio.get_running_loop().time
        replication.journals.append(self)

    def submit(self, batch: Batch, _ack: AckLevel, done: Callable[[Receipt], None]) -> None:
        """See `Journal.submit`."""
        waiting = _Waiting(batch, done, self._clock())
        self._waiting.append(waiting)
        if self._replication.failing and not self._patient:
            waiting.receipt = _failed(batch.receipt(None))
            self.release()
            return
        self._journal.submit(batch, AckLevel.SYNCED, lambda receipt: self._stored(waiting, receipt))

    def _stored(self, waiting: _Waiting, receipt: Receipt) -> None:
        """Let a receipt wait for its entries; one without wait for those before, which it may be a duplicate of."""
        waiting.weight = waiting.batch.size_bytes
        self.pending_bytes += waiting.weight
        waiting.receipt = receipt
        if receipt.first_sequence is None:
            waiting.until = self._journal.answered
        else:
            waiting.until = receipt.first_sequence + waiting.batch.count
        self.release()

    def release(self) -> None:
        """Deliver the receipts that are due, in order."""
        released = False
        while self._waiting:
            first = self._waiting[0]
            if first.receipt is None or first.until > self._replication.position:
                break
            self._waiting.popleft()
            self.pending_bytes -= first.weight
            first.done(first.receipt)
            released = True
        if released:
            for callback in self._journal.on_commit:
                callback()

    def expire(self, timeout_s: float) -> int:
        """Fail the stored batches that wait longer than `timeout_s`; returns their number."""
        if self._patient:
            return 0
        late = self._clock() - timeout_s
        expired = 0
        for one in self._waiting:
            if one.since > late:
                break
            if one.receipt is not None and one.until > self._replication.position:
                one.receipt = _failed(one.receipt)
                one.until = 0
                expired += 1
        if expired:
            self.release()
        return expired


def _failed(receipt: Receipt) -> Receipt:
    """The receipt for a failure; entries that are stored here keep their sequence, and so their keys."""
    return receipt._replace(verdicts=receipt.verdicts.translate(_FAILED))
