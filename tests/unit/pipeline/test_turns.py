"""Who waits for the journal is woken in turn, and only as many as there is room for."""

import asyncio
from collections.abc import Callable

from logboom.pipeline.turns import WAKES_MAX, Turns

ROOM = 10


class Journal:
    """One that has room for some batches."""

    def __init__(self) -> None:
        self.pending = ROOM
        self.taken: list[int] = []
        self.turns = Turns(lambda: self.pending >= ROOM)

    def take(self, number: int) -> None:
        self.pending += 1
        self.taken.append(number)

    def commit(self) -> None:
        self.pending = 0
        self.turns.advanced()


def sender(journal: Journal, number: int, looks: list[int]) -> Callable[[], None]:
    """Brings a batch, as soon as there is room."""

    def pump() -> None:
        looks.append(number)
        if journal.turns.behind():
            journal.turns.wait(pump)
        else:
            journal.take(number)

    return pump


def test_ten_times_as_many_senders_look_ten_times_as_often_not_a_hundred() -> None:
    looked = []
    for count in (100, 1000):
        journal, looks = Journal(), list[int]()
        for number in range(count):
            sender(journal, number, looks)()
        while len(journal.turns):
            journal.commit()
        assert journal.taken == list(range(count))
        looked.append(len(looks))
    assert looked == [200, 2000]


def test_one_that_has_gone_is_not_woken() -> None:
    journal, looks = Journal(), list[int]()
    pumps = [sender(journal, number, looks) for number in range(3)]
    for pump in pumps:
        pump()
    journal.turns.leave(pumps[1])
    journal.turns.leave(pumps[1])
    journal.commit()
    assert journal.taken == [0, 2]


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - a few turns of the loop
        await asyncio.sleep(0)


async def _waits(journal: Journal, number: int, looks: list[int]) -> None:
    looks.append(number)
    await journal.turns.room()
    journal.take(number)


async def _many_wait() -> tuple[Journal, list[asyncio.Task[None]]]:
    journal = Journal()
    waiting = [asyncio.create_task(_waits(journal, number, [])) for number in range(5 * ROOM)]
    await asyncio.sleep(0)
    assert len(journal.turns) == 5 * ROOM
    return journal, waiting


def test_tasks_are_woken_as_there_is_room() -> None:
    async def run() -> None:
        journal, waiting = await _many_wait()
        for commits in range(1, 6):
            journal.commit()
            expected = commits * ROOM
            await until(lambda expected=expected: sum(task.done() for task in waiting) >= expected)  # type: ignore[misc]
            assert len(journal.taken) == commits * ROOM
        assert journal.taken == list(range(5 * ROOM))

    asyncio.run(run())


def test_a_task_that_is_cancelled_passes_its_turn_on() -> None:
    async def run() -> None:
        journal, waiting = await _many_wait()
        journal.commit()  # its first wakes number 0
        waiting[0].cancel()
        await asyncio.gather(waiting[0], return_exceptions=True)
        await until(lambda: sum(task.done() for task in waiting) >= 1 + ROOM)
        assert journal.taken == list(range(1, 1 + ROOM))
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert len(journal.turns) == 0

    asyncio.run(run())


def test_more_than_one_turn_of_the_loop_may_wake_go_on_by_themselves() -> None:
    async def run() -> None:
        journal = Journal()
        turns = Turns(lambda: False)
        woken: list[int] = []
        for number in range(3 * WAKES_MAX):
            turns.wait(lambda number=number: woken.append(number))  # type: ignore[misc]
        turns.advanced()
        assert len(woken) == WAKES_MAX
        await until(lambda: not len(turns))
        assert woken == list(range(3 * WAKES_MAX))
        assert not journal.taken

    asyncio.run(run())
