"""The inlet: room before a batch, receipts in order, nothing that waits after it was stored."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from logboom.journal.journal import AckLevel, Journal
from logboom.model import Batch, Receipt, Source
from logboom.pipeline.inlet import AwaitedInlet, Inlet
from logboom.pipeline.intake import Intake, IntakeLimits
from logboom.pipeline.throttle import Throttle
from logboom.pipeline.turns import Turns

SOURCE = Source("device", "10.0.0.1", "10.0.0.1")


class SlowJournal:
    """Answers batches when the test says so."""

    def __init__(self) -> None:
        self.submitted: list[tuple[Batch, Callable[[Receipt], None]]] = []

    def submit(self, batch: Batch, _ack: AckLevel, done: Callable[[Receipt], None]) -> None:
        self.submitted.append((batch, done))

    def settle(self, sequence: int = 0) -> None:
        batch, done = self.submitted.pop(0)
        done(batch.receipt(sequence))


class Desk:
    """An intake before a slow journal, its clock in the test's hands."""

    def __init__(self, lines_per_s: int = 0) -> None:
        self.now = 100.0
        self.behind = False
        self.journal = SlowJournal()
        self.turns = Turns(lambda: self.behind)
        throttle = Throttle(0, lines_per_s, lambda: self.now) if lines_per_s else None
        limits = IntakeLimits(throttle=throttle)
        self.intake = Intake(cast("Journal", self.journal), AckLevel.SYNCED, lambda *_: None, limits)
        self.changes = 0

    def inlet(self, bytes_max: int = 1000) -> Inlet:
        return Inlet(self.intake, self.turns, SOURCE, self.changed, bytes_max)

    def awaited(self, bytes_max: int = 1000) -> AwaitedInlet:
        return AwaitedInlet(self.intake, self.turns, SOURCE, bytes_max=bytes_max)

    def changed(self) -> None:
        self.changes += 1


def batch(size_bytes: int = 10, lines: int = 1) -> Batch:
    return Batch(b"\n".join([b"{}"] * lines), bytes(lines), size_bytes=size_bytes)


def ignore(_receipt: Receipt) -> None:
    pass


async def turn() -> None:
    """Let everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_receipts_come_in_the_order_of_the_batches_and_carry_their_source() -> None:
    desk = Desk()
    inlet = desk.inlet()
    order: list[str] = []
    inlet.put(batch(), lambda _: order.append("first"))
    inlet.put(batch(), lambda _: order.append("second"))
    assert [one.source for one, _ in desk.journal.submitted] == [SOURCE, SOURCE]
    assert all(one.received_ns for one, _ in desk.journal.submitted)
    desk.journal.settle()
    desk.journal.settle()
    assert order == ["first", "second"]
    assert desk.changes == 2


def test_there_is_no_room_while_the_bytes_in_flight_reach_the_bound() -> None:
    desk = Desk()
    inlet = desk.inlet(bytes_max=20)
    inlet.put(batch(19), ignore)
    assert inlet.has_room
    inlet.put(batch(1), ignore)
    assert [inlet.has_room, inlet.wait(), desk.journal.settle(), inlet.has_room] == [False, None, None, True]  # type: ignore[func-returns-value]
    assert (inlet.bytes_in_flight, inlet.batches_in_flight, desk.changes) == (1, 1, 1)


def test_a_journal_that_is_behind_takes_the_room_until_its_turn() -> None:
    async def scenario() -> None:
        desk = Desk()
        inlet = desk.inlet()
        desk.behind = True
        assert not inlet.has_room
        inlet.wait()
        desk.turns.advanced()
        assert desk.changes == 0
        desk.behind = False
        desk.turns.advanced()
        assert desk.changes == 1

    asyncio.run(scenario())


def test_a_debt_counts_for_every_sender_of_the_address_and_is_paid_in_turn() -> None:
    async def scenario() -> None:
        desk = Desk(lines_per_s=1000)
        first, second = desk.awaited(), desk.awaited()
        first.put(batch(lines=1010), ignore)
        assert not first.has_room
        assert not second.has_room
        waiting = [asyncio.create_task(inlet.room()) for inlet in (second, first)]
        await turn()
        assert not any(task.done() for task in waiting)
        desk.journal.settle()
        desk.now += 1
        await asyncio.gather(*waiting)
        assert len(desk.intake.debts) == 0

    asyncio.run(scenario())


def test_a_peer_that_left_does_not_wait_for_its_debt() -> None:
    async def scenario() -> None:
        desk = Desk(lines_per_s=10)
        inlet = desk.inlet()
        inlet.put(batch(lines=100), ignore)
        assert not inlet.has_room
        inlet.leave()
        assert inlet.has_room

    asyncio.run(scenario())


def test_what_was_stored_is_answered_at_once_however_large_the_debt() -> None:
    async def scenario() -> None:
        desk = Desk(lines_per_s=10)
        inlet = desk.awaited()
        storing = asyncio.create_task(inlet.store(batch(lines=100)))
        await turn()
        desk.journal.settle(7)
        assert (await storing).first_sequence == 7
        assert not inlet.has_room

    asyncio.run(scenario())


def test_a_call_that_is_cancelled_while_it_waits_is_not_stored() -> None:
    async def scenario() -> None:
        desk = Desk()
        desk.behind = True
        storing = asyncio.create_task(desk.awaited().store(batch()))
        await turn()
        storing.cancel()
        with pytest.raises(asyncio.CancelledError, match=r"^$"):
            await storing
        desk.behind = False
        desk.turns.advanced()
        await turn()
        assert desk.journal.submitted == []
        assert len(desk.turns) == 0

    asyncio.run(scenario())


def test_settled_waits_for_every_receipt() -> None:
    async def scenario() -> None:
        desk = Desk()
        inlet = desk.awaited()
        for _ in range(2):
            inlet.put(batch(), ignore)
        settled = asyncio.create_task(inlet.settled())
        desk.journal.settle()
        await turn()
        assert not settled.done()
        desk.journal.settle()
        await settled

    asyncio.run(scenario())


def test_a_limit_that_a_reload_takes_away_frees_who_waits() -> None:
    async def scenario() -> None:
        desk = Desk(lines_per_s=1000)
        inlet: Any = desk.awaited()
        inlet.put(batch(lines=1010), ignore)
        waiting = asyncio.create_task(inlet.room())
        await turn()
        desk.journal.settle()
        desk.intake.limits = IntakeLimits()
        await waiting

    asyncio.run(scenario())
