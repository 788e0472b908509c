"""Clients against servers that behave, and misbehave: real sockets, fake servers."""

import asyncio
import contextlib
import json
import os
import queue
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
import typer
from typer.testing import CliRunner

from logboom.cli import send, simulate
from logboom.cli.event_loop import run
from logboom.clients.delivery.delivery import Policy
from logboom.clients.delivery.report import Report
from logboom.clients.delivery.sending import send_file, send_lines
from logboom.clients.wire.dialect import ConnectFailedError
from logboom.clients.wire.dialect_registry import choose
from logboom.testing.ports import free_port

ACK = b'{"ack":1}\n'
RECEIVED = b'{"status":"ok","message":"received"}\n'
SILENCE_S = 0.2
"""Time for which the clients wait for an ack that a fake server withholds."""
FAST = Policy(ack_timeout_s=SILENCE_S, delays_s=(0.0, 0.0))
PATIENT = Policy(ack_timeout_s=20.0, delays_s=(0.0, 0.0))
CLOSE = None
RESET = b"a TCP reset, not these bytes"

Answer = Callable[[bytes], bytes | None]


def error(message: str, **fields: float) -> bytes:
    return json.dumps({"status": "error", "message": message, **fields}).encode() + b"\n"


class Server:
    """Answers each line with what `answer(line)` returns, or ends the connection; in a thread of its own."""

    def __init__(self, answer: Answer, host: str = "127.0.0.1") -> None:
        self._answer = answer
        self._host = host
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self.lines: list[bytes] = []
        self.connections = 0
        self.ended: queue.Queue[bytes] = queue.Queue()
        """For each connection that ended with EOF: what came after its last newline."""
        self.aborted: queue.Queue[None] = queue.Queue()

    def __enter__(self) -> Self:
        self._server = self._loop.run_until_complete(asyncio.start_server(self._accept, self._host, 0))
        self.port: int = self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _stop(self) -> None:
        self._server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"tcp://[{self._host}]:{self.port}" if ":" in self._host else f"tcp://{self._host}:{self.port}"

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await self._serve(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            self.aborted.put(None)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (line := await reader.readline()).endswith(b"\n"):
            self.lines.append(line.strip())
            reply = self._answer(line.strip())
            if reply is CLOSE:
                return
            if reply is RESET:
                connection = writer.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            writer.write(reply)
            await writer.drain()
        self.ended.put(line)


def answers(*replies: bytes | None, then: bytes) -> Answer:
    """Give these replies once, in order, then repeat the last one."""
    left = iter(replies)
    return lambda _line: next(left, then)


def deliver(
    server: Server, protocol: str, lines: list[bytes], policy: Policy = PATIENT, *, raw: bool = False
) -> Report:
    dialect, target = choose(protocol, server.url)
    return asyncio.run(send_lines(lines, target, dialect, policy=policy, raw=raw))


def device_lines(count: int) -> list[bytes]:
    return [b'{"boot_seq":1,"uptime_ms":%d,"seq":%d}' % (number * 10, number) for number in range(count)]


# device: counted acks


def test_a_device_server_acknowledges_everything() -> None:
    lines = device_lines(1000)
    with Server(lambda _: ACK) as server:
        report = deliver(server, "device", lines)
        assert server.lines == lines
        assert server.connections == 1
    assert report.ok
    assert (report.sent, report.acknowledged, report.resent) == (1000, 1000, 0)


def test_a_window_is_sent_before_its_acks_come_and_no_line_more() -> None:
    held: list[bytes] = []

    def answer(line: bytes) -> bytes:
        held.append(line)
        if len(held) < 8:
            return b""
        held.clear()
        return ACK * 8

    with Server(answer) as server:
        report = deliver(server, "device", device_lines(24), Policy(window=8, ack_timeout_s=20.0))
        assert len(server.lines) == 24
    assert report.ok


@pytest.mark.parametrize("bad", [0, 4, 9])
def test_a_silently_refused_line_is_found_within_its_window(bad: int) -> None:
    lines = device_lines(30)
    lines[10 + bad] = b"refused"
    stored: list[bytes] = []

    def answer(line: bytes) -> bytes:
        if line == b"refused":
            return b""
        stored.append(line)
        return ACK

    with Server(answer) as server:
        report = deliver(server, "device", lines, Policy(window=10, ack_timeout_s=SILENCE_S), raw=True)
        assert server.lines.count(b"refused") == 4  # once in its window, three times alone
    assert set(stored) == set(lines) - {b"refused"}
    assert (report.acknowledged, report.refused) == (29, {"not acknowledged": 1})
    assert not report.ok


def test_a_lost_ack_brings_the_identical_line_again() -> None:
    with Server(answers(b"", then=ACK)) as server:
        report = deliver(server, "device", [b"hello"], FAST)
        assert server.lines[0] == server.lines[1]
        assert server.connections == 2
    assert report.ok
    assert report.resent == 1


def test_a_connection_closed_in_a_window_loses_nothing() -> None:
    lines = device_lines(50)
    with Server(answers(*[ACK] * 5, CLOSE, then=ACK)) as server:
        report = deliver(server, "device", lines, Policy(window=20, ack_timeout_s=20.0, delays_s=(0.0,)))
        assert set(server.lines) == set(lines)
    assert report.ok
    assert (report.acknowledged, report.resent) == (50, 20)


@pytest.mark.parametrize("greeting", [ACK + ACK, b"220 ready\n", b"x" * 20_000])
def test_a_server_that_speaks_otherwise_is_not_believed(greeting: bytes) -> None:
    with Server(lambda _: greeting) as server:
        report = deliver(server, "device", [b"hello"], Policy(ack_timeout_s=20.0, tries=2, delays_s=(0.0,)))
    assert report.acknowledged == 0
    (reason,) = report.refused
    assert reason.startswith("connection lost: ")


def test_a_server_that_drops_everything_is_given_up() -> None:
    report = Report()
    with Server(lambda _: CLOSE) as server:
        dialect, target = choose("device", server.url)
        with pytest.raises(ConnectFailedError, match="drops every connection"):
            asyncio.run(send_lines(device_lines(100), target, dialect, policy=FAST, report=report))
    (reason,) = report.refused
    assert (report.refused[reason], reason.partition(":")[0]) == (5, "connection lost")
    assert "it may ask for a token" in reason
    assert report.unresolved == 95


# collector: one reply a line


def test_each_collector_reply_is_counted() -> None:
    replies = [
        RECEIVED,
        b'{"status":"ok","message":"filtered"}\n',
        error("invalid JSON"),
        error("line too long"),
    ]
    with Server(answers(*replies * 5, then=RECEIVED)) as server:
        report = deliver(server, "collector", [b"x"] * 23)
        assert len(server.lines) == 23
    assert (report.acknowledged, report.filtered) == (8, 5)
    assert report.refused == {"invalid JSON": 5, "line too long": 5}


def test_text_is_wrapped_and_blank_lines_are_left_out() -> None:
    with Server(lambda _: RECEIVED) as server:
        report = deliver(
            server, "collector", [b"\n", b"hello\r\n", b"  ", b'{"level":"ERROR","message":"m"}\n']
        )
        assert [json.loads(line) for line in server.lines] == [
            {"level": "INFO", "message": "hello"},
            {"level": "ERROR", "message": "m"},
        ]
    assert report.ok


def test_limited_lines_are_sent_again_in_order() -> None:
    limited = error("rate limit exceeded", retry_after_s=0.05)
    lines = [b"%d" % number for number in range(6)]
    with Server(answers(RECEIVED, RECEIVED, limited, limited, limited, limited, then=RECEIVED)) as server:
        report = deliver(server, "collector", lines)
        assert [json.loads(line)["message"] for line in server.lines[6:]] == ["2", "3", "4", "5"]
    assert report.ok
    assert (report.acknowledged, report.resent) == (6, 4)


def test_a_limit_longer_than_the_patience_is_a_refusal() -> None:
    limited = error("rate limit exceeded", retry_after_s=3600)
    with Server(answers(RECEIVED, then=limited)) as server:
        report = deliver(server, "collector", [b"x"] * 3)
    assert (report.acknowledged, report.refused) == (1, {"rate limit exceeded": 2})


def test_a_busy_server_is_asked_again_but_not_for_ever() -> None:
    busy = error("storage unavailable")
    with Server(answers(busy, busy, then=RECEIVED)) as server:
        assert deliver(server, "collector", [b"x", b"y"], FAST).ok
    with Server(lambda _: busy) as server:
        report = deliver(server, "collector", [b"x"], FAST)
        assert len(server.lines) == 3
    assert report.refused == {"storage unavailable": 1}


def test_replies_before_a_closed_connection_hold() -> None:
    with Server(answers(RECEIVED, RECEIVED, CLOSE, then=RECEIVED)) as server:
        report = deliver(server, "collector", [b"%d" % number for number in range(5)])
        messages = Counter(json.loads(line)["message"] for line in server.lines)
    assert report.ok
    assert set(messages) == {"0", "1", "2", "3", "4"}


def test_a_source_that_pauses_is_sent_at_once() -> None:
    """Each read blocks until the line before it has arrived: a client that waited for more would hang."""
    with Server(lambda _: RECEIVED) as server:
        dialect, target = choose("collector", server.url)
        arrived: queue.Queue[int] = queue.Queue()
        reads = iter([b"one\n", b"two\n", b""])

        def read(_size: int) -> bytes:
            if (chunk := next(reads)) != b"one\n":
                arrived.get()
            return chunk

        sending = send_file(
            read, target, dialect, policy=PATIENT, on_window=lambda report: arrived.put(report.sent)
        )
        assert run(sending).acknowledged == 2


# gateway: no answer


def test_a_gateway_gets_everything_and_then_the_end() -> None:
    lines = [b'{"time":"t","temp":%d,"rh":1,"lux":2}' % number for number in range(500)]
    with Server(lambda _: b"") as server:
        report = deliver(server, "gateway", [*lines, b"text"])
        assert server.ended.get(timeout=20) == b""
        assert server.lines == lines
    assert (report.unconfirmed, report.acknowledged, report.unfit) == (500, 0, 1)
    assert report.refused == {"not a JSON object": 1}


def test_readings_on_a_connection_that_broke_are_not_called_sent() -> None:
    """The server resets the connection before the end was said; only then is the last read given out."""
    with Server(lambda _: RESET) as server:
        dialect, target = choose("gateway", server.url)
        reads = iter([b'{"temp":1}\n' * 10, b""])

        def read(_size: int) -> bytes:
            if chunk := next(reads):
                return chunk
            server.aborted.get(timeout=20)
            return b""

        report = run(send_file(read, target, dialect, policy=PATIENT))
    assert (report.unconfirmed, report.refused) == (0, {"connection lost": 10})


# connections


def test_no_server_is_an_error_that_names_it() -> None:
    dialect, target = choose("device", f"tcp://127.0.0.1:{free_port()}")
    with pytest.raises(ConnectFailedError, match=f"can't connect to tcp://127.0.0.1:{target.port}"):
        asyncio.run(send_lines([b"x"], target, dialect, policy=FAST))


def test_ipv6() -> None:
    try:
        server = Server(lambda _: ACK, "::1").__enter__()
    except OSError:
        pytest.skip("no IPv6 here")
    with contextlib.ExitStack() as stack:
        stack.push(server)
        assert deliver(server, "device", [b"x"]).ok


# the commands

commands = typer.Typer()
commands.command("send")(send.send)
commands.add_typer(simulate.app, name="simulate")


def command(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(commands, arguments)
    return result.exit_code, result.stderr


@pytest.fixture
def log_file(tmp_path: Path) -> str:
    path = tmp_path / "app.log"
    path.write_text("one\ntwo\n\nthree")
    return str(path)


def test_send_exits_0_when_all_is_acknowledged(log_file: str) -> None:
    with Server(lambda _: ACK) as server:
        code, said = command("send", log_file, "--to", server.url, "--as", "device")
    assert code == 0, said
    assert said.startswith("3 sent, 3 acknowledged in ")


def test_send_exits_1_when_a_line_is_refused(log_file: str) -> None:
    with Server(answers(error("invalid JSON"), then=RECEIVED)) as server:
        code, said = command("send", log_file, "--to", server.url, "--as", "collector", "--raw")
        assert server.lines == [b"one", b"two", b"three"]
    assert code == 1
    assert "2 acknowledged, 1 refused (invalid JSON: 1)" in said


def test_send_exits_3_without_a_server(log_file: str) -> None:
    url = f"tcp://127.0.0.1:{free_port()}"
    code, said = command("send", log_file, "--to", url, "--as", "device", "--connect-tries", "1")
    assert code == 3
    assert f"can't connect to {url}" in said


@pytest.mark.parametrize(
    "arguments",
    [
        ("send", "FILE", "--to", "http://127.0.0.1:1", "--as", "device"),
        ("send", "FILE", "--to", "tcp://127.0.0.1:1", "--as", "telnet"),
        ("send", "FILE.missing", "--to", "tcp://127.0.0.1:1", "--as", "device"),
        ("send", "FILE", "--to", "tcp://127.0.0.1:1", "--as", "device", "--window", "0"),
        ("simulate", "sensor", "--to", "tcp://"),
        ("simulate", "device", "--backoff", "soon"),
    ],
)
def test_wrong_usage_exits_2(log_file: str, arguments: tuple[str, ...]) -> None:
    assert command(*(word.replace("FILE", log_file) for word in arguments))[0] == 2


def test_help_names_protocols_and_exit_codes() -> None:
    said = CliRunner().invoke(commands, ["send", "--help"]).stdout
    for word in ("device", "collector", "gateway", "could not connect"):
        assert word in said


def spawn(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", "from logboom.cli import main; main()", *arguments],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


def test_send_reads_standard_input(processes: list[subprocess.Popen[bytes]]) -> None:
    with Server(lambda _: RECEIVED) as server:
        process = spawn("send", "--to", server.url, "--as", "collector")
        processes.append(process)
        _, said = process.communicate(b"x\n" * 5000, timeout=30)
        assert len(server.lines) == 5000
    assert process.returncode == 0
    assert said.startswith(b"5,000 sent, 5,000 acknowledged")


def test_ctrl_c_ends_a_send_that_waits_for_input(processes: list[subprocess.Popen[bytes]]) -> None:
    arrived = threading.Event()

    def answer(_line: bytes) -> bytes:
        arrived.set()
        return RECEIVED

    with Server(answer) as server:
        process = spawn("send", "-", "--to", server.url, "--as", "collector")
        processes.append(process)
        assert process.stdin is not None
        process.stdin.write(b"one\n")
        process.stdin.flush()
        assert arrived.wait(30)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 1
        assert process.stderr is not None
        said = process.stderr.read().decode()
    assert "interrupted" in said
    assert "1 sent" in said


def test_ctrl_c_ends_an_endless_simulation_well(processes: list[subprocess.Popen[bytes]]) -> None:
    enough = threading.Semaphore(0)

    def answer(_line: bytes) -> bytes:
        enough.release()
        return RECEIVED

    with Server(answer) as server:
        process = spawn("simulate", "app", "--to", server.url, "--count", "0", "--connections", "3")
        processes.append(process)
        for _ in range(100):
            assert enough.acquire(timeout=30)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 0, said
    assert b"acknowledged in" in said


def test_simulated_devices_live_their_whole_life() -> None:
    with Server(lambda _: ACK) as server:
        life = ("--boot-seq", "7", "--heartbeat-interval", "0.01", "--heartbeats", "2")
        load = ("--count", "9", "--rate", "0", "--connections", "3", "--seed", "1")
        code, said = command("simulate", "device", "--to", server.url, *life, *load)
        lines = [json.loads(line) for line in server.lines]
    assert code == 0, said
    boots = Counter(line["boot_seq"] for line in lines)
    assert boots == {7: 11, 8: 11, 9: 11}
    first = [line for line in lines if line["boot_seq"] == 7]
    assert [line.get("seq") for line in first] == [*range(1, 10), None, None]
    assert [line["ts"] is None for line in first] == [True] * 5 + [False] * 6
    assert [line.split(":")[0] for line in said.splitlines()[:4]] == ["boot", "NTP sync", "heartbeat", "done"]
    assert "33 sent, 33 acknowledged" in said


def test_a_slow_device_sends_heartbeats_between_its_entries() -> None:
    with Server(lambda _: ACK) as server:
        timing = ("--rate", "5", "--heartbeat-interval", "0.01", "--heartbeats", "0")
        code, _ = command("simulate", "device", "--to", server.url, "--count", "3", *timing)
        kinds = [json.loads(line).get("type", "log") for line in server.lines]
    assert code == 0
    assert kinds.count("log") == 3
    assert "heartbeat" in kinds[1:-1]


def test_a_simulated_device_sends_the_identical_line_until_it_is_acknowledged() -> None:
    with Server(answers(ACK, b"", CLOSE, then=ACK)) as server:
        trouble = ("--ack-timeout", str(SILENCE_S), "--backoff", "0,0")
        load = ("--count", "3", "--rate", "0", "--heartbeats", "0")
        code, said = command("simulate", "device", "--to", server.url, *trouble, *load)
        assert server.lines[1] == server.lines[2] == server.lines[3]
    assert code == 0, said
    assert "3 acknowledged, 2 resent" in said


def test_a_simulation_that_is_refused_exits_1() -> None:
    limited = error("rate limit exceeded", retry_after_s=60)
    with Server(answers(RECEIVED, RECEIVED, then=limited)) as server:
        code, said = command("simulate", "app", "--to", server.url, "--count", "5", "--level", "error")
        assert {json.loads(line)["level"] for line in server.lines} == {"error"}
    assert code == 1
    assert "2 acknowledged, 3 refused (rate limit exceeded: 3)" in said


def test_a_simulation_without_a_server_exits_1() -> None:
    url = f"tcp://127.0.0.1:{free_port()}"
    code, said = command("simulate", "device", "--to", url, "--backoff", "")
    assert code == 1
    assert "can't connect" in said


def test_simulated_sensors_with_and_without_newlines() -> None:
    with Server(lambda _: b"") as server:
        load = ("--count", "4", "--rate", "0", "--seed", "1")
        assert command("simulate", "sensor", "--to", server.url, *load)[0] == 0
        assert server.ended.get(timeout=20) == b""
        assert command("simulate", "sensor", "--to", server.url, *load, "--bare")[0] == 0
        bare = server.ended.get(timeout=20)
        assert bare == b"".join(server.lines)
