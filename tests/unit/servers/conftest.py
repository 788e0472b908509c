"""A TCP listener without sockets: a loop that turns when told, and transports that remember."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from logboom.model import Batch, Receipt
from logboom.pipeline.debts import Debts
from logboom.pipeline.intake import Counters, Intake, IntakeLimits
from logboom.pipeline.turns import Turns
from logboom.receivers.registry import endpoint_of, receiver
from logboom.servers.connection import Connection
from logboom.servers.gatherer import Gatherer
from logboom.servers.listener import ListenerContext
from logboom.servers.tcp import TcpListener
from logboom.settings import TcpSettings


def settings_of(protocol: str, **settings: Any) -> Any:
    """The settings of a listener on any free port."""
    return msgspec.convert({"protocol": protocol, "port": 0, **settings}, receiver(protocol).settings)


class FakeLoop:
    """Time stands still; callbacks run in turns."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.ready: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()

    def time(self) -> float:
        return self.now

    def call_soon(self, callback: Callable[..., object], *arguments: Any) -> None:
        self.ready.append((callback, arguments))

    def turn(self) -> None:
        """Run what is ready now, not what that makes ready."""
        for _ in range(len(self.ready)):
            callback, arguments = self.ready.popleft()
            callback(*arguments)

    def run(self) -> None:
        """Turn until nothing is ready."""
        while self.ready:
            self.turn()


class FakeTransport(asyncio.Transport):
    """Remembers what was asked of it."""

    def __init__(self, peer: str, on_close: Callable[[], object]) -> None:
        super().__init__({"peername": (peer, 4711)})
        self.written = b""
        self.unsent = 0
        self._on_close = on_close
        self.reading = True
        self.closed = False
        self.aborted = False
        self.stuck = False
        """What was written does not leave, so only an abort ends it."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed, "written after the close"
        self.written += bytes(data)

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.closed, "resumed after the close"
        self.reading = True

    def is_reading(self) -> bool:
        return self.reading

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            if not self.stuck:
                self._on_close()

    def abort(self) -> None:
        self.aborted = True
        if self.stuck:
            self.stuck = False
            self.closed = False
        self.close()


class FakeIntake(Intake):
    """Keeps batches until they are answered by the test; or answers at once."""

    def __init__(self, *, at_once: bool = False) -> None:
        self.batches: list[Batch] = []
        self.waiting: deque[tuple[Batch, Callable[[Receipt], None]]] = deque()
        self.at_once = at_once
        self.entries: list[bytes] = []
        self.counters = Counters()
        self.holding = None
        self.limits = IntakeLimits()
        self.debts = Debts(lambda: self.limits.throttle)

    def submit(self, batch: Batch, done: Callable[[Receipt], None]) -> None:
        self.batches.append(batch)
        self.entries += batch.entries.split(b"\n") if batch.entries else []
        if self.at_once:
            done(batch.receipt(None))
        else:
            self.waiting.append((batch, done))

    def answer(self, count: int = 1) -> None:
        """Settle the oldest batches."""
        for _ in range(count):
            batch, done = self.waiting.popleft()
            done(batch.receipt(0))


class Bench:
    """A listener with its fakes."""

    def __init__(self, settings: TcpSettings, *, at_once: bool = False, files_max: int = 1000) -> None:
        self.loop = FakeLoop()
        self.intake = FakeIntake(at_once=at_once)
        self.reports: list[tuple[str, str]] = []
        self.behind = False
        self.turns = Turns(lambda: self.behind)
        context = ListenerContext(
            name="front",
            settings=settings,
            intake=self.intake,
            journal=None,  # type: ignore[arg-type]
            log=None,  # type: ignore[arg-type]
            turns=self.turns,
            connections_left=lambda: files_max - self.intake.counters.connections_open,
            report=self.note,
            tokens=None,
            operations=None,  # type: ignore[arg-type]
        )
        self.listener = TcpListener(context, endpoint_of(settings).make)
        self.listener.loop = self.listener.gatherer.loop = self.loop  # type: ignore[assignment]

    def note(self, kind: str, text: str) -> None:
        """Take what is reported."""
        self.reports.append((kind, text))

    def use(self, intake: Intake) -> None:
        """Put another intake behind the listener."""
        self.listener.intake = intake
        self.listener.gatherer = Gatherer(intake, self.turns, self.listener.buffer)
        self.listener.gatherer.loop = self.loop  # type: ignore[assignment]

    def connect(self, peer: str = "10.0.0.1") -> tuple[Connection, FakeTransport]:
        connection = Connection(self.listener)
        transport = FakeTransport(
            peer, lambda: self.listener.loop.call_soon(connection.connection_lost, None)
        )
        connection.connection_made(transport)
        return connection, transport

    def receive(self, connection: Connection, data: bytes) -> None:
        """What the event loop does when bytes are there: reads of at most the buffer's size."""
        while data:
            buffer = connection.get_buffer(-1)
            size = min(len(buffer), len(data))
            buffer[:size] = data[:size]
            connection.buffer_updated(size)
            data = data[size:]

    def settle(self) -> None:
        """Turn the loop and answer batches until nothing is left to do."""
        while self.loop.ready or self.intake.waiting:
            self.loop.run()
            if self.intake.waiting:
                self.intake.answer()

    def told(self, kind: str) -> list[str]:
        """The texts of one kind."""
        return [text for one, text in self.reports if one == kind]


@pytest.fixture
def make_bench() -> Callable[..., Bench]:
    """Makes a `Bench`: settings of the listener by keyword, `at_once` answers without a journal."""

    def make(
        protocol: str = "device", *, at_once: bool = False, files_max: int = 1000, **settings: Any
    ) -> Bench:
        return Bench(
            settings_of(protocol, **settings),
            at_once=at_once,
            files_max=files_max,
        )

    return make
