"""Answers that nobody takes are bounded in bytes and in time."""

from typing import Any

import pytest

from logboom.pipeline import unread
from logboom.pipeline.unread import GRACE_S, UNREAD_BYTES_MAX, UNREAD_FREE_BYTES, UNREAD_S_MAX, Unread

LARGE = UNREAD_BYTES_MAX // 4


class Wire:
    """A connection, and what waits for it."""

    def __init__(self, address: str = "10.0.0.1", size: int = 0) -> None:
        self.address, self.size = address, size
        self.transport: Wire | None = self

    def get_write_buffer_size(self) -> int:
        return self.size

    def get_extra_info(self, name: str, default: Any = None, /) -> Any:
        return (self.address, 1) if name == "peername" else default


class World:
    def __init__(self) -> None:
        self.now = 100.0
        self.wires: list[Wire] = []
        self.ended: list[Wire] = []
        self.unread = Unread(lambda: list(self.wires), self.end, lambda: self.now)

    def end(self, wire: Wire, why: str) -> None:
        assert why
        self.ended.append(wire)
        self.wires.remove(wire)

    def add(self, *wires: Wire) -> None:
        self.wires += wires

    def pass_by(self, seconds: float) -> None:
        self.now += seconds
        self.unread.sweep()


@pytest.fixture
def world() -> World:
    return World()


def test_who_takes_nothing_is_disconnected(world: World) -> None:
    stuck, quiet, gone = Wire(size=1), Wire(), Wire(size=1)
    gone.transport = None
    world.add(stuck, quiet, gone)
    world.unread.sweep()
    world.pass_by(UNREAD_S_MAX)
    assert world.ended == []
    world.pass_by(1)
    assert world.ended == [stuck]


def test_who_takes_a_little_stays(world: World) -> None:
    steady = Wire(size=1000)
    world.add(steady)
    for _ in range(500):
        world.pass_by(UNREAD_S_MAX - 1)
        steady.size -= 1
    assert world.ended == []


def test_to_ask_for_more_is_no_progress(world: World) -> None:
    asking = Wire(size=1000)
    world.add(asking)
    for _ in range(int(UNREAD_S_MAX) + 2):
        world.pass_by(1)
        asking.size += 1
    assert world.ended == [asking]


def test_an_answer_that_has_no_room_is_refused(world: World) -> None:
    world.add(Wire(size=LARGE), Wire("10.0.0.2", LARGE))
    assert world.unread.has_room(2 * LARGE)
    assert not world.unread.has_room(2 * LARGE + 1)
    assert world.ended == []


def test_the_address_that_holds_most_makes_room(world: World) -> None:
    old, new, small, other = (
        Wire(size=LARGE),
        Wire(size=LARGE),
        Wire(size=UNREAD_FREE_BYTES),
        Wire("10.0.0.2", LARGE),
    )
    world.add(old, small, other)
    world.unread.sweep()
    world.pass_by(GRACE_S)
    world.add(new)
    assert not world.unread.has_room(UNREAD_BYTES_MAX)  # all of it is more than one address can give
    assert world.ended == [old]
    assert world.unread.has_room(LARGE)
    assert world.ended == [old]


def test_all_together_are_bounded_even_without_a_new_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unread, "UNREAD_BYTES_MAX", 1000)
    monkeypatch.setattr(unread, "UNREAD_FREE_BYTES", 100)
    dribbling = [Wire(f"10.0.0.{number % 2}", 500) for number in range(5)]
    world.add(*dribbling)
    for _ in range(int(GRACE_S) + 1):
        world.pass_by(1)
        for one in dribbling:
            one.size -= 1
    assert len(world.ended) == 3
    assert {one.address for one in world.wires} == {"10.0.0.0", "10.0.0.1"} or len(world.wires) == 2
