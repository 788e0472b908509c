"""Lines of many connections as one batch: each keeps its source, its answer, its order, its limits."""

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import pytest

from logboom.journal.journal import AckLevel, Journal
from logboom.model import Batch, Receipt, Source, Verdict
from logboom.pipeline.intake import Intake, IntakeLimits
from logboom.pipeline.limiter import FixedWindowLimiter
from logboom.pipeline.throttle import Throttle
from logboom.servers.connection import Connection
from logboom.servers.gatherer import GATHERED_BYTES_MAX, READ_BYTES_MAX
from tests.kit.app_kit import until

if TYPE_CHECKING:
    from tests.unit.servers.conftest import Bench, FakeTransport

MakeBench = Callable[..., "Bench"]
Fleet = list[tuple[Connection, "FakeTransport"]]

ACK = b'{"ack":1}\n'
RECEIVED = b'{"status":"ok","message":"received"}\n'
INVALID = b'{"status":"error","message":"invalid JSON"}\n'
FILTERED = b'{"status":"ok","message":"filtered"}\n'
UNAVAILABLE = b'{"status":"error","message":"storage unavailable"}\n'


def device_line(number: int, device: int = 0) -> bytes:
    return b'{"boot_seq":%d,"uptime_ms":%d}\n' % (device, number)


def collector_line(number: int, level: str = "INFO") -> bytes:
    return b'{"level":"%b","message":"%d"}\n' % (level.encode(), number)


def fleet_at_rest(bench: "Bench", size: int, first: bytes) -> Fleet:
    """Connections that have sent their first line, and got its answer."""
    fleet = [bench.connect(f"10.0.0.{number + 1}") for number in range(size)]
    for connection, _ in fleet:
        bench.receive(connection, first)
    bench.settle()
    for _, transport in fleet:
        transport.written = b""
    bench.intake.batches.clear()
    bench.intake.entries.clear()
    return fleet


def send_all(bench: "Bench", fleet: Fleet, line: Callable[[int], bytes]) -> None:
    """One line per connection, all within one turn of the loop."""
    for number, (connection, _) in enumerate(fleet):
        bench.receive(connection, line(number))


def test_lines_of_many_connections_are_one_batch_with_a_source_each(make_bench: MakeBench) -> None:
    bench = make_bench()
    fleet = fleet_at_rest(bench, 20, device_line(0))
    send_all(bench, fleet, lambda number: device_line(1, number))
    assert bench.intake.batches == []
    bench.loop.run()
    (batch,) = bench.intake.batches
    assert batch.count == 20
    assert batch.sources == [
        Source("front", f"10.0.0.{number + 1}", f"10.0.0.{number + 1}") for number in range(20)
    ]
    assert batch.entries.split(b"\n") == [device_line(1, number)[:-1] for number in range(20)]
    assert not any(transport.written for _, transport in fleet)
    bench.intake.answer()
    assert all(transport.written == ACK for _, transport in fleet)


def test_reads_of_a_few_whole_lines_are_gathered_too(make_bench: MakeBench) -> None:
    bench = make_bench("collector")
    fleet = fleet_at_rest(bench, 3, collector_line(0))
    send_all(bench, fleet, lambda number: b"".join(map(collector_line, range(number + 1))))
    bench.loop.run()
    (batch,) = bench.intake.batches
    assert batch.sources is not None
    assert [source.peer[-1] for source in batch.sources] == ["1", "2", "2", "3", "3", "3"]
    bench.settle()
    assert [transport.written for _, transport in fleet] == [RECEIVED, RECEIVED * 2, RECEIVED * 3]


def test_a_bad_line_costs_only_its_own_connection_the_common_batch(make_bench: MakeBench) -> None:
    bench = make_bench("collector")
    fleet = fleet_at_rest(bench, 5, collector_line(0))
    send_all(bench, fleet, lambda number: b"nope\n" if number == 2 else collector_line(number))
    bench.loop.run()
    assert sorted(len(batch.verdicts) for batch in bench.intake.batches) == [1, 4]
    bench.settle()
    assert [transport.written for _, transport in fleet] == [RECEIVED, RECEIVED, INVALID, RECEIVED, RECEIVED]


@pytest.mark.parametrize("rest", [b'"uptime_ms":2}\n', b'"uptime_ms":2}\r\n', b'"uptime_ms":2}\n\n'])
def test_a_line_in_two_parts_behind_a_gathered_one_keeps_its_place(
    make_bench: MakeBench, rest: bytes
) -> None:
    bench = make_bench()
    [(connection, transport)] = fleet_at_rest(bench, 1, device_line(0))
    for piece in (device_line(1), b'{"boot_seq":0,', rest, device_line(3)):
        bench.receive(connection, piece)
    bench.settle()
    assert bench.intake.entries == [device_line(1)[:-1], b'{"boot_seq":0,"uptime_ms":2}', device_line(3)[:-1]]
    assert transport.written == ACK * 3


def test_a_long_or_large_read_goes_its_own_way(make_bench: MakeBench) -> None:
    bench = make_bench()
    fleet = fleet_at_rest(bench, 2, device_line(0))
    many = b"".join(map(device_line, range(READ_BYTES_MAX // len(device_line(0)) + 50)))
    send_all(bench, fleet, lambda number: many if number else device_line(1))
    bench.settle()
    assert [batch.sources is None for batch in bench.intake.batches] == [True, False]
    assert fleet[1][1].written == ACK * many.count(b"\n")


def test_what_is_gathered_is_bounded(make_bench: MakeBench) -> None:
    bench = make_bench()
    line = device_line(0)[:-2] + b',"x":"%b"}\n' % (b"x" * 3000)
    fleet = fleet_at_rest(bench, 100, device_line(0))
    send_all(bench, fleet, lambda _: line)
    assert bench.intake.batches  # before the turn has ended
    assert all(batch.size_bytes < GATHERED_BYTES_MAX + len(line) for batch in bench.intake.batches)
    bench.settle()
    assert all(transport.written == ACK for _, transport in fleet)


def test_a_fleet_that_has_fallen_behind_is_still_gathered(make_bench: MakeBench) -> None:
    bench = make_bench()
    fleet = fleet_at_rest(bench, 10, device_line(0))
    for number in range(5):  # and no answer yet
        for connection, _ in fleet:
            bench.receive(connection, device_line(number + 1))
        bench.loop.run()
    assert [batch.count for batch in bench.intake.batches] == [10] * 5
    bench.settle()
    assert all(transport.written == ACK * 5 for _, transport in fleet)


def test_lines_that_could_not_be_stored_are_answered_so(make_bench: MakeBench) -> None:
    bench = make_bench("collector")
    fleet = fleet_at_rest(bench, 3, collector_line(0))
    send_all(bench, fleet, collector_line)
    bench.loop.run()
    batch, done = bench.intake.waiting.popleft()
    done(batch.failed_receipt())
    assert [transport.written for _, transport in fleet] == [UNAVAILABLE] * 3


def test_a_line_that_a_device_sends_again_gets_one_ack(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 10**18
    monkeypatch.setattr(time, "time_ns", lambda: now)
    bench = make_bench()
    [(connection, transport)] = fleet_at_rest(bench, 1, device_line(0))
    bench.receive(connection, device_line(1))
    bench.loop.run()
    now += 2_000_000_000
    bench.receive(connection, device_line(1))
    bench.loop.run()
    assert len(bench.intake.batches) == 2
    bench.intake.batches[0].settled_ns = now
    bench.settle()
    assert transport.written == ACK
    bench.receive(connection, device_line(2))
    bench.settle()
    assert transport.written == ACK * 2


def test_a_line_sent_again_after_a_failure_is_acked(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 10**18
    monkeypatch.setattr(time, "time_ns", lambda: now)
    bench = make_bench()
    [(connection, transport)] = fleet_at_rest(bench, 1, device_line(0))
    bench.receive(connection, device_line(1))
    bench.loop.run()
    batch, done = bench.intake.waiting.popleft()
    batch.settled_ns = now
    done(batch.failed_receipt())
    assert transport.written == b""
    now += 2_000_000_000
    bench.receive(connection, device_line(1))
    bench.settle()
    assert transport.written == ACK


def test_the_end_of_a_connection_waits_for_its_gathered_line(make_bench: MakeBench) -> None:
    bench = make_bench()
    [(connection, transport)] = fleet_at_rest(bench, 1, device_line(0))
    bench.receive(connection, device_line(1))
    assert connection.eof_received()
    bench.loop.run()
    assert not connection.idle
    assert not transport.closed
    bench.settle()
    assert transport.written == ACK
    assert transport.closed


def test_the_line_of_a_connection_that_is_gone_is_stored(make_bench: MakeBench) -> None:
    bench = make_bench()
    fleet = fleet_at_rest(bench, 2, device_line(0))
    send_all(bench, fleet, lambda number: device_line(1, number))
    fleet[0][1].abort()
    bench.settle()
    assert bench.intake.entries == [device_line(1, 0)[:-1], device_line(1, 1)[:-1]]
    assert [transport.written for _, transport in fleet] == [b"", ACK]


def test_while_the_journal_is_behind_nothing_is_put_and_all_is_answered_later(make_bench: MakeBench) -> None:
    bench = make_bench()
    fleet = fleet_at_rest(bench, 5, device_line(0))
    bench.behind = True
    send_all(bench, fleet, lambda number: device_line(1, number))
    bench.loop.run()
    assert bench.intake.batches == []
    assert not any(transport.is_reading() for _, transport in fleet)
    bench.behind = False
    bench.turns.advanced()
    bench.settle()
    assert all(transport.written == ACK and transport.is_reading() for _, transport in fleet)
    send_all(bench, fleet, lambda number: device_line(2, number))
    bench.loop.run()
    assert bench.intake.batches[-1].count == 5


def test_a_peer_that_does_not_read_its_replies_is_not_read(make_bench: MakeBench) -> None:
    bench = make_bench()
    [(connection, transport)] = fleet_at_rest(bench, 1, device_line(0))
    connection.pause_writing()
    bench.receive(connection, device_line(1))
    bench.loop.run()
    assert bench.intake.batches == []
    assert not transport.is_reading()
    connection.resume_writing()
    bench.settle()
    assert transport.written == ACK


@pytest.mark.parametrize(("silent_s", "patient"), [(0.03, 0), (0.05, 5)])
def test_a_device_that_was_silent_for_a_twentieth_of_a_second_can_wait(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch, silent_s: float, patient: int
) -> None:
    bench, turns = make_bench(), list[tuple[int, int]]()
    fleet = fleet_at_rest(bench, 5, device_line(0))
    monkeypatch.setattr(bench.turns.pauses, "after", lambda *turn: turns.append(turn))
    bench.loop.now += silent_s
    send_all(bench, fleet, lambda number: device_line(1, number))
    bench.loop.run()
    assert turns == [(5, patient)]


# --- limits, with the real intake ---


class PromptJournal:
    """Stores at once."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def submit(self, batch: Batch, _ack: AckLevel, done: Callable[[Receipt], None]) -> None:
        self.lines += batch.entries.split(b"\n") if batch.entries else []
        done(batch.receipt(len(self.lines) if batch.entries else None))


def bench_with(make_bench: MakeBench, limits: IntakeLimits) -> "Bench":
    bench = make_bench("collector")
    intake = Intake(cast("Journal", PromptJournal()), AckLevel.SYNCED, bench.note, limits)
    bench.use(intake)
    return bench


def test_the_rate_limit_counts_gathered_lines(make_bench: MakeBench) -> None:
    bench = bench_with(make_bench, IntakeLimits(FixedWindowLimiter(3, 60.0, lambda: 0.0)))
    one, other = (bench.connect(peer) for peer in ("10.0.0.1", "10.0.0.2"))
    for number in range(5):
        for connection, _ in (one, other) if number % 2 else (one,):
            bench.receive(connection, collector_line(number))
        bench.loop.run()
    limited = b'{"status":"error","message":"rate limit exceeded","retry_after_s":60}\n'
    assert one[1].written == RECEIVED * 3 + limited * 2
    assert other[1].written == RECEIVED * 2
    assert bench.told("warning") == ["front 10.0.0.1: rate limit reached for 60 s"]


def test_a_line_of_an_address_in_debt_waits(make_bench: MakeBench) -> None:
    now = 0.0

    async def main() -> None:
        nonlocal now
        bench = bench_with(make_bench, IntakeLimits(throttle=Throttle(0, 1000, lambda: now)))
        connection, transport = bench.connect()
        sent = 0
        while transport.is_reading():
            bench.receive(connection, collector_line(sent) * 40)
            bench.loop.run()
            sent += 40
        assert transport.written == RECEIVED * (sent - 40)
        now = 2.0
        await until(transport.is_reading)
        assert transport.written == RECEIVED * sent

    asyncio.run(asyncio.wait_for(main(), 20))


def test_the_level_filter_looks_at_each_gathered_line(make_bench: MakeBench) -> None:
    bench = bench_with(make_bench, IntakeLimits(level_min=13.0))
    fleet = [bench.connect(f"10.0.0.{number}") for number in range(1, 5)]
    for _ in range(2):
        for number, (connection, _transport) in enumerate(fleet):
            bench.receive(connection, collector_line(number, "ERROR" if number % 2 else "INFO"))
        bench.loop.run()
    assert [transport.written for _, transport in fleet] == [FILTERED * 2, RECEIVED * 2] * 2
    counted = bench.listener.intake.counters.verdicts
    assert (counted[Verdict.ACCEPTED], counted[Verdict.FILTERED]) == (4, 4)
