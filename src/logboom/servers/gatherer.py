"""Lines of many connections, gathered within one turn of the event loop: judged, stored and answered together."""

from functools import partial
from itertools import compress
from typing import TYPE_CHECKING, Final, cast

from logboom.framing.joint import Settlement
from logboom.model import Batch, Receipt, Source, Verdict
from logboom.pipeline.inlet import JointInlet
from logboom.pipeline.intake import Intake
from logboom.pipeline.pauses import PATIENT_S
from logboom.pipeline.turns import Turns

if TYPE_CHECKING:
    import asyncio

    from logboom.servers.connection import Connection

READ_BYTES_MAX: Final = 4096
"""A longer read is not gathered, bytes: its share of the fixed costs is small already."""

GATHERED_BYTES_MAX: Final = 256 << 10
"""Bytes that are judged together: a millisecond of the event loop."""

_NEWLINE: Final = 10


class Gatherer:
    """One per listener. Takes short reads of whole lines, of connections that rest; all else goes its own way.

    A connection rests while its protocol is between lines, and nothing of it is on its way that did not come through
    here. The journal keeps the order of batches; so lines and replies of each connection keep theirs.

    Args:
        intake: of the listener.
        turns: of the event loop.
        buffer: what the connections of the listener receive into.
    """

    def __init__(self, intake: Intake, turns: Turns, buffer: memoryview) -> None:
        self.loop: asyncio.AbstractEventLoop
        self._intake = intake
        self._inlet = JointInlet(intake, turns)
        self._pauses = turns.pauses
        self._buffer = buffer
        self._received = cast("bytearray", buffer.obj)
        self._connections: list[Connection] = []
        self._reads: list[bytes] = []
        self._settlement = Settlement()  # of the lines that are gathered now
        self._size = 0
        self._turn_lines = 0
        self._turn_patient = 0
        self._scheduled = False

    def take(self, connection: "Connection", size: int) -> bool:
        """Take what a connection at rest has received, if it is short and whole; returns whether it was.

        Args:
            connection: from now on has the settlement of what was taken.
            size: of what was received, in bytes.
        """
        if size > READ_BYTES_MAX or self._received[size - 1] != _NEWLINE:
            return False
        if connection.settlement is self._settlement:  # one read per connection: two could swap places
            self._submit()
            if not connection.resting:  # the first one went its own way, and this one follows
                return False
        if not self._scheduled:
            self._scheduled = True
            self.loop.call_soon(self._end_turn)
        connection.settlement = self._settlement
        connection.gathered += 1
        self._connections.append(connection)
        self._reads.append(bytes(self._buffer[: size - 1]))
        self._size += size
        if self._size >= GATHERED_BYTES_MAX:
            self._submit()
        return True

    def let_pass(self, connection: "Connection") -> None:
        """Submit what a connection has here before something else of it goes its own way."""
        if connection.settlement is self._settlement:
            self._submit()

    def _end_turn(self) -> None:
        """Submit what this turn has brought, and give the next one time to bring more."""
        self._scheduled = False
        self._submit()
        lines, patient = self._turn_lines, self._turn_patient
        self._turn_lines = self._turn_patient = 0
        self._pauses.after(lines, patient)

    def _submit(self) -> None:
        if not self._reads:
            return
        gathered = _Gathered(self._connections, self._reads)
        settlement = self._settlement
        self._connections, self._reads, self._settlement, self._size = [], [], Settlement(), 0
        self._count(gathered.connections)
        if not self._inlet.has_room:
            gathered.keep([False] * len(gathered.reads), joined=False)
            return
        batch = gathered.join(settlement) or self._judge_each(gathered)
        if batch is not None and self._intake.limits_addresses:
            batch = self._admit_each(gathered, batch)
        if batch is not None:
            sources = gathered.sources(len(batch.verdicts))
            self._inlet.put(batch, sources, partial(gathered.answer, settlement, batch))

    def _count(self, connections: "list[Connection]") -> None:
        """Note when the connections sent something, and how many of them had been silent."""
        now = self.loop.time()
        self._intake.counters.received(now)
        patient, since = 0, now - PATIENT_S
        for connection in connections:
            if connection.last_data <= since:
                patient += 1
            connection.last_data = now
        self._turn_lines += len(connections)
        self._turn_patient += patient

    def _judge_each(self, gathered: "_Gathered") -> Batch | None:
        """Keep the good reads only."""
        if not gathered.reads:
            return None
        judge = gathered.connections[0].joint.judge
        gathered.keep([judge(read) is not None for read in gathered.reads])
        return gathered.judge()

    def _admit_each(self, gathered: "_Gathered", batch: Batch) -> Batch | None:
        """Keep the reads that are within the limits of their addresses."""
        admitted = [
            self._intake.admit(connection.inlet.source, len(read) + 1, read.count(b"\n") + 1)
            for connection, read in zip(gathered.connections, gathered.reads, strict=True)
        ]
        if all(admitted):
            return batch
        gathered.keep(admitted)
        return gathered.judge()


class _Gathered:
    """Connections with a read each: whole lines, without the last newline."""

    __slots__ = ("connections", "reads")

    def __init__(self, connections: "list[Connection]", reads: list[bytes]) -> None:
        self.connections = connections
        self.reads = reads

    def sources(self, lines: int) -> list[Source]:
        """One source per line; `lines` is their number."""
        connections = self.connections
        if lines == len(connections):
            return [connection.inlet.source for connection in connections]
        return [
            connection.inlet.source
            for connection, read in zip(connections, self.reads, strict=True)
            for _ in range(read.count(b"\n") + 1)
        ]

    def join(self, settlement: Settlement) -> Batch | None:
        """Have the lines judged together as far as their protocols allow; see `judge`."""
        joints = [connection.joint for connection in self.connections]
        joined = joints[0].join(joints, self.reads, settlement)
        if not all(joined):
            self.keep(joined, joined=False)
        return self.judge()

    def judge(self) -> Batch | None:
        """Return a batch of all lines; None when there is none, or not all of them are good."""
        return self.connections[0].joint.judge(b"\n".join(self.reads)) if self.reads else None

    def keep(self, stay: list[bool], *, joined: bool = True) -> None:
        """Have the connections of the other reads deal with them by themselves; `joined`: they have joined before."""
        for connection, read, stays in zip(self.connections, self.reads, stay, strict=True):
            if not stays:
                if joined:
                    connection.joint.leave()
                connection.take_back(read)
        self.connections = list(compress(self.connections, stay))
        self.reads = list(compress(self.reads, stay))

    def answer(self, settlement: Settlement, batch: Batch, receipt: Receipt) -> None:
        """Reply to each connection with what its protocol makes of its lines' verdicts."""
        verdicts = receipt.verdicts
        settlement.received_ns, settlement.settled_ns = batch.received_ns, batch.settled_ns
        settlement.acked = True
        if len(verdicts) == len(self.connections) == verdicts.count(Verdict.ACCEPTED):
            reply = self.connections[0].joint.replies(receipt._replace(verdicts=verdicts[:1]))
            for connection in self.connections:
                connection.answer(reply)
        else:
            self._answer_each(receipt)

    def _answer_each(self, receipt: Receipt) -> None:
        start, replies = 0, self.connections[0].joint.replies
        for connection, read in zip(self.connections, self.reads, strict=True):
            end = start + read.count(b"\n") + 1
            verdicts = receipt.verdicts[start:end]
            start = end
            if any(verdicts):
                connection.joint.leave()
            connection.answer(replies(receipt._replace(verdicts=verdicts)), verdicts)
