"""Real Cap'n Proto clients, with their own copy of the schema, against a real server."""

import json
import pickle
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import capnp  # type: ignore[import-untyped]
import pytest

from logboom.receivers.capnp import protocol as protocol_module
from logboom.testing.ports import free_port
from logboom.testing.server_kit import ServerProcess
from tests.kit.app_kit import FailingDisk, journal_lines
from tests.kit.app_thread import AppThread

SCHEMA = capnp.SchemaParser().load(str(Path(__file__).parents[1] / "schemas" / "logger_client.capnp"))
FIELDS: dict[str, Any] = {
    "timestamp": "2025-01-15T10:30:45.123Z",
    "hostname": "myhost",
    "loggerName": "app_logger",
    "module": "main",
    "filename": "main.py",
    "functionName": "process_data",
    "lineNumber": "42",
    "message": "Processing started",
    "pathName": "/srv/app/main.py",
    "processId": "4711",
    "processName": "MainProcess",
    "threadId": "140",
    "threadName": "MainThread",
    "serviceName": "orders",
    "stackTrace": "Traceback …\n  äöü",
}
WAIT_S = 20.0


class Client:
    """A deployed client: header and body written apart, nothing read."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def frame(self, payload: bytes) -> None:
        self.connection.sendall(len(payload).to_bytes(4, "big"))
        self.connection.sendall(payload)

    def log(self, *, segment: int | None = None, **fields: Any) -> None:
        self.frame(SCHEMA.LoggerMsg.new_message(segment, **fields).to_bytes_packed())

    def hello(self, **fields: str) -> None:
        self.frame(SCHEMA.HelloMsg.new_message(**fields).to_bytes())

    def end(self) -> bytes:
        """Say that no more will come; returns what the server has sent, once it has closed."""
        self.connection.shutdown(socket.SHUT_WR)
        return self.rest()

    def rest(self) -> bytes:
        try:
            return b"".join(iter(lambda: self.connection.recv(65536), b""))
        except ConnectionResetError:  # closed with bytes of ours unread
            return b""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path / "data", ("capnp",)) as running:
        yield running


@pytest.fixture
def connect(server: ServerProcess) -> Iterator[Callable[[], Client]]:
    with ExitStack() as stack:
        yield lambda: Client(stack.enter_context(server.connect("capnp")))


Connect = Callable[[], Client]


def stored(server: ServerProcess, count: int) -> list[dict[str, Any]]:
    """The journal's lines, once there are `count`."""
    deadline = time.monotonic() + WAIT_S
    while len(lines := server.journal_lines()) < count and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(lines) == count
    return [json.loads(line) for line in lines]


def errors(server: ServerProcess) -> list[str]:
    return [event["message"] for event in server.events if event["event"] == "error"]


def test_all_sixteen_fields_arrive_and_nothing_comes_back(server: ServerProcess, connect: Connect) -> None:
    client = connect()
    client.log(level="trade", **FIELDS)
    client.log(level="audit", message="of a newer client")
    assert client.end() == b""
    first, second = stored(server, 2)
    assert first["entry"] == {**FIELDS, "level": "TRADE"}
    assert (first["source"], first["listener"]) == ("127.0.0.1", "capnp")
    assert second["entry"]["level"] == "LEVEL_12"


def test_messages_of_several_segments_and_heartbeats_between(server: ServerProcess, connect: Connect) -> None:
    client = connect()
    for number, segment in enumerate((None, 1, 3, 16)):
        client.frame(b"")
        client.log(segment=segment, **{**FIELDS, "message": f"{number} " + "x" * 20_000}, level="error")
    client.frame(b"")
    assert client.end() == b""
    entries = [line["entry"] for line in stored(server, 4)]
    assert [entry["message"][:2] for entry in entries] == ["0 ", "1 ", "2 ", "3 "]
    assert {entry["stackTrace"] for entry in entries} == {FIELDS["stackTrace"]}


def test_clients_at_once_lose_nothing_and_keep_their_order(server: ServerProcess, connect: Connect) -> None:
    clients = [connect() for _ in range(4)]
    for start in range(0, 2000, 100):
        for index, client in enumerate(clients):
            messages = [
                SCHEMA.LoggerMsg.new_message(hostname=str(index), message=str(number)).to_bytes_packed()
                for number in range(start, start + 100)
            ]
            client.connection.sendall(b"".join(len(one).to_bytes(4, "big") + one for one in messages))
    for client in clients:
        client.end()
    entries = [line["entry"] for line in stored(server, 8000)]
    for index in range(4):
        numbers = [int(entry["message"]) for entry in entries if entry["hostname"] == str(index)]
        assert numbers == list(range(2000))


def test_a_malformed_frame_costs_only_its_own_connection(server: ServerProcess, connect: Connect) -> None:
    good, bad = connect(), connect()
    good.log(message="good 1")
    bad.log(message="before")
    bad.frame(SCHEMA.LoggerMsg.new_message(message="cut short").to_bytes_packed()[:-4])
    assert bad.rest() == b""
    server.wait_for(lambda event: event["event"] == "error")
    good.log(message="good 2")
    good.end()
    assert sorted(line["entry"]["message"] for line in stored(server, 3)) == ["before", "good 1", "good 2"]
    [error] = errors(server)
    assert error.startswith("capnp 127.0.0.1: malformed message of ")


def test_a_message_that_crashes_pycapnps_reader_does_not_crash_the_server(
    server: ServerProcess, connect: Connect
) -> None:
    """Two segments, the second one missing: `from_bytes_packed` ends a process that is given this."""
    bad = connect()
    bad.frame(bytes.fromhex("110101 0104 0000"))
    assert bad.rest() == b""
    good = connect()
    good.log(message="still there")
    good.end()
    assert stored(server, 1)[0]["entry"]["message"] == "still there"


def test_a_frame_above_the_limit_closes_with_one_line(tmp_path: Path) -> None:
    environment = {"LOGBOOM_LISTENERS__CAPNP__FRAME_BYTES_MAX": "1000"}
    with ServerProcess(tmp_path, ("capnp",), environment=environment) as server:
        with server.connect("capnp") as connection:
            client = Client(connection)
            client.log(message="x" * 800)
            client.log(message="x" * 1200)
            assert client.rest() == b""
        assert len(stored(server, 1)[0]["entry"]["message"]) == 800
        server.wait_for(lambda event: event["event"] == "disconnected")
        [error] = errors(server)
        assert "the limit is 1000 (frame_bytes_max)" in error


def test_a_pickle_is_refused_with_what_to_do(server: ServerProcess, connect: Connect) -> None:
    client = connect()
    client.frame(pickle.dumps({"name": "app", "msg": "as SocketHandler sends it"}, 1))
    assert client.rest() == b""
    told = server.wait_for(lambda event: event["event"] == "error")
    assert "SocketHandler" in told["message"]
    assert "logboom.LogboomHandler in the client, with the URL capnp://HOST:PORT" in told["message"]
    assert server.journal_lines() == []


def test_only_a_client_that_said_hello_gets_heartbeats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # at each look at the connections, not at each tenth
    monkeypatch.setattr(protocol_module, "HEARTBEAT_POLLS", 1)
    data_dir = tmp_path / "data"
    with AppThread(data_dir, ("capnp",)) as app, ExitStack() as stack:
        silent, greeted = (
            Client(stack.enter_context(socket.create_connection(("127.0.0.1", app.port("capnp")), WAIT_S)))
            for _ in range(2)
        )
        silent.log(message="no hello")
        greeted.hello(fromName="trader", fromHost="desk7", fromAddress="10.0.0.7", toAddress="10.0.0.1")
        greeted.log(message="hello")
        assert greeted.connection.recv(4) == greeted.connection.recv(4) == bytes(4)
        assert silent.end() == b""
    sources = {line["entry"]["message"]: line["source"] for line in map(json.loads, journal_lines(data_dir))}
    assert sources == {"hello": "trader@desk7", "no hello": "127.0.0.1"}


def send(protocol: str, url: str, text: str, *more: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "logboom", "send", "--to", url, "--as", protocol, *more]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)


def test_send_makes_messages_of_lines_and_objects(server: ServerProcess) -> None:
    lines = [
        "plain text",
        '{"level":"warn","message":"known keys","logger_name":"shop","lineno":7,"timestamp":"2025-01-15T10:30:45Z"}',
        '{"level":"trade","msg":"short","lineNumber":7}',
    ]
    result = send("capnp", f"capnp://127.0.0.1:{server.ports['capnp']}", "\n".join(lines))
    assert result.returncode == 0, result.stderr
    assert "3" in result.stderr
    plain, unknown, known = (line["entry"] for line in stored(server, 3))
    assert (plain["level"], plain["message"]) == ("INFO", "plain text")
    assert plain["hostname"] == socket.gethostname()
    assert (unknown["level"], unknown["message"]) == ("WARNING", lines[1])
    assert (unknown["timestamp"], unknown["loggerName"]) == ("2025-01-15T10:30:45Z", "")
    assert (known["level"], known["message"], known["lineNumber"]) == ("TRADE", "short", "7")


def test_simulated_applications_speak_it_too(server: ServerProcess) -> None:
    url = f"tcp://127.0.0.1:{server.ports['capnp']}"
    command = [sys.executable, "-m", "logboom", "simulate", "app", "--as=capnp", f"--to={url}"]
    options = ["--count=50", "--connections=2", "--seed=1"]
    result = subprocess.run([*command, *options], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    entries = [line["entry"] for line in stored(server, 100)]
    assert {entry["level"] for entry in entries} >= {"DEBUG", "INFO"}
    assert all(entry["serviceName"] and entry["timestamp"] for entry in entries)


def test_the_profile_is_document_002s_server(tmp_path: Path) -> None:
    port = free_port()
    options = ["--profile=ordered", "--tcp_only", "--name=MyLogServer", "--host=127.0.0.1", f"--port={port}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "logboom", "serve", *options],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        told: list[str] = []
        for line in process.stderr:
            told.append(line)
            if "ready in" in line:
                break
        assert all("MyLogServer : " in line for line in told)
        assert any(f"MyLogServer : TCP server listening on 127.0.0.1:{port}" in line for line in told)
        with socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as connection:
            client = Client(connection)
            client.log(level="info", **FIELDS)
            client.end()
        file = tmp_path / "logs" / "_main.log"
        deadline = time.monotonic() + WAIT_S
        while not (file.exists() and file.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.05)
        [line] = file.read_text(encoding="utf-8").splitlines()
    finally:
        process.terminate()
        process.wait(WAIT_S)
        process.stderr.close()
    assert line.split()[:3] == ["0", FIELDS["timestamp"], FIELDS["hostname"]]
    assert line.endswith(FIELDS["message"])


def test_messages_wait_for_a_disk_that_fails(tmp_path: Path) -> None:
    disk = FailingDisk()
    reading = b'{"id":"a","time":"2026-01-31 12:00:00","temp":1,"rh":2,"lux":3}'
    with AppThread(tmp_path, ("capnp", "gateway"), disk) as server:
        holding = [server.app.listeners[name].service.intake.holding for name in ("capnp", "gateway")]
        disk.failing = True
        with socket.create_connection(("127.0.0.1", server.port("gateway"))) as gateway:
            gateway.sendall(reading)
        with socket.create_connection(("127.0.0.1", server.port("capnp"))) as connection:
            client = Client(connection)
            client.log(**FIELDS)
            server.until(lambda: all(one is not None and one.is_active for one in holding))
            client.log(**FIELDS)
            disk.failing = False
            assert client.end() == b""
        server.until(lambda: not any(one is not None and one.is_active for one in holding))
    found = [json.loads(line)["listener"] for line in journal_lines(tmp_path)]
    assert sorted(found) == ["capnp", "capnp", "gateway"]
