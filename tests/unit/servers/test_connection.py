"""One connection: replies in order, flow control that always lets go again, nothing lost at the end."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from logboom.pipeline.inlet import IN_FLIGHT_BYTES_MAX
from logboom.servers import connection as connection_module
from logboom.servers.connection import (
    BUFFERED_BYTES_MAX,
    CHEAP_READS,
    SLOW_S,
    SMALL_READ_BYTES,
    TURN_S,
)

if TYPE_CHECKING:
    from tests.unit.servers.conftest import Bench

MakeBench = Callable[..., "Bench"]

ACK = b'{"ack":1}\n'
LINE = b'{"boot_seq":1,"uptime_ms":1}\n'
READING = b'{"time":"t","temp":1,"rh":2,"lux":3}'
RECEIVED = b'{"status":"ok","message":"received"}\n'
INVALID = b'{"status":"error","message":"invalid JSON"}\n'


def test_a_line_is_answered_once_it_is_settled(make_bench: MakeBench) -> None:
    bench = make_bench()
    connection, transport = bench.connect("2001:db8::1")
    bench.receive(connection, LINE)
    assert transport.written == b""
    bench.intake.answer()
    assert transport.written == ACK
    (batch,) = bench.intake.batches
    assert batch.source[:3] == ("front", "2001:db8::1", "2001:db8::1")
    assert batch.received_ns > 0


def test_batches_in_flight_are_answered_in_order(make_bench: MakeBench) -> None:
    bench = make_bench("collector")
    connection, transport = bench.connect()
    good = b'{"level":"INFO","message":"m"}\n'
    for line in (good, b"nope\n", good * 2, b"nope\n"):
        bench.receive(connection, line)
    assert len(bench.intake.waiting) == 4
    bench.settle()
    assert transport.written == RECEIVED + INVALID + RECEIVED * 2 + INVALID


def test_one_batch_a_turn_so_that_others_have_theirs(make_bench: MakeBench) -> None:
    bench = make_bench("collector")
    connection, transport = bench.connect()
    lines = b'{"level":"INFO","message":"m"}\nnope\n' * 4000
    bench.receive(connection, lines)
    seen = []
    while bench.loop.ready:
        seen.append(len(bench.intake.batches))
        bench.loop.turn()
    assert seen == sorted(set(seen))
    assert len(seen) > 3
    bench.settle()
    assert transport.written == (RECEIVED + INVALID) * 4000


def test_a_sender_that_is_too_fast_is_not_read_until_the_journal_has_caught_up(make_bench: MakeBench) -> None:
    bench = make_bench()
    connection, transport = bench.connect()
    sent = 0
    while transport.is_reading():
        bench.receive(connection, LINE * 1000)
        bench.loop.run()
        sent += 1000
        assert sent * len(LINE) < 2 * IN_FLIGHT_BYTES_MAX
    assert sent * len(LINE) >= IN_FLIGHT_BYTES_MAX
    assert len(connection.get_buffer(-1)) == SMALL_READ_BYTES
    bench.settle()
    assert transport.is_reading()
    assert transport.written == ACK * sent


def test_what_waits_to_be_judged_is_bounded(make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "TURN_S", float("inf"))  # so that only the size stops its reading
    monkeypatch.setattr(connection_module, "SLOW_S", float("inf"))
    bench = make_bench()
    connection, transport = bench.connect()
    piece = b"x\n" * 10_000
    while transport.is_reading():
        bench.receive(connection, piece)  # and the loop does not turn
        held = connection._protocol.buffered_bytes()
        assert held <= BUFFERED_BYTES_MAX + len(piece)
    assert held >= BUFFERED_BYTES_MAX
    bench.settle()
    assert connection._protocol.buffered_bytes() == 0
    assert transport.is_reading()
    assert transport.written == b""


def test_a_peer_that_does_not_read_its_replies_is_not_read(make_bench: MakeBench) -> None:
    bench = make_bench()
    connection, transport = bench.connect()
    connection.pause_writing()
    bench.receive(connection, LINE)
    assert not transport.is_reading()
    assert bench.intake.batches == []
    connection.resume_writing()
    bench.settle()
    assert transport.is_reading()
    assert transport.written == ACK


def test_a_journal_that_is_behind_pauses_all_and_wakes_all(make_bench: MakeBench) -> None:
    bench = make_bench()
    connections = [bench.connect() for _ in range(3)]
    bench.behind = True
    for connection, _ in connections:
        bench.receive(connection, LINE * 2)
    assert not any(transport.is_reading() for _, transport in connections)
    bench.turns.advanced()
    assert bench.intake.batches == []
    bench.behind = False
    bench.turns.advanced()
    bench.settle()
    assert all(transport.is_reading() for _, transport in connections)
    assert all(transport.written == ACK * 2 for _, transport in connections)


def test_the_journal_falls_behind_while_batches_are_in_flight(make_bench: MakeBench) -> None:
    bench = make_bench()
    connection, transport = bench.connect()
    bench.receive(connection, LINE)
    bench.behind = True
    bench.receive(connection, LINE)
    assert not transport.is_reading()
    bench.intake.answer()  # the last one in flight, and the journal is still behind
    assert not transport.is_reading()
    bench.behind = False
    bench.turns.advanced()
    bench.settle()
    assert transport.is_reading()
    assert transport.written == ACK * 2


# --- the end ---


def test_at_the_end_everything_is_answered_before_the_close(make_bench: MakeBench) -> None:
    bench = make_bench()
    connection, transport = bench.connect()
    bench.receive(connection, LINE * 3 + LINE.strip())
    assert connection.eof_received()
    assert not transport.is_closing()
    bench.loop.run()
    assert not transport.is_closing()
    bench.settle()
    assert transport.written == ACK * 4
    assert transport.is_closing()


def test_connect_and_close(make_bench: MakeBench) -> None:
    bench = make_bench()
    connection, transport = bench.connect()
    connection.eof_received()
    bench.settle()
    assert transport.is_closing()
    assert [kind for kind, _ in bench.reports] == ["connected", "disconnected"]
    assert bench.intake.counters.connections_open == 0


@pytest.mark.parametrize("blocked_by", ["journal", "in flight", "replies"])
def test_the_end_may_come_while_the_connection_is_blocked(make_bench: MakeBench, blocked_by: str) -> None:
    bench = make_bench()
    connection, transport = bench.connect()
    bench.behind = blocked_by == "journal"
    count = 10
    if blocked_by == "replies":
        connection.pause_writing()
    if blocked_by == "in flight":
        count = IN_FLIGHT_BYTES_MAX // len(LINE) + 1000
    bench.receive(connection, LINE * count)
    connection.eof_received()
    bench.loop.run()
    assert not transport.is_closing()
    bench.behind = False
    connection.resume_writing()
    bench.turns.advanced()
    bench.settle()
    assert transport.written == ACK * count
    assert transport.is_closing()


@pytest.mark.parametrize(
    "store",
    [
        "stored",
        "answered at once",
    ],
)
def test_a_burst_of_mixed_lines_and_the_end_gets_every_reply(make_bench: MakeBench, store: str) -> None:
    bench = make_bench("collector", at_once=store == "answered at once")
    connection, transport = bench.connect()
    lines = b'{"level":"INFO","message":"m"}\nnope\n' * 3000
    bench.receive(connection, lines)
    connection.eof_received()
    bench.settle()
    assert transport.is_closing()
    assert transport.written == (RECEIVED + INVALID) * 3000


def test_many_small_batches_that_are_answered_at_once(make_bench: MakeBench) -> None:
    bench = make_bench("collector", at_once=True, line_bytes_max=64)
    connection, transport = bench.connect()
    connection.pause_writing()
    lines = (b"x" * 65 + b"\nnope\n") * 3000  # an over-long line is a batch of its own
    bench.receive(connection, lines)
    connection.resume_writing()
    bench.settle()
    assert transport.is_reading()
    assert transport.written.count(b"\n") == 6000


def test_complete_lines_are_stored_when_the_connection_breaks(make_bench: MakeBench) -> None:
    bench = make_bench("gateway")
    connection, _ = bench.connect()
    bench.receive(connection, READING * 3 + READING[:-5])
    connection.connection_lost(ConnectionResetError(104, "reset"))
    bench.settle()
    assert bench.intake.entries == [READING] * 3
    assert "reset" in bench.told("disconnected")[0]


@pytest.mark.parametrize(
    "blocked_by",
    [
        "journal",
        "in flight",
    ],
)
def test_complete_lines_are_stored_when_a_blocked_connection_breaks(
    make_bench: MakeBench, blocked_by: str
) -> None:
    bench = make_bench("gateway")
    connection, _ = bench.connect()
    bench.behind = blocked_by == "journal"
    count = 10 if bench.behind else IN_FLIGHT_BYTES_MAX // len(READING) + 5000
    bench.receive(connection, READING * count)
    bench.loop.run()
    connection.connection_lost(ConnectionResetError(104, "reset"))
    bench.behind = False
    bench.turns.advanced()
    bench.settle()
    assert len(bench.intake.entries) == count


def test_nothing_is_written_to_a_lost_connection(make_bench: MakeBench) -> None:
    bench = make_bench()
    connection, transport = bench.connect()
    bench.receive(connection, LINE)
    transport.close()
    bench.settle()
    assert transport.written == b""
    assert bench.intake.entries == [LINE.strip()]


def test_busy_connections_are_not_idle(make_bench: MakeBench) -> None:
    bench = make_bench()
    connection, _ = bench.connect()
    seen = [connection.idle]
    bench.receive(connection, LINE)
    seen.append(connection.idle)
    bench.settle()
    seen.append(connection.idle)
    assert seen == [True, False, True]


class Cost:
    """A clock by which each judging takes as long as the test says."""

    def __init__(self) -> None:
        self.cost_s = 0.0
        self._now = 0.0
        self._started = False

    def __call__(self) -> float:
        self._started = not self._started
        self._now += 0.0 if self._started else self.cost_s
        return self._now


def test_what_is_expensive_to_judge_waits_for_the_others_turn(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    cost = Cost()
    monkeypatch.setattr(time, "thread_time", cost)
    bench = make_bench("gateway", at_once=True)
    connection, transport = bench.connect()
    full = len(connection.get_buffer(-1))
    junk = b"{" * full

    def is_read() -> bool:
        return transport.reading

    bench.receive(connection, junk)
    assert is_read()

    cost.cost_s = 2 * TURN_S
    bench.receive(connection, junk)
    assert not is_read()
    bench.loop.run()
    assert is_read()
    assert len(connection.get_buffer(-1)) == full

    cost.cost_s = 2 * SLOW_S
    bench.receive(connection, junk)
    bench.loop.run()
    assert is_read()
    assert len(connection.get_buffer(-1)) == SMALL_READ_BYTES  # from now on in small bites, one a turn

    cost.cost_s = 0.0
    for _ in range(CHEAP_READS):
        bench.receive(connection, b"\n" * 10)
        bench.loop.run()
    assert len(connection.get_buffer(-1)) == full


ENTRY = b'{"boot_seq":1,"uptime_ms":1,"level":"ERROR","message":"m","time":"t","temp":1,"rh":2,"lux":3}\n'


@pytest.mark.parametrize("protocol", ["device", "gateway", "collector"])
@pytest.mark.parametrize("request_line", [b"POST / HTTP/1.1", b"GET /?q HTTP/1.1"])
def test_what_a_browser_sends_is_no_entry(make_bench: MakeBench, protocol: str, request_line: bytes) -> None:
    request = request_line + b"\r\nHost: 127.0.0.1\r\nOrigin: http://evil.example\r\n\r\n" + ENTRY
    for size in (1, 3, len(request)):
        bench = make_bench(protocol, at_once=True)
        connection, transport = bench.connect()
        for start in range(0, len(request), size):
            if not transport.aborted:
                bench.receive(connection, request[start : start + size])
        assert transport.aborted
        bench.settle()
        assert bench.intake.entries == []
        assert bench.told("warning") == ["front 10.0.0.1 speaks HTTP, and this port takes entries; closed"]


def test_what_only_begins_like_http_is_answered_as_any_line(make_bench: MakeBench) -> None:
    bench = make_bench("collector", at_once=True)
    connection, transport = bench.connect()
    for piece in (b"P", b"O", b"STED by hand\n", ENTRY):
        bench.receive(connection, piece)
    bench.settle()
    assert transport.written == INVALID + RECEIVED
