"""Real gRPC clients, generated from their own copies of both layouts, against the whole server."""

import asyncio
import errno
import importlib
import io
import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from google.protobuf.descriptor_pool import DescriptorPool  # type: ignore[import-untyped]
from google.protobuf.message_factory import GetMessageClass  # type: ignore[import-untyped]
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (  # type: ignore[import-untyped]
    ProtoReflectionDescriptorDatabase,
)

from logboom.clients.delivery.delivery import Policy
from logboom.clients.delivery.report import Report
from logboom.clients.delivery.sending import send_lines
from logboom.clients.wire.dialect_registry import choose
from logboom.errors import ListenerError
from logboom.journal.disk import Disk
from logboom.servers.grpc_options import STREAM_BYTES_MAX
from tests.kit.app_kit import journal_lines, port_of, run_scenario, running_app

SCHEMAS = Path(__file__).parents[1] / "schemas"
FIELDS: dict[str, Any] = {
    "timestamp": "2025-01-15T10:30:45.123Z",
    "hostname": "myhost",
    "logger_name": "app_logger",
    "module": "main",
    "level": 6,
    "filename": "main.py",
    "function_name": "process_data",
    "line_number": "42",
    "message": 'Processing "started"\n  äöü',
    "path_name": "/srv/app/main.py",
    "process_id": "4711",
    "process_name": "MainProcess",
    "thread_id": "140",
    "thread_name": "MainThread",
    "service_name": "orders",
    "stack_trace": "Traceback …",
}
Code = grpc.StatusCode


class GatedDisk(Disk):
    """A disk that can be told to fail, or to wait; counts its syncs."""

    def __init__(self) -> None:
        self.failing = False
        self.syncs = 0
        self.reached = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def sync(self, descriptor: int) -> None:
        self.reached.set()
        self.gate.wait(30)
        if self.failing:
            raise OSError(errno.EIO, "says the test")
        self.syncs += 1
        super().sync(descriptor)


@pytest.fixture(scope="session")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """What protoc makes of the clients' copies."""
    folder = tmp_path_factory.mktemp("stubs")
    names = ("real_client", "document_client")
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{SCHEMAS}", f"--python_out={folder}"]
    command += [f"--grpc_python_out={folder}", *(f"{name}.proto" for name in names)]
    subprocess.run(command, check=True)
    sys.path.insert(0, str(folder))
    try:
        found = {
            name: importlib.import_module(name)
            for stub in names
            for name in (f"{stub}_pb2", f"{stub}_pb2_grpc")
        }
        yield SimpleNamespace(**found)
    finally:
        sys.path.remove(str(folder))


class World:
    """A running server, and a channel to it."""

    def __init__(
        self, app: Any, channel: Any, stubs: SimpleNamespace, data_dir: Path, log: io.StringIO
    ) -> None:
        self.app = app
        self.port = port_of(app)
        self.channel = channel
        self.stubs = stubs
        self.data_dir = data_dir
        self.log = log
        self.service = stubs.real_client_pb2_grpc.LogServiceStub(channel)
        self.document = stubs.document_client_pb2_grpc.LogServiceStub(channel)
        self.health = health_pb2_grpc.HealthStub(channel)

    def request(self, **fields: Any) -> Any:
        return self.stubs.real_client_pb2.LogRequest(**fields)

    def batch(self, *messages: str) -> Any:
        return self.stubs.real_client_pb2.LogBatch(entries=[self.request(message=one) for one in messages])

    def raw(self, method: str) -> Any:
        return self.channel.unary_unary(method)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in journal_lines(self.data_dir)]

    def messages(self) -> list[str]:
        return [line["entry"]["message"] for line in self.lines()]

    def url(self) -> str:
        return f"grpc://127.0.0.1:{self.port}"


Scenario = Callable[[World], Coroutine[Any, Any, None]]
Play = Callable[..., None]


@pytest.fixture
def play(tmp_path: Path, stubs: SimpleNamespace) -> Play:
    """Runs a scenario with a server that has the given settings."""

    @asynccontextmanager
    async def world(disk: Disk | None, settings: dict[str, Any]) -> AsyncIterator[World]:
        log = io.StringIO()
        async with running_app(tmp_path / "data", "grpc", disk=disk, log=log, **settings) as app:
            address = f"127.0.0.1:{port_of(app)}"
            async with grpc.aio.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
                yield World(app, channel, stubs, tmp_path / "data", log)

    def run(scenario: Scenario, disk: Disk | None = None, **settings: Any) -> None:
        async def main() -> None:
            async with world(disk, settings) as one:
                await scenario(one)

        run_scenario(main())

    return run


async def failure(call: Any) -> tuple[Any, str]:
    """The status that a call ends with."""
    with pytest.raises(grpc.aio.AioRpcError, match=r"status = StatusCode\.") as caught:
        await call
    return caught.value.code(), caught.value.details()


async def until(condition: Callable[[], bool]) -> None:
    """Let the server, which runs on this loop, go on until something is so."""
    while not condition():  # noqa: ASYNC110 - the server has no event for each thing that a test may wait for
        await asyncio.sleep(0)


async def talk(call: Any, *requests: Any) -> tuple[list[Any], Any, str]:
    """Send requests over a stream: the responses, and the status at the end."""

    async def send() -> None:
        try:
            for request in requests:
                await call.write(request)
            await call.done_writing()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            pass  # the server has ended it; the status tells

    sending = asyncio.create_task(send())
    responses = []
    try:
        while (response := await call.read()) is not grpc.aio.EOF:
            responses.append(response)
    except grpc.aio.AioRpcError:
        pass
    await sending
    return responses, await call.code(), await call.details()


# one call, one entry


def test_the_real_layout_is_stored_whole(play: Play) -> None:
    async def scenario(world: World) -> None:
        response = await world.service.LogMessage(world.request(**FIELDS))
        assert response.success is True
        [line] = world.lines()
        assert line["entry"] == {**FIELDS, "level": "TRADE"}
        assert (line["source"], line["listener"]) == ("127.0.0.1", "grpc")

    play(scenario)


def test_the_bridge_is_an_alias(play: Play) -> None:
    async def scenario(world: World) -> None:
        bridge = world.stubs.real_client_pb2_grpc.LogBridgeStub(world.channel)
        assert (await bridge.LogMessage(world.request(**FIELDS))).success
        assert world.messages() == [FIELDS["message"]]

    play(scenario)


def test_the_documents_layout_is_stored_whole(play: Play) -> None:
    async def scenario(world: World) -> None:
        request = world.stubs.document_client_pb2.LogRequest
        fields = {name: FIELDS[name] for name in request.DESCRIPTOR.fields_by_name}
        assert (await world.document.LogMessage(request(**fields))).success
        assert world.lines()[0]["entry"] == {**fields, "level": "TRADE"}

    play(scenario)


@pytest.mark.parametrize(
    ("number", "word"), [(0, "NOTSET"), (11, "CRITICAL"), (12, "LEVEL_12"), (-1, "LEVEL_-1")]
)
def test_every_level_number_is_kept(play: Play, number: int, word: str) -> None:
    async def scenario(world: World) -> None:
        await world.service.LogMessage(world.request(message="m", level=number))
        assert world.lines()[0]["entry"]["level"] == word

    play(scenario)


def test_concurrent_calls_share_commits(play: Play) -> None:
    disk = GatedDisk()

    async def scenario(world: World) -> None:
        disk.gate.clear()
        calls = [
            asyncio.ensure_future(world.service.LogMessage(world.request(message=str(i)))) for i in range(100)
        ]
        counters = world.app.listeners["grpc"].service.intake.counters
        await until(lambda: counters.batches == len(calls))
        disk.gate.set()
        await asyncio.gather(*calls)
        assert disk.syncs <= 3
        assert sorted(world.messages(), key=int) == [str(i) for i in range(100)]

    play(scenario, disk)


def test_an_answer_waits_for_the_commit(play: Play) -> None:
    disk = GatedDisk()

    async def scenario(world: World) -> None:
        disk.gate.clear()
        call = asyncio.ensure_future(world.service.LogMessage(world.request(message="m")))
        await asyncio.to_thread(disk.reached.wait)
        await world.health.Check(health_pb2.HealthCheckRequest())  # a whole exchange later
        assert not call.done()
        disk.gate.set()
        assert (await call).success

    play(scenario, disk)


# what is refused, and how


@pytest.mark.parametrize("path", ["/logservice.LogService/LogMessage", "/LogService/LogMessage"])
@pytest.mark.parametrize("message", [b"\xff", b"\x0a\x05abc", b"\x0a\x02\xff\xfe", b"{}"])
def test_garbage_is_an_invalid_argument(play: Play, path: str, message: bytes) -> None:
    async def scenario(world: World) -> None:
        code, detail = await failure(world.raw(path)(message))
        assert code is Code.INVALID_ARGUMENT
        assert "LogRequest" in detail
        assert (await world.service.LogMessage(world.request(message="fine"))).success
        assert world.messages() == ["fine"]
        assert f"line refused: {detail}" in world.log.getvalue()

    play(scenario)


def test_the_layouts_are_not_mixed_up(play: Play) -> None:
    async def scenario(world: World) -> None:
        real = world.request(**FIELDS).SerializeToString()
        names = world.stubs.document_client_pb2.LogRequest.DESCRIPTOR.fields_by_name
        document = world.stubs.document_client_pb2.LogRequest(**{name: FIELDS[name] for name in names})
        code, detail = await failure(
            world.raw("/logservice.LogService/LogMessage")(document.SerializeToString())
        )
        assert code is Code.INVALID_ARGUMENT
        assert "/LogService/LogMessage" in detail
        code, detail = await failure(world.raw("/LogService/LogMessage")(real))
        assert code is Code.INVALID_ARGUMENT
        assert "/logservice.LogService/LogMessage" in detail
        assert not world.lines()

    play(scenario)


def test_an_unknown_method_is_unimplemented(play: Play) -> None:
    async def scenario(world: World) -> None:
        code, _ = await failure(world.raw("/logservice.LogService/Other")(b""))
        assert code is Code.UNIMPLEMENTED

    play(scenario)


def test_storage_trouble_is_unavailable_and_shows_in_the_health(play: Play) -> None:
    disk = GatedDisk()

    async def scenario(world: World) -> None:
        watch = world.health.Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        disk.failing = True
        assert await failure(world.service.LogMessage(world.request(message="a"))) == (
            Code.UNAVAILABLE,
            "storage unavailable",
        )
        stream = await talk(world.service.LogStream(), world.request(message="b"))
        assert stream == ([], Code.UNAVAILABLE, "storage unavailable")
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        disk.failing = False
        assert (await world.service.LogMessage(world.request(message="c"))).success
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        assert world.messages() == ["c"]
        watch.cancel()

    play(scenario, disk)


def test_a_rate_limit_says_when_it_ends(play: Play) -> None:
    async def scenario(world: World) -> None:
        request = world.request(message="m")
        assert (await world.service.LogMessage(request)).success
        with pytest.raises(grpc.aio.AioRpcError, match="RESOURCE_EXHAUSTED") as caught:
            await world.service.LogMessage(request)
        assert caught.value.code() is Code.RESOURCE_EXHAUSTED
        assert 0 < float(dict(caught.value.trailing_metadata())["retry-after-s"]) <= 3600
        assert len(world.lines()) == 1

    play(scenario, rate_limit_enabled=True, rate_limit_requests_max=1, rate_limit_window_s=3600)


def test_filtered_entries_are_answered_as_fine(play: Play) -> None:
    async def scenario(world: World) -> None:
        requests = [world.request(message=str(level), level=level) for level in (1, 3, 9, 10, 99)]
        responses, code, _ = await talk(world.service.LogStream(), *requests)
        assert [response.success for response in responses] == [True] * 5
        assert code is Code.OK
        assert world.messages() == ["9", "10", "99"]

    play(scenario, level_min="WARNING")


def test_too_large_a_message_harms_nobody_else(play: Play) -> None:
    async def scenario(world: World) -> None:
        large = world.request(message="x" * 5000)
        code, detail = await failure(world.service.LogMessage(large))
        assert (code, "larger than max" in detail) == (Code.RESOURCE_EXHAUSTED, True)
        responses, code, _ = await talk(world.service.LogStream(), world.request(message="a"), large)
        assert code is Code.RESOURCE_EXHAUSTED
        assert len(responses) <= 1
        assert (await world.service.LogMessage(world.request(message="b"))).success

    play(scenario, frame_bytes_max=4096)


def test_a_deadline_ends_the_call_and_not_the_server(play: Play) -> None:
    disk = GatedDisk()

    async def scenario(world: World) -> None:
        disk.gate.clear()
        code, _ = await failure(world.service.LogMessage(world.request(message="late"), timeout=0.1))
        assert code is Code.DEADLINE_EXCEEDED
        disk.gate.set()
        assert (await world.service.LogMessage(world.request(message="on time"))).success
        assert world.messages() == ["late", "on time"]  # what was taken is stored all the same

    play(scenario, disk)


# streams


def test_a_stream_is_answered_in_order(play: Play) -> None:
    async def scenario(world: World) -> None:
        requests = [world.request(message=str(i)) for i in range(3000)]
        responses, code, _ = await talk(world.service.LogStream(), *requests)
        assert code is Code.OK
        assert len(responses) == 3000
        assert all(response.success for response in responses)
        assert world.messages() == [str(i) for i in range(3000)]

    play(scenario)


def test_a_stream_gathers_what_has_come_into_one_commit(play: Play) -> None:
    disk = GatedDisk()

    async def scenario(world: World) -> None:
        call = world.service.LogStream()
        await call.write(world.request(message="first"))
        await asyncio.to_thread(disk.reached.wait)
        disk.gate.clear()
        await call.write(world.request(message="second"))
        for i in range(100):
            await call.write(world.request(message=str(i)))
        disk.gate.set()
        for _ in range(102):
            assert (await call.read()).success
        await call.done_writing()
        assert await call.code() is Code.OK
        assert disk.syncs < 102

    play(scenario, disk)


def test_a_stream_ends_at_its_first_bad_message(play: Play) -> None:
    async def scenario(world: World) -> None:
        call = world.channel.stream_stream("/logservice.LogService/LogStream")()
        good = [world.request(message=str(i)).SerializeToString() for i in range(5)]
        responses, code, detail = await talk(call, *good[:3], b"\xff", *good[3:])
        assert responses == [b"\x08\x01"] * 3
        assert (code, "LogRequest" in detail) == (Code.INVALID_ARGUMENT, True)
        assert world.messages() == ["0", "1", "2"]

    play(scenario)


def test_batches_are_answered_one_by_one(play: Play) -> None:
    async def scenario(world: World) -> None:
        batches = [world.batch("a", "b", "c"), world.batch(), world.batch("d")]
        responses, code, _ = await talk(world.service.LogBatches(), *batches)
        assert [response.stored for response in responses] == [3, 0, 1]
        assert code is Code.OK
        assert world.messages() == ["a", "b", "c", "d"]

    play(scenario)


def test_a_batch_that_is_stored_in_part_says_so(play: Play) -> None:
    async def scenario(world: World) -> None:
        batches = [world.batch("a", "b", "c"), world.batch("d", "e", "f"), world.batch("g")]
        responses, code, detail = await talk(world.service.LogBatches(), *batches)
        assert [response.stored for response in responses] == [3, 2]
        assert (code, detail) == (Code.RESOURCE_EXHAUSTED, "rate limit exceeded")
        assert world.messages() == ["a", "b", "c", "d", "e"]

    play(scenario, rate_limit_enabled=True, rate_limit_requests_max=5, rate_limit_window_s=3600)


def test_a_stream_that_reads_no_answers_is_read_no_further(play: Play) -> None:
    disk = GatedDisk()

    async def scenario(world: World) -> None:
        disk.gate.clear()
        call = world.service.LogStream()
        written = 0

        async def send() -> None:
            nonlocal written
            while True:
                await call.write(world.request(message="x" * 10_000))
                written += 1

        sending = asyncio.create_task(send())
        await asyncio.to_thread(disk.reached.wait)
        seen = -1
        while written != seen:  # until flow control holds the client back
            seen = written
            await asyncio.wait([sending], timeout=0.5)
        assert written * 10_000 < 64 * STREAM_BYTES_MAX
        sending.cancel()
        call.cancel()
        disk.gate.set()

    play(scenario, disk)


# beside the log services


def test_health_is_told_for_every_service(play: Play) -> None:
    async def scenario(world: World) -> None:
        for service in ("", "logservice.LogService", "logservice.LogBridge", "LogService"):
            answer = await world.health.Check(health_pb2.HealthCheckRequest(service=service))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        code, _ = await failure(world.health.Check(health_pb2.HealthCheckRequest(service="other")))
        assert code is Code.NOT_FOUND

    play(scenario)


def test_reflection_is_enough_to_call_both_layouts(play: Play) -> None:
    def call_all(port: int) -> list[str]:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            database = ProtoReflectionDescriptorDatabase(channel)
            pool = DescriptorPool(database)
            for service, word in (("logservice.LogService", "real"), ("LogService", "document")):
                method = pool.FindServiceByName(service).FindMethodByName("LogMessage")
                request = GetMessageClass(method.input_type)(message=word, level=3)
                call = channel.unary_unary(
                    f"/{service}/LogMessage",
                    type(request).SerializeToString,
                    GetMessageClass(method.output_type).FromString,
                )
                assert call(request).success
            return list(database.get_services())

    async def scenario(world: World) -> None:
        services = await asyncio.to_thread(call_all, world.port)
        assert set(services) == {
            "LogService",
            "logservice.LogService",
            "logservice.LogBridge",
            "grpc.health.v1.Health",
            "grpc.reflection.v1alpha.ServerReflection",
        }
        assert world.messages() == ["real", "document"]

    play(scenario)


# the end


def test_stopping_answers_what_was_received(play: Play) -> None:
    disk = GatedDisk()

    async def scenario(world: World) -> None:
        stream = world.service.LogStream()
        await stream.write(world.request(message="streamed"))
        assert (await stream.read()).success
        watch = world.health.Watch(health_pb2.HealthCheckRequest())
        await watch.read()
        disk.reached.clear()
        disk.gate.clear()
        call = asyncio.ensure_future(world.service.LogMessage(world.request(message="in flight")))
        await asyncio.to_thread(disk.reached.wait)
        stopping = asyncio.create_task(world.app.stop())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert await failure(stream.read()) == (Code.UNAVAILABLE, "the server is stopping: connect again")
        disk.gate.set()
        assert (await call).success
        await stopping
        assert world.messages() == ["streamed", "in flight"]

    play(scenario, disk)


def test_a_port_is_never_shared(play: Play, tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        with pytest.raises(
            ListenerError, match=r"listener grpc: can't listen on 127\.0\.0\.1:\d+: Address already in use"
        ):
            async with running_app(tmp_path / "other", "grpc", port=world.port):
                pass

    play(scenario)


# our own client


def send(world: World, lines: list[bytes], **policy: Any) -> Coroutine[Any, Any, Report]:
    dialect, target = choose("grpc", world.url())
    return send_lines(lines, target, dialect, policy=Policy(**policy))


def test_lines_are_sent_and_acknowledged(play: Play) -> None:
    async def scenario(world: World) -> None:
        lines = [
            json.dumps({**FIELDS, "level": "trade"}).encode(),
            b"plain text",
            b'{"level":"ERROR","msg":"m"}',
            b'{"a":1,"level":"ERROR"}',
        ]
        report = await send(world, lines)
        assert report.ok
        assert report.acknowledged == 4
        assert [line["entry"]["level"] for line in world.lines()] == ["TRADE", "INFO", "ERROR", "ERROR"]
        assert world.messages() == [FIELDS["message"], "plain text", "m", lines[3].decode()]
        assert world.lines()[0]["entry"] == {**FIELDS, "level": "TRADE"}

    play(scenario)


def test_thousands_of_lines_arrive_in_order(play: Play) -> None:
    async def scenario(world: World) -> None:
        report = await send(world, [b"%d" % i for i in range(20_000)], window=1000)
        assert (report.acknowledged, report.resent) == (20_000, 0)
        assert world.messages() == [str(i) for i in range(20_000)]

    play(scenario)


def test_a_refused_line_costs_only_itself(play: Play) -> None:
    async def scenario(world: World) -> None:
        lines = [b"a", b"b", b"x" * 9000, b"c"]
        report = await send(world, lines, delays_s=(0.0,))
        assert report.acknowledged == 3
        [reason] = report.refused
        assert "larger than max" in reason
        assert set(world.messages()) == {"a", "b", "c"}

    play(scenario, frame_bytes_max=4096)


def test_lines_are_sent_again_while_the_disk_fails(play: Play) -> None:
    disk = GatedDisk()

    async def scenario(world: World) -> None:
        disk.failing = True
        sending = asyncio.create_task(send(world, [b"a", b"b"], delays_s=(0.01,), tries=10_000))
        await asyncio.to_thread(disk.reached.wait)
        await until(lambda: world.app.journal.failed_groups > 2)
        disk.failing = False
        report = await sending
        assert (report.ok, report.acknowledged) == (True, 2)
        assert world.messages() == ["a", "b"]

    play(scenario, disk)


def test_the_rate_limit_is_waited_for(play: Play) -> None:
    async def scenario(world: World) -> None:
        report = await send(world, [b"%d" % i for i in range(7)], delays_s=(0.0,))
        assert (report.ok, report.acknowledged) == (True, 7)
        assert world.messages() == [str(i) for i in range(7)]

    play(scenario, rate_limit_enabled=True, rate_limit_requests_max=3, rate_limit_window_s=0.2)
