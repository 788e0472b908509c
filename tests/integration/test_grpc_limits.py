"""Who may call over gRPC, and how much at once: attackers with gRPC's own client, and by hand."""

import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc  # type: ignore[import-untyped]

from logboom import app as app_module
from logboom.formats.proto_schema import load_schema
from logboom.model import Verdict
from logboom.pipeline.door import Refused
from logboom.pipeline.intake import Limit
from logboom.pipeline.tokens import add_token
from logboom.receivers.grpc.entry import REAL
from logboom.servers import grpc as grpc_listener
from logboom.servers import grpc_calls, grpc_gate, grpc_options, grpc_relay, grpc_services
from tests.kit.app_kit import journal_lines
from tests.kit.app_thread import AppThread
from tests.kit.proxy_kit import v1, v2

LIMIT_S = 30.0
STORED = b"\x08\x01"
MESSAGE, STREAM = "/logservice.LogService/LogMessage", "/logservice.LogService/LogStream"
CHECK, WATCH = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"
REFLECT = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
Code = grpc.StatusCode


def request(text: str) -> bytes:
    message: bytes = load_schema(REAL).messages["LogRequest"](message=text).SerializeToString()
    return message


class World:
    """A running server, and its clients."""

    def __init__(self, app: AppThread, data_dir: Path) -> None:
        self.app = app
        self.data_dir = data_dir
        self.counters = app.app.monitor.counters("grpc")
        self.channel = self.connect()
        self._held: list[Any] = []
        self._gate = threading.Event()

    def connect(self) -> Any:
        """A connection of its own."""
        options = [("grpc.use_local_subchannel_pool", 1)]
        return grpc.insecure_channel(f"127.0.0.1:{self.app.port('grpc')}", options)

    def send(self, message: bytes = b"", token: str = "", channel: Any = None, **metadata: str) -> bytes:
        """One call of the usual kind; raises its status."""
        shown = [("authorization", f"Bearer {token}")] if token else []
        call = (channel or self.channel).unary_unary(MESSAGE)
        answer: bytes = call(
            message or request("m"),
            metadata=[*shown, *metadata.items()],
            timeout=LIMIT_S,
            wait_for_ready=True,
        )
        return answer

    def open(self, path: str, *, brings: bytes | None = None, channel: Any = None) -> Any:
        """A call that is opened, brings a message or none, and does not end."""

        def messages() -> Iterator[bytes]:
            if brings is not None:
                yield brings
            self._gate.wait(LIMIT_S)

        call = (channel or self.channel).stream_stream(path)(messages(), timeout=LIMIT_S)
        self._held.append(call)
        return call

    def close(self) -> None:
        self._gate.set()
        for call in self._held:
            call.cancel()
        self.channel.close()


def status(call: Callable[[], Any]) -> tuple[Any, str]:
    """How a call ends that does not end well."""
    with pytest.raises(grpc.RpcError, match=r"status = StatusCode\.") as caught:
        call()
    return caught.value.code(), caught.value.details()


def until(condition: Callable[[], bool]) -> None:
    """Let the server, which has a thread of its own, go on until something is so."""
    ends_at = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < ends_at
        time.sleep(0.001)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Starts a server with the given settings of its listener."""
    running: list[tuple[World, AppThread]] = []

    def start(**settings: Any) -> World:
        app = AppThread(tmp_path, ("grpc",), settings={"listeners": {"grpc": settings}})
        app.__enter__()
        running.append((World(app, tmp_path), app))
        return running[-1][0]

    yield start
    for world, app in running:
        world.close()
        app.__exit__(None, None, None)


# --- calls at once


@pytest.mark.parametrize("path", [MESSAGE, STREAM, "/LogService/LogMessage"])
def test_a_call_without_a_token_ends_before_it_brings_anything(
    serve: Callable[..., World], tmp_path: Path, path: str
) -> None:
    token = add_token(tmp_path / "tokens.json", "writer", ("write",))
    world = serve(auth="token")
    assert status(lambda: next(world.open(path)))[0] is Code.UNAUTHENTICATED
    assert world.send(token=token) == STORED
    assert status(lambda: world.send(token="wrong"))[0] is Code.UNAUTHENTICATED
    assert world.counters.auth_failed == 1
    until(lambda: "call refused: a token is needed" in world.app.log.getvalue())


def test_strangers_take_no_places(
    serve: Callable[..., World], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grpc_gate, "RPCS_MAX", 5)
    monkeypatch.setattr(grpc_services, "WATCHES_PER_ADDRESS_MAX", 3)
    token = add_token(tmp_path / "tokens.json", "writer", ("write",))
    world = serve(auth="token")
    calls = {path: [world.open(path) for _ in range(10)] for path in (WATCH, REFLECT, MESSAGE)}
    assert {status(partial(next, one))[0] for one in calls[MESSAGE]} == {Code.UNAUTHENTICATED}
    limits = world.counters.limits_reached
    until(lambda: limits[Limit.GRPC_CALLS] == 17)  # all but three of those who watch, or ask for the schema
    assert world.send(token=token) == STORED


@pytest.mark.parametrize("bound", ["RPCS_MAX", "CALLS_PER_ADDRESS_MAX"])
def test_calls_above_the_bound_are_refused_and_counted(
    serve: Callable[..., World], monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(grpc_gate, bound, 2)
    world = serve()
    streams = [world.open(STREAM, brings=request("m")) for _ in range(2)]
    assert [next(one) for one in streams] == [STORED] * 2
    code, detail = status(world.send)
    assert (code, "too many calls at once" in detail) == (Code.RESOURCE_EXHAUSTED, True)
    assert world.counters.limits_reached[Limit.GRPC_CALLS] == 1
    until(lambda: "grpc 127.0.0.1: call refused: too many calls" in world.app.log.getvalue())
    streams[0].cancel()
    listener = world.app.app.listeners["grpc"].service
    assert isinstance(listener, grpc_listener.GrpcListener)
    served = listener._served
    assert served is not None
    until(lambda: served.gate.calls.taken < 2)
    assert world.send() == STORED


def test_one_address_leaves_places_to_others() -> None:
    places = grpc_gate.Places(3, 2)
    assert [places.take(one) for one in ("a", "a", "a", "b", "b")] == [True, True, False, True, False]
    places.leave("a")
    assert places.take("b")
    assert not places.take("a")


def test_a_connection_is_told_how_many_calls_it_may_have(serve: Callable[..., World]) -> None:
    port = serve().app.port("grpc")
    with (
        socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S) as one,
        one.makefile("rb") as received,
    ):
        one.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
        size = int.from_bytes(received.read(9)[:3], "big")
        told = dict(struct.iter_unpack(">HI", received.read(size)))
    assert told[3] == grpc_options.STREAMS_PER_CONNECTION_MAX  # SETTINGS_MAX_CONCURRENT_STREAMS


def test_long_metadata_costs_its_call_only(serve: Callable[..., World]) -> None:
    world = serve()
    code, _ = status(lambda: world.send(note="x" * (2 * grpc_options.METADATA_BYTES_MAX)))
    assert code is Code.RESOURCE_EXHAUSTED
    assert world.send(note="x" * 1000) == STORED


def test_calls_that_wait_for_the_disk_are_bounded(
    serve: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grpc_calls, "WAITING_BYTES_MAX", 10)
    monkeypatch.setattr(app_module, "PENDING_BYTES_MAX", 0)
    world = serve()
    code, detail = status(lambda: world.send(request("x" * 100)))
    assert (code, "wait for the disk" in detail) == (Code.RESOURCE_EXHAUSTED, True)
    assert world.counters.limits_reached[Limit.GRPC_WAITING_BYTES] == 1


# --- time


@pytest.mark.parametrize("path", [MESSAGE, CHECK, WATCH])
def test_a_call_that_brings_nothing_ends(
    serve: Callable[..., World], monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(grpc_gate, "MESSAGE_S_MAX", 0.01)
    world = serve()
    code, detail = status(lambda: next(world.open(path)))
    assert (code, "did not come" in detail) == (Code.DEADLINE_EXCEEDED, True)
    assert world.counters.limits_reached[Limit.GRPC_CALL_TIME] == 1


def test_asking_for_the_schema_ends(serve: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc_services, "REFLECTION_S_MAX", 0.01)
    world = serve()
    assert status(lambda: next(world.open(REFLECT)))[0] is Code.DEADLINE_EXCEEDED
    assert world.counters.limits_reached[Limit.GRPC_CALL_TIME] == 1


@pytest.mark.parametrize("path", [MESSAGE, CHECK])
def test_a_call_that_ends_without_a_message_says_so(serve: Callable[..., World], path: str) -> None:
    call = serve().channel.stream_unary(path)
    assert status(lambda: call(iter(()), timeout=LIMIT_S))[0] is Code.INVALID_ARGUMENT


@pytest.mark.parametrize("path", [CHECK, WATCH, REFLECT])
def test_garbage_beside_the_log_services_is_an_invalid_argument(
    serve: Callable[..., World], path: str
) -> None:
    world = serve()
    code, detail = status(lambda: next(world.open(path, brings=b"\xff")))
    assert (code, detail) == (Code.INVALID_ARGUMENT, "the message can't be read")


def test_an_idle_connection_is_closed_and_nobody_notices(
    serve: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grpc_options, "IDLE_MS", 50)
    world = serve()
    assert world.send() == STORED
    idle = threading.Event()

    def look(state: grpc.ChannelConnectivity) -> None:
        if state is grpc.ChannelConnectivity.IDLE:
            idle.set()

    world.channel.subscribe(look)
    assert idle.wait(LIMIT_S)
    assert world.send() == STORED


# --- connections


def test_a_denied_network_gets_nothing(serve: Callable[..., World]) -> None:
    world = serve(deny=["127.0.0.0/8"])
    ask = health_pb2_grpc.HealthStub(world.channel).Check
    list_services = reflection_pb2.ServerReflectionRequest(list_services="")
    reflect = reflection_pb2_grpc.ServerReflectionStub(world.channel).ServerReflectionInfo
    for call in (
        lambda: ask(health_pb2.HealthCheckRequest(), timeout=LIMIT_S),
        lambda: next(reflect(iter([list_services]), timeout=LIMIT_S)),
        lambda: next(world.open(MESSAGE, brings=request("m"))),
        lambda: next(world.open(STREAM)),
        lambda: next(world.open(WATCH)),
    ):
        assert status(call)[0] is Code.UNAVAILABLE
    assert world.counters.connections_turned_away[Refused.NETWORK] > 0


HEAD = b"".join(
    b"\0%c%b%c%b" % (len(name), name, len(value), value)
    for name, value in (
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", MESSAGE.encode()),
        (b":authority", b"localhost"),
        (b"content-type", b"application/grpc"),
        (b"te", b"trailers"),
    )
)
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind: int, flags: int, stream: int, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + data


HEADERS, SETTINGS, CONTINUATION, END_HEADERS = 1, 4, 9, 4
BEGIN = PREFACE + frame(SETTINGS, 0, 0)


def read_to_end(one: socket.socket) -> None:
    try:
        while one.recv(4096):
            pass
    except ConnectionError:
        pass


@pytest.mark.parametrize(
    "sent",
    [
        BEGIN + frame(HEADERS, 0, 1, HEAD) + frame(CONTINUATION, 0, 1, b"\0\4aaaa\x7f\0" + b"b" * 127) * 2000,
        BEGIN + frame(HEADERS, 0, 1, HEAD) + frame(CONTINUATION, 0, 1) * 100,
        BEGIN + frame(HEADERS, END_HEADERS, 1, bytes(100_000)),
        BEGIN + frame(HEADERS, 0, 1, HEAD) + frame(SETTINGS, 0, 0),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
        b"PRI * HTTP/1.0\r\n\r\n",
    ],
    ids=["fields", "empty frames", "one frame", "another frame within", "HTTP/1", "TLS", "no preface"],
)
def test_what_the_core_would_keep_ends_the_connection(serve: Callable[..., World], sent: bytes) -> None:
    world = serve()
    with socket.create_connection(("127.0.0.1", world.app.port("grpc")), timeout=LIMIT_S) as one:
        with contextlib.suppress(ConnectionError):
            one.sendall(sent)
        read_to_end(one)
    until(lambda: world.counters.connections_open == 0)
    until(lambda: "closed" in world.app.log.getvalue())
    assert world.send() == STORED


@pytest.mark.parametrize(
    "sent", [BEGIN + frame(HEADERS, 0, 1, HEAD), BEGIN + frame(HEADERS, 4, 1, HEAD)[:-9], PREFACE[:9]]
)
def test_a_head_that_does_not_come_to_its_end_is_waited_for_so_long(
    serve: Callable[..., World], monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(grpc_relay, "HEAD_S_MAX", 0.0)
    monkeypatch.setattr(grpc_listener, "HEALTH_INTERVAL_S", 0.01)
    world = serve()
    with socket.create_connection(("127.0.0.1", world.app.port("grpc")), timeout=LIMIT_S) as one:
        one.sendall(sent)
        read_to_end(one)
    until(lambda: world.counters.limits_reached[Limit.HEAD_BYTES] + world.counters.slow_closed == 1)


def test_a_head_in_pieces_is_a_head(serve: Callable[..., World]) -> None:
    world = serve()
    pieces = [
        frame(HEADERS, 0, 1, HEAD[:20]),
        frame(CONTINUATION, 0, 1, HEAD[20:40]),
        frame(CONTINUATION, 4, 1, HEAD[40:]),
    ]
    body = request("in pieces")
    data = frame(0, 1, 1, b"\0" + struct.pack(">I", len(body)) + body)
    with socket.create_connection(("127.0.0.1", world.app.port("grpc")), timeout=LIMIT_S) as one:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in BEGIN + b"".join(pieces) + data:
            one.sendall(bytes([byte]))
        received = b""
        while STORED not in received:
            received += one.recv(4096)
    assert len(journal_lines(world.data_dir)) == 1


def test_nobody_calls_past_the_relay(serve: Callable[..., World]) -> None:
    world = serve()
    path = world.data_dir / "grpc" / "grpc.sock"
    assert path.parent.stat().st_mode & 0o777 == 0o700
    with grpc.insecure_channel(f"unix:{path}") as channel:
        assert status(lambda: world.send(channel=channel))[0] is Code.PERMISSION_DENIED
    assert world.send() == STORED


def test_grpc_reads_proxy_headers(serve: Callable[..., World]) -> None:
    world = serve(proxy_from=["127.0.0.1/32"], allow=["192.0.2.0/24"])
    body = request("through a proxy")
    call = frame(HEADERS, 4, 1, HEAD) + frame(0, 1, 1, b"\0" + struct.pack(">I", len(body)) + body)
    for header, stored in (
        (v1("192.0.2.7"), True),
        (v2("192.0.2.8"), True),
        (v2("198.51.100.1"), False),
        (b"", False),
    ):
        with socket.create_connection(("127.0.0.1", world.app.port("grpc")), timeout=LIMIT_S) as one:
            with contextlib.suppress(ConnectionError):
                one.sendall(header + BEGIN + call)
            received = b""
            with contextlib.suppress(ConnectionError):
                while STORED not in received and (data := one.recv(4096)):
                    received += data
            assert (STORED in received) == stored
    assert [json.loads(line)["source"] for line in journal_lines(world.data_dir)] == [
        "192.0.2.7",
        "192.0.2.8",
    ]


def test_connections_are_counted_and_an_address_has_only_so_many(
    serve: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grpc_listener, "HEALTH_INTERVAL_S", 0.01)
    world = serve(connections_per_address_max=2, deny=["127.0.0.9/32"])
    counters, place = world.counters, ("127.0.0.1", world.app.port("grpc"))
    assert world.send() == STORED
    until(lambda: counters.connections_open == 1)
    with socket.create_connection(place, timeout=LIMIT_S):
        until(lambda: counters.connections_open == 2)
        for address in ("127.0.0.1", "127.0.0.9"):
            with socket.create_connection(place, timeout=LIMIT_S, source_address=(address, 0)) as one:
                while one.recv(4096):
                    pass
        assert world.send() == STORED
    until(lambda: counters.connections_open == 1)
    assert counters.connections_total == 2
    assert counters.connections_turned_away == {Refused.ADDRESS: 1, Refused.NETWORK: 1, Refused.FULL: 0}
    until(lambda: "127.0.0.9 turned away: its network may not connect" in world.app.log.getvalue())


# --- messages


def test_a_message_that_is_too_long_is_counted_and_told(serve: Callable[..., World]) -> None:
    world = serve(frame_bytes_max=1000)
    large = request("x" * 1000)
    code, detail = status(lambda: world.send(large))
    assert code is Code.RESOURCE_EXHAUSTED
    assert detail == f"message of {len(large)} bytes, larger than max (1000, frame_bytes_max)"
    call = world.channel.stream_stream(STREAM)(iter([request("a"), large, request("b")]), timeout=LIMIT_S)
    assert next(call) == STORED
    assert status(lambda: next(call)) == (code, detail)
    assert world.counters.verdicts[Verdict.TOO_LONG] == 2
    until(lambda: world.app.log.getvalue().count(f"line refused: {detail}") == 2)
    assert world.send() == STORED
    assert len(journal_lines(world.data_dir)) == 2


def test_a_long_stack_trace_is_stored(serve: Callable[..., World]) -> None:
    world = serve()
    assert world.send(request("x" * ((4 << 20) - 10))) == STORED
    [line] = journal_lines(world.data_dir)
    assert len(line) > 4 << 20


def test_what_grows_too_long_as_json_is_refused(serve: Callable[..., World]) -> None:
    world = serve()
    code, detail = status(lambda: world.send(request("\x01" * (3 << 20))))
    assert (code, "larger than max" in detail) == (Code.RESOURCE_EXHAUSTED, True)
    assert world.counters.verdicts[Verdict.TOO_LONG] == 1
    assert journal_lines(world.data_dir) == []
    assert world.send() == STORED
