"""A listener: how many connections, idle times, and what it says."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from logboom.pipeline.intake import Limit
from logboom.pipeline.unread import UNREAD_S_MAX
from logboom.servers import tcp
from logboom.servers.tcp import QUIET_ABOVE_PER_S

if TYPE_CHECKING:
    from tests.unit.servers.conftest import Bench

MakeBench = Callable[..., "Bench"]
LINE = b'{"boot_seq":1,"uptime_ms":1}\n'


def test_comings_and_goings_are_counted_and_told(make_bench: MakeBench) -> None:
    bench = make_bench()
    first, _ = bench.connect("10.0.0.7")
    bench.connect("10.0.0.8")
    first.connection_lost(None)
    counters = bench.intake.counters
    assert (counters.connections_total, counters.connections_open) == (2, 1)
    assert bench.told("connected") == ["front 10.0.0.7 connected", "front 10.0.0.8 connected"]
    assert bench.told("disconnected") == ["front 10.0.0.7 disconnected"]


@pytest.mark.parametrize("limits", [{"connections_max": 2}, {"files_max": 2}])
def test_connections_above_the_limit_are_turned_away(make_bench: MakeBench, limits: dict[str, int]) -> None:
    bench = make_bench(**limits)
    kept = [bench.connect() for _ in range(2)]
    late, transport = bench.connect("10.0.0.9")
    assert transport.aborted
    late.connection_lost(None)
    assert bench.intake.counters.connections_refused == 1
    assert bench.intake.counters.connections_open == 2
    assert bench.told("warning") == ["front 10.0.0.9 turned away: 2 connections are open already"]
    kept[0][0].connection_lost(None)
    assert not bench.connect()[1].aborted


def test_a_silent_connection_is_warned_about_once_and_stays_open(make_bench: MakeBench) -> None:
    bench = make_bench(idle_warn_s=30.0)
    connection, transport = bench.connect()
    for _ in range(60):
        bench.loop.now += 1
        bench.listener.sweep(bench.loop.now)
    assert bench.told("warning") == ["front 10.0.0.1: no data for 31 s"]
    assert not transport.closed
    bench.receive(connection, LINE)
    for _ in range(60):
        bench.loop.now += 1
        bench.listener.sweep(bench.loop.now)
    assert len(bench.told("warning")) == 2


def test_a_silent_connection_is_closed_where_that_is_set(make_bench: MakeBench) -> None:
    bench = make_bench("gateway", idle_close_s=60.0)
    _, silent = bench.connect("10.0.0.1")
    busy, busy_transport = bench.connect("10.0.0.2")
    for _ in range(61):
        bench.loop.now += 1
        bench.receive(busy, b"\n")
        bench.listener.sweep(bench.loop.now)
    assert silent.closed
    assert not busy_transport.closed
    assert bench.told("warning") == ["front 10.0.0.1: no data for 61 s, closed"]


def test_who_is_closed_as_idle_and_does_not_read_is_told_and_counted_once(make_bench: MakeBench) -> None:
    bench = make_bench(idle_close_s=60.0)
    _, transport = bench.connect()
    transport.stuck = True  # its replies do not leave
    for _ in range(65):
        bench.loop.now += 1
        bench.listener.sweep(bench.loop.now)
    assert (transport.closed, transport.aborted) == (True, True)
    assert bench.told("warning") == ["front 10.0.0.1: no data for 61 s, closed"]
    assert bench.intake.counters.limits_reached[Limit.IDLE] == 1
    bench.loop.run()
    assert bench.intake.counters.connections_open == 0


def test_who_is_closed_and_reads_slowly_gets_its_replies(make_bench: MakeBench) -> None:
    bench = make_bench(idle_close_s=60.0)
    connection, transport = bench.connect()
    bench.receive(connection, LINE)
    transport.stuck = True
    transport.close()
    for _ in range(60):
        bench.loop.now += 1
        bench.listener.sweep(bench.loop.now)
    assert not transport.aborted


def test_a_reload_ends_connections_that_may_not_be_here_any_more(make_bench: MakeBench) -> None:
    bench = make_bench()
    _, denied = bench.connect("10.0.0.1")
    _, kept = bench.connect("10.0.0.2")
    bench.listener.configure(make_bench(deny=["10.0.0.1"]).listener._settings)
    bench.listener.sweep(bench.loop.now)
    assert (denied.aborted, kept.aborted) == (True, False)
    assert bench.told("warning") == ["front 10.0.0.1 its network may not connect any more; closed"]
    assert bench.connect("10.0.0.1")[1].aborted


def test_zero_means_never(make_bench: MakeBench) -> None:
    bench = make_bench()
    _, transport = bench.connect()
    bench.loop.now += 1e6
    bench.listener.sweep(bench.loop.now)
    assert not transport.closed
    assert bench.told("warning") == []


def test_a_peer_that_never_reads_its_replies_is_disconnected(make_bench: MakeBench) -> None:
    bench = make_bench()
    _, transport = bench.connect()
    transport.unsent = 1
    bench.listener.sweep(bench.loop.now)
    bench.loop.now += UNREAD_S_MAX
    bench.listener.sweep(bench.loop.now)
    assert not transport.closed
    bench.loop.now += 1
    bench.listener.sweep(bench.loop.now)
    assert transport.aborted
    assert bench.told("warning") == ["front 10.0.0.1 took nothing of what waits for it for 60 s; closed"]


def test_a_flood_of_connections_is_told_as_a_number(make_bench: MakeBench) -> None:
    bench = make_bench()
    for _ in range(QUIET_ABOVE_PER_S + 30):
        bench.connect()
    assert len(bench.reports) == QUIET_ABOVE_PER_S
    bench.listener.sweep(bench.loop.now)
    assert bench.reports[-1] == ("info", "front: 30 more connections came or went")
    bench.connect()
    assert bench.reports[-1][0] == "connected"


def test_idle_times_may_change_while_running(make_bench: MakeBench) -> None:
    bench = make_bench()
    _, transport = bench.connect()
    bench.listener.configure(make_bench(idle_close_s=5.0).listener._settings)
    bench.loop.now += 6
    bench.listener.sweep(bench.loop.now)
    assert transport.closed


# --- sockets ---


def test_a_listener_serves_on_its_port_until_it_is_drained(make_bench: MakeBench) -> None:
    async def run() -> None:
        bench = make_bench(host="127.0.0.1", at_once=True)
        await bench.listener.start()
        (port,) = bench.listener.ports
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(LINE)
        assert await reader.readline() == b'{"ack":1}\n'
        bench.listener.stop()
        bench.listener.stop()
        await bench.listener.drain(5.0)
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        assert f"127.0.0.1:{port}" in bench.told("listening")[0]

    asyncio.run(run())


def test_draining_waits_for_answers_but_not_for_ever(make_bench: MakeBench) -> None:
    async def run() -> None:
        bench = make_bench(host="127.0.0.1")
        await bench.listener.start()
        connection, transport = bench.connect()
        bench.receive(connection, LINE)
        asyncio.get_running_loop().call_soon(bench.intake.answer)
        await bench.listener.drain(5.0)
        assert transport.written == b'{"ack":1}\n'
        assert transport.closed
        stuck, stuck_transport = bench.connect()
        bench.receive(stuck, LINE)
        await bench.listener.drain(0.0)
        assert stuck_transport.closed
        bench.listener.stop()

    asyncio.run(run())


def test_many_that_end_within_a_line_leave_turns_to_others(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tcp, "ENDINGS_S", 0.0)
    bench = make_bench()
    honest, answers = bench.connect("10.0.0.2")
    ending = [bench.connect() for _ in range(10)]
    for connection, _ in ending:
        bench.receive(connection, b'{"a":"' + b"x" * 16_000)
        connection.eof_received()
    assert bench.intake.batches == []
    bench.loop.turn()
    assert len(bench.intake.batches) == 1
    bench.receive(honest, LINE)
    bench.settle()
    assert answers.written == b'{"ack":1}\n'
    assert len(bench.intake.batches) == 11
    assert all(connection.idle for connection, _ in ending)
