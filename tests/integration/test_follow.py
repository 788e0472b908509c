"""Senders that go on: `send --follow` and the WebSocket, against fake servers and the real one."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from logboom.clients.delivery.delivery import Policy
from logboom.clients.delivery.report import Report
from logboom.clients.delivery.sending import send_lines
from logboom.clients.delivery.shipping import Shipper, patient_policy
from logboom.clients.follow.lastlines import LastLines
from logboom.clients.wire.dialect import ConnectFailedError
from logboom.clients.wire.dialect_registry import choose
from logboom.testing.ports import free_port
from logboom.testing.server_kit import ServerProcess
from tests.kit.spool_kit import texts_in

LIMIT_S = 30.0
QUICK = Policy(delays_s=(0.0,) * 50, ack_timeout_s=LIMIT_S)
LINES = [f"line {number}" for number in range(40)]


class FakeServer:
    """A WebSocket server that misbehaves on demand.

    Args:
        lists: also answers `GET /api/entries`, as Logboom does.
    """

    def __init__(self, *, lists: bool = True) -> None:
        self.stored: list[dict[str, Any]] = []
        self.connections = 0
        self.dies_after: list[int] = []
        """Numbers of stored messages at which a connection is cut instead of answering."""
        self.answer: Callable[[int], dict[str, Any]] = lambda number: {
            "status": "received",
            "message_id": number,
        }
        self.arrived = asyncio.Condition()
        self.busy_answers = 0
        """Questions for stored messages that are answered with 503."""
        self._lists = lists

    @asynccontextmanager
    async def serve(self) -> Any:
        application = web.Application()
        application.router.add_get("/", self._live)
        if self._lists:
            application.router.add_get("/api/entries", self._entries)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield f"ws://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()

    async def _live(self, request: web.Request) -> web.StreamResponse:
        self.connections += 1
        stream = web.WebSocketResponse()
        await stream.prepare(request)
        await stream.send_json(
            {"message": "of another peer", "type": "log", "source": "x", "status": "received"}
        )
        async for message in stream:
            if message.type is not WSMsgType.TEXT:
                break
            async with self.arrived:
                self.stored.append(json.loads(message.data))
                self.arrived.notify_all()
            if self.dies_after and len(self.stored) >= self.dies_after[0]:
                self.dies_after.pop(0)
                assert request.transport is not None
                request.transport.abort()
                break
            await stream.send_json({"timestamp": "2024-01-01T12:00:00", **self.answer(len(self.stored))})
        return stream

    async def _entries(self, request: web.Request) -> web.StreamResponse:
        if self.busy_answers:
            self.busy_answers -= 1
            return web.Response(status=503)
        assert request.query["source"] == self.stored[0]["source"]
        assert request.query["since"]
        end = int(request.query.get("before", len(self.stored)))
        start = max(0, end - 7)  # pages that are shorter than a window
        entries = [{"sequence": number, "entry": self.stored[number]} for number in range(start, end)][::-1]
        return web.json_response({"entries": entries, "before": start, "more": start > 0})

    def messages(self, kind: str = "log") -> list[Any]:
        return [one["message"] for one in self.stored if one["type"] == kind]

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(LIMIT_S), self.arrived:
            await self.arrived.wait_for(condition)


def play(server: FakeServer, scene: Callable[[str], Awaitable[object]]) -> None:
    async def run() -> None:
        async with server.serve() as url:
            await scene(url)

    asyncio.run(run())


async def deliver(url: str, policy: Policy = QUICK) -> Report:
    dialect, target = choose(None, url)
    return await send_lines(LINES, target, dialect, policy=policy)


@pytest.mark.parametrize("window", [1, 7, 100])
def test_every_message_is_acknowledged(window: int) -> None:
    server = FakeServer()

    async def scene(url: str) -> None:
        report = await deliver(url, Policy(window=window))
        assert report.acknowledged == len(LINES)
        assert report.ok

    play(server, scene)
    assert server.messages() == LINES
    assert server.stored[0].keys() == {"timestamp", "message", "source", "type", "line_count"}


def test_what_was_stored_but_not_answered_is_not_sent_again() -> None:
    server = FakeServer()
    server.dies_after = [5, 6, 20, 39]

    async def scene(url: str) -> None:
        assert (await deliver(url)).ok

    play(server, scene)
    assert server.messages() == LINES
    assert server.connections == 5


def test_a_server_that_cannot_be_asked_gets_it_again() -> None:
    server = FakeServer(lists=False)
    server.dies_after = [5]

    async def scene(url: str) -> None:
        assert (await deliver(url)).ok

    play(server, scene)
    assert server.messages().count(LINES[4]) == 2
    assert list(dict.fromkeys(server.messages())) == LINES


def test_a_server_that_is_too_busy_to_be_asked_is_asked_again() -> None:
    server = FakeServer()
    server.dies_after = [5, 20]
    server.busy_answers = 3

    async def scene(url: str) -> None:
        assert (await deliver(url)).ok

    play(server, scene)
    assert server.messages() == LINES
    assert server.busy_answers == 0


def test_refusals_and_limits() -> None:
    server = FakeServer()
    answers: dict[int, dict[str, Any]] = {
        2: {"status": "error", "message": "no"},
        3: {"status": "error", "message": "rate limit exceeded", "retry_after_s": 0.01},
        4: {"status": "error", "message": "storage unavailable"},
        5: {"status": "filtered"},
    }
    server.answer = lambda number: answers.get(number, {"status": "received", "message_id": number})

    async def scene(url: str) -> None:
        report = await deliver(url)
        assert report.refused == {"no": 1}
        assert (report.acknowledged, report.filtered, report.resent) == (len(LINES) - 2, 1, 2)

    play(server, scene)


def test_no_server_is_told_after_the_last_try() -> None:
    with pytest.raises(ConnectFailedError, match="connection refused"):
        asyncio.run(deliver(f"ws://127.0.0.1:{free_port()}", Policy(delays_s=(0.0,))))


def test_the_documents_sender(tmp_path: Path) -> None:
    """The last lines as one list, a status on each connection, heartbeats meanwhile."""
    server = FakeServer()
    path = tmp_path / "nohup.out"
    path.write_text("1\n2\n3\n4\n5\n6\n")

    async def scene(url: str) -> None:
        dialect, target = choose(None, url)
        dialect.heartbeat_s = 0.01  # type: ignore[attr-defined]
        policy = patient_policy(reconnects_max=10, window=10)
        shipper = Shipper(dialect, target, policy, report=Report(), source="whaleon-36381824", say=print)
        sender = asyncio.create_task(LastLines(path, 5, shipper, interval_s=0.01).run())
        await server.wait_for(
            lambda: server.messages() == [list("23456")] and bool(server.messages("heartbeat"))
        )
        path.write_text("1\n2\n3\n4\n5\n6\n7\n")
        await server.wait_for(lambda: server.messages() == [list("23456"), list("34567")])
        sender.cancel()
        await asyncio.gather(sender, return_exceptions=True)

    play(server, scene)
    assert server.stored[0]["message"] == "🚀 Whaleon log sender connected and ready"
    assert server.messages("heartbeat")[0] == "💓 Heartbeat from whaleon client"
    assert {one["source"] for one in server.stored} == {"whaleon-36381824"}


# the command, and the real server


def logboom(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "logboom", *arguments]


@contextmanager
def following(path: Path, server: ServerProcess, *options: str) -> Iterator["subprocess.Popen[str]"]:
    url = f"ws://127.0.0.1:{server.ports['http']}"
    state = path.with_name("state.json")
    command = logboom(
        "send",
        str(path),
        "--follow",
        "--to",
        url,
        f"--state={state}",
        "--interval=0.05",
        "--max-reconnects=0",
        *options,
    )
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def read_until(process: "subprocess.Popen[str]", text: str) -> None:
    """Read what a command logs up to the line with a text."""
    assert process.stderr is not None
    lines: list[str] = []
    while text not in (lines or [""])[-1]:
        lines.append(process.stderr.readline())
        assert lines[-1], lines


class JournalWatch:
    """Waits for what the server stores, by the file's own growth."""

    def __init__(self, server: ServerProcess) -> None:
        self._server = server

    def logs(self) -> list[Any]:
        entries = [json.loads(line)["entry"] for line in self._server.journal_lines()]
        return [entry["message"] for entry in entries if entry["type"] == "log"]

    def wait(self, count: int) -> list[Any]:
        """The messages, once there are `count` of them."""
        pause = threading.Event()
        for _ in range(int(LIMIT_S * 50)):
            if len(self.logs()) >= count:
                break
            pause.wait(0.02)
        return self.logs()


def append(path: Path, lines: list[str]) -> None:
    with path.open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


def test_the_server_is_killed_again_and_again(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    written: list[str] = []
    with (
        ServerProcess(tmp_path / "data", ("http",)) as server,
        following(path, server, "--window=16") as process,
    ):
        journal = JournalWatch(server)
        for number in range(2):
            fresh = [f"{number}.{line}" for line in range(2000)]
            append(path, fresh)
            journal.wait(len(written) + 100)
            server.kill()
            written += fresh
            read_until(process, "is away")
            server.start()
            read_until(process, "is back")
        assert journal.wait(len(written)) == written
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=LIMIT_S)
        assert journal.logs() == written
    assert process.returncode == 0, said


def test_the_sender_is_killed_again_and_again(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    written: list[str] = []
    with ServerProcess(tmp_path / "data", ("http",)) as server:
        journal = JournalWatch(server)
        for number in range(4):
            fresh = [f"{number}.{line}" for line in range(2000)]
            append(path, fresh)
            with following(path, server, "--window=16"):
                journal.wait(len(written) + 100)
            written += fresh
        with following(path, server):
            assert journal.wait(len(written)) == written


def test_rotation_while_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    with ServerProcess(tmp_path / "data", ("http",)) as server, following(path, server, "--multiline"):
        journal = JournalWatch(server)
        append(path, ["one", "two"])
        assert journal.wait(2) == ["one", "two"]
        path.rename(tmp_path / "app.log.1")
        append(path, ["three", "  more of it"])
        assert journal.wait(3)[2:] == [["three", "  more of it"]]
        (tmp_path / "app.log.1").write_bytes(path.read_bytes())
        os.truncate(path, 0)
        append(path, ["four"])
        assert journal.wait(4)[3:] == ["four"]


def test_rotations_during_an_outage(tmp_path: Path) -> None:
    """By rename and by copying; each file that was moved away is deleted at once."""
    path = tmp_path / "app.log"
    spool = tmp_path / "state.json.spool"
    pause = threading.Event()
    written: list[str] = []
    with ServerProcess(tmp_path / "data", ("http",)) as server, following(path, server):
        journal = JournalWatch(server)
        append(path, ["first"])
        assert journal.wait(1) == ["first"]
        server.kill()
        for number in range(4):
            fresh = [f"{number}.{line}" for line in range(500)]
            append(path, fresh)
            written += fresh
            while texts_in(spool)[-1:] != [fresh[-1].encode()]:
                pause.wait(0.02)
            copy = tmp_path / "app.log.1"
            if number % 2:
                copy.write_bytes(path.read_bytes())
                os.truncate(path, 0)
            else:
                path.rename(copy)
            copy.unlink()
        server.start()
        assert journal.wait(1 + len(written))[1:] == written


def test_what_waits_at_the_end_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    append(path, ["one", "two"])
    command = logboom("send", str(path), "--follow", "--to", f"ws://127.0.0.1:{free_port()}")
    options = [f"--state={tmp_path / 'st'}", "--max-reconnects=1"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert f"2 lines are not delivered yet; they are kept in {tmp_path / 'st.spool'}" in done.stderr


def test_both_sides_are_killed(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    written: list[str] = []
    with ServerProcess(tmp_path / "data", ("http",)) as server:
        journal = JournalWatch(server)
        for number in range(2):
            fresh = [f"{number}.{line}" for line in range(400)]
            append(path, fresh)
            with following(path, server, "--window=16"):
                journal.wait(len(written) + 100)
                server.kill()
            written += fresh
            path.rename(tmp_path / f"app.log.{9 - number}")
            server.start()
        with following(path, server):
            assert journal.wait(len(written)) == written


@contextmanager
def sending(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        logboom("send", *arguments), stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_named_pipe_is_followed_until_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ServerProcess(tmp_path / "data", ("http",)) as server:
        url = f"ws://127.0.0.1:{server.ports['http']}"
        with sending(str(pipe), "--follow", "--to", url, "--state", str(tmp_path / "st")) as process:
            journal = JournalWatch(server)
            for text in ("one", "two"):  # two writers, one after the other
                pipe.write_text(f"{text}\n")
            assert journal.wait(2) == ["one", "two"]
            process.send_signal(number)
            _, said = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, said
    assert "2 acknowledged" in said


def test_a_pipe_on_standard_input_is_followed_to_its_end(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", ("http",)) as server:
        url = f"ws://127.0.0.1:{server.ports['http']}"
        with sending("/dev/stdin", "--follow", "--to", url, "--state", str(tmp_path / "st")) as process:
            _, said = process.communicate("one\ntwo", timeout=LIMIT_S)
        assert (process.returncode, JournalWatch(server).logs()) == (0, ["one", "two"]), said


@pytest.mark.parametrize("options", [(), ("--trim",)])
def test_the_last_lines_once(tmp_path: Path, options: tuple[str, ...]) -> None:
    path = tmp_path / "app.log"
    append(path, [str(number) for number in range(9)])
    with ServerProcess(tmp_path / "data", ("http",)) as server:
        url = f"ws://127.0.0.1:{server.ports['http']}"
        with sending(str(path), "--last", "3", "--to", url, *options) as process:
            _, said = process.communicate(timeout=LIMIT_S)
        assert (process.returncode, JournalWatch(server).logs()) == (0, [["6", "7", "8"]]), said
    assert path.read_text() == ("6\n7\n8\n" if options else "".join(f"{number}\n" for number in range(9)))


@pytest.mark.parametrize("follows", [False, True])
@pytest.mark.parametrize("protocol", ["ws", "grpc", "capnp"])
def test_lines_of_any_encoding_arrive(tmp_path: Path, protocol: str, *, follows: bool) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(b'\xef\xbb\xbf{"level":"error","message":"one"}\n{"message":"caf\xe9"}\nlast\n')
    names = {"ws": "http", "grpc": "grpc", "capnp": "capnp"}
    with ServerProcess(tmp_path / "data", (names[protocol],)) as server:
        [port] = server.ports.values()
        options = ["--follow", "--state", str(tmp_path / "st")] if follows else []
        with sending(str(path), "--to", f"{protocol}://127.0.0.1:{port}", *options) as process:
            pause = threading.Event()
            while len(server.journal_lines()) < 3 + (follows and protocol == "ws"):
                assert process.poll() in (None, 0)
                pause.wait(0.02)
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=LIMIT_S)
        assert "Traceback" not in said
        entries = [json.loads(line)["entry"] for line in server.journal_lines()]
        entries = [entry for entry in entries if entry.get("type") != "status"]
        assert [entry["message"].removeprefix('{"message":"').removesuffix('"}') for entry in entries][
            1:
        ] == [
            "caf\ufffd",
            "last",
        ]
        assert "one" in entries[0]["message"]
        assert "\ufeff" not in entries[0]["message"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("send", "FOLDER", "--follow", "--to", "ws://127.0.0.1:1"), "is a directory"),
        (("send", "PIPE", "--follow", "--from-end", "--to", "ws://127.0.0.1:1"), "is a pipe"),
        (("send", "-", "--follow", "--to", "ws://127.0.0.1:1"), "needs a file"),
        (("send", "FILE", "--multiline", "--to", "ws://127.0.0.1:1"), "need --follow"),
        (("send", "FILE", "--follow", "--to", "tcp://127.0.0.1:1"), "name it"),
        (("send", "FILE", "--follow", "--to", "ws://127.0.0.1:1", "--multiline-start", "("), "regular"),
    ],
)
def test_wrong_usage_exits_2(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    names = {"FILE": tmp_path / "x", "FOLDER": tmp_path, "PIPE": tmp_path / "pipe"}
    words = [str(names.get(word, word)) for word in arguments]
    done = subprocess.run(
        logboom(*words),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path), "COLUMNS": "200"},
    )
    assert done.returncode == 2
    assert said in done.stderr


def test_without_a_server_it_gives_up_and_keeps_the_position(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    append(path, ["one"])
    url = f"ws://127.0.0.1:{free_port()}"
    command = logboom(
        "send", str(path), "--follow", "--to", url, "--state", f"{path}.state", "--max-reconnects", "1"
    )
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "connection refused" in done.stderr
    assert texts_in(tmp_path / "app.log.state.spool") == [b"one"]
