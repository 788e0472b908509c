"""The hub with transports that record, and a clock that the test moves."""

import asyncio
import json
from collections.abc import Callable, Iterable
from typing import Any, cast

import pytest

from logboom.web import hub as hub_module
from logboom.web.frames import text_frame
from logboom.web.hub import RING_BYTES_MAX, UNSENT_BYTES_MAX, Hub, Reader


class Wire:
    """A peer's transport: what was written, and how much of it the peer has not taken."""

    def __init__(self) -> None:
        self.data = b""
        self.unsent = 0
        self.writes = 0
        self.blocked = False
        self.aborted = False
        self.looks = 0

    def writelines(self, pieces: Iterable[bytes]) -> None:
        data = b"".join(pieces)
        self.data += data
        self.writes += 1
        if self.blocked:
            self.unsent += len(data)

    def get_write_buffer_size(self) -> int:
        self.looks += 1
        return self.unsent

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True


class Timer:
    """A call to come."""

    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at = at
        self.call = call
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Bench:
    """A hub, its timers and its peers."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[Timer] = []
        self.hub = Hub(self.call_later)

    def call_later(self, delay: float, call: Callable[[], None]) -> asyncio.TimerHandle:
        self.timers.append(Timer(self.now + delay, call))
        return cast("asyncio.TimerHandle", self.timers[-1])

    def peer(self) -> tuple[Reader, Wire]:
        wire = Wire()
        reader = Reader(cast("asyncio.Transport", wire))
        self.hub.join(reader)
        return reader, wire

    def run(self, turns: int = 10_000) -> None:
        """Let all timers come, but no more than so many: blocked readers are tried for ever."""
        while self.timers and turns:
            turns -= 1
            timer = self.timers.pop(0)
            if not timer.cancelled:
                self.now = timer.at
                timer.call()


@pytest.fixture
def bench() -> Bench:
    return Bench()


def messages(wire: Wire) -> list[Any]:
    data, found = wire.data, []
    while data:
        size, start = data[1], 2
        if size >= 126:
            start = 4 if size == 126 else 10
            size = int.from_bytes(data[2:start], "big")
        found.append(json.loads(data[start : start + size]))
        data = data[start + size :]
    return found


def frame(number: int, size: int = 0) -> bytes:
    return text_frame(json.dumps({"n": number, "pad": "x" * size}).encode())


def numbers(wire: Wire) -> list[int]:
    return [message["n"] for message in messages(wire) if "n" in message]


def test_everybody_but_the_sender_gets_a_message_once(bench: Bench) -> None:
    (alice, to_alice), (bob, to_bob), (_, to_carol) = bench.peer(), bench.peer(), bench.peer()
    bench.hub.publish(alice, frame(1), 1)
    bench.hub.publish(bob, frame(2) + frame(3), 2)
    bench.hub.publish(alice, frame(4), 1)
    bench.run()
    assert numbers(to_alice) == [2, 3]
    assert numbers(to_bob) == [1, 4]
    assert numbers(to_carol) == [1, 2, 3, 4]


def test_who_comes_later_gets_what_comes_later(bench: Bench) -> None:
    sender, _ = bench.peer()
    bench.hub.publish(sender, frame(1), 1)
    bench.run()
    _, late = bench.peer()
    bench.hub.publish(sender, frame(2), 1)
    bench.run()
    assert numbers(late) == [2]


def test_nobody_is_heard_alone(bench: Bench) -> None:
    alice, _ = bench.peer()
    assert not bench.hub.is_heard(alice)
    bob, _ = bench.peer()
    assert bench.hub.is_heard(alice)
    bench.hub.leave(bob)
    bench.hub.leave(bob)
    assert not bench.hub.is_heard(alice)
    assert len(bench.hub) == 1


def test_messages_of_one_turn_share_one_write(bench: Bench) -> None:
    (sender, _), (_, wire) = bench.peer(), bench.peer()
    for number in range(100):
        bench.hub.publish(sender, frame(number), 1)
    bench.run()
    assert numbers(wire) == list(range(100))
    assert wire.writes == 1


def test_a_slow_reader_is_bounded_marked_and_goes_on(bench: Bench) -> None:
    (sender, _), (reader, slow), (_, fast) = bench.peer(), bench.peer(), bench.peer()
    slow.blocked = True
    count = 3 * RING_BYTES_MAX // 100_000
    for number in range(count):
        bench.hub.publish(sender, frame(number, 100_000), 1)
        bench.run(turns=20)
    assert numbers(fast) == list(range(count))
    assert slow.unsent <= UNSENT_BYTES_MAX + hub_module.WRITE_BYTES + 200_000
    assert bench.hub._ring_bytes <= RING_BYTES_MAX
    slow.blocked, slow.unsent = False, 0
    bench.run()
    found = messages(slow)
    [marker] = [message for message in found if "dropped" in message]
    assert (marker["type"], marker["source"]) == ("status", "logboom")
    assert len(found) - 1 + marker["dropped"] == count == found[-1]["n"] + 1
    assert bench.hub.dropped == marker["dropped"]
    assert reader in bench.hub._readers
    order = [message.get("n", -1) for message in found]
    before, after = order[: order.index(-1)], order[order.index(-1) + 1 :]
    assert before == list(range(len(before)))
    assert after == list(range(count - len(after), count))


def test_tiny_messages_do_not_outgrow_the_ring(bench: Bench) -> None:
    (sender, _), (_, wire) = bench.peer(), bench.peer()
    wire.blocked = True
    wire.unsent = UNSENT_BYTES_MAX + 1
    for _ in range(60_000):
        bench.hub.publish(sender, b"\x81\x02{}", 1)
    assert len(bench.hub._ring) * 200 <= RING_BYTES_MAX


def test_serving_many_readers_leaves_the_loop_to_others(bench: Bench) -> None:
    sender, _ = bench.peer()
    wires = [bench.peer()[1] for _ in range(1000)]
    bench.hub.publish(sender, frame(1), 1)
    bench.run()
    assert all(numbers(wire) == [1] for wire in wires)
    work_s = 1000 * hub_module._WRITE_COST_S
    assert bench.now >= work_s * hub_module._REST_FACTOR
    assert not bench.timers


def test_a_peer_that_is_gone_is_not_written_to(bench: Bench) -> None:
    (sender, _), (_, gone) = bench.peer(), bench.peer()
    gone.abort()
    bench.hub.publish(sender, frame(1), 1)
    bench.run(turns=5)
    assert gone.data == b""


def test_a_reader_that_does_not_drain_delays_nobody(bench: Bench) -> None:
    (sender, _), (_, stuck), (_, fast) = bench.peer(), bench.peer(), bench.peer()
    stuck.blocked, stuck.unsent = True, UNSENT_BYTES_MAX + 1
    bench.hub.publish(sender, frame(1), 1)
    bench.run(turns=10)  # by now it is only looked at now and then
    before = bench.now
    bench.hub.publish(sender, frame(2), 1)
    bench.run(turns=2)
    assert numbers(fast) == [1, 2]
    assert bench.now == before


def test_the_ring_holds_what_just_fits(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "RING_BYTES_MAX", 3 * (len(frame(0)) + hub_module._ITEM_BYTES))
    (sender, _), (_, wire) = bench.peer(), bench.peer()
    for number in range(3):
        bench.hub.publish(sender, frame(number), 1)
    bench.run()
    assert numbers(wire) == [0, 1, 2]
    assert bench.hub.dropped == 0
    for number in range(4):
        bench.hub.publish(sender, frame(number), 1)
    bench.run()
    assert [message["dropped"] for message in messages(wire) if "dropped" in message] == [1]
    assert numbers(wire) == [0, 1, 2, 1, 2, 3]


def test_a_message_replaces_the_retry_of_readers_that_do_not_drain(bench: Bench) -> None:
    (sender, _), (_, stuck) = bench.peer(), bench.peer()
    stuck.blocked, stuck.unsent = True, UNSENT_BYTES_MAX + 1
    bench.hub.publish(sender, frame(1), 1)
    bench.run(turns=10)
    bench.hub.publish(sender, frame(2), 1)
    assert [timer.at for timer in bench.timers if not timer.cancelled] == [bench.now]


def test_a_reader_that_left_before_its_turn_is_not_written_to(bench: Bench) -> None:
    sender, _ = bench.peer()
    peers = [bench.peer() for _ in range(1000)]
    bench.hub.publish(sender, frame(1), 1)
    bench.run(turns=1)
    reader, wire = peers[-1]
    assert wire.data == b""
    bench.hub.leave(reader)
    bench.run()
    assert wire.data == b""
    assert all(numbers(other) == [1] for _, other in peers[:-1])


def test_a_reader_that_has_everything_is_not_looked_at(bench: Bench) -> None:
    (sender, to_sender), (_, wire) = bench.peer(), bench.peer()
    bench.hub.publish(sender, frame(1), 1)
    bench.run()
    to_sender.looks = wire.looks = 0
    assert bench.hub._serve(next(iter(bench.hub._readers))) == hub_module._LOOK_COST_S
    assert to_sender.looks == wire.looks == 0
