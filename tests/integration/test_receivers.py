"""Every front keeps to one flow control: limits held over all connections of an address, stored entries answered.

The clock of the limits stands still until the test moves it: what is stored meanwhile is all that the limit allows.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from aiohttp import ClientSession, TCPConnector, WSMsgType
from grpc import aio

from logboom.app import App
from logboom.formats.proto_schema import load_schema
from logboom.pipeline.intake import IntakeLimits
from logboom.pipeline.throttle import Throttle
from logboom.receivers.grpc.entry import REAL
from tests.kit.app_kit import journal_lines, port_of, run_scenario, running_app, until

SENDERS = 40
LINES = 50
PER_S = 500
"""Lines; the burst is as large, and the smallest debt so short that the loop looks again at once."""

LINE = b'{"level":"INFO","message":"x"}\n'
GRPC_MESSAGE = load_schema(REAL).messages["LogRequest"](message="x").SerializeToString()


class Front:
    """Many senders of one front, and how many of their entries were answered as stored."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.answered = 0

    async def send(self) -> None:
        """Send `LINES` entries over one connection, and read the answers."""
        raise NotImplementedError


class Tcp(Front):
    async def send(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(LINE * LINES)
        for _ in range(LINES):
            assert json.loads(await reader.readline())["message"] == "received"
            self.answered += 1
        writer.close()


class Post(Front):
    async def send(self) -> None:
        async with (
            ClientSession(connector=TCPConnector(limit=0)) as session,
            session.post(f"http://127.0.0.1:{self.port}/api/entries", data=LINE * LINES) as answer,
        ):
            self.answered += (await answer.json())["stored"]


class WebSocket(Front):
    async def send(self) -> None:
        async with ClientSession() as session, session.ws_connect(f"ws://127.0.0.1:{self.port}/") as stream:
            for number in range(LINES):
                await stream.send_str(json.dumps({"message": "x", "n": number}))
            own = 0
            while own < LINES:
                message = await stream.receive()
                assert message.type is WSMsgType.TEXT
                own += '"status"' in message.data
                self.answered += '"status"' in message.data


class Calls(Front):
    async def send(self) -> None:
        async with aio.insecure_channel(f"127.0.0.1:{self.port}") as channel:
            call = channel.unary_unary("/logservice.LogService/LogMessage")

            for _ in range(LINES):
                assert await call(GRPC_MESSAGE) == b"\x08\x01"
                self.answered += 1


class Stream(Front):
    async def send(self) -> None:
        async with aio.insecure_channel(f"127.0.0.1:{self.port}") as channel:
            stream = channel.stream_stream("/logservice.LogService/LogStream")()
            for _ in range(LINES):
                await stream.write(GRPC_MESSAGE)
            await stream.done_writing()
            async for _ in stream:
                self.answered += 1
            assert await stream.code() is grpc.StatusCode.OK


FRONTS = {"collector": Tcp, "http": Post, "http-live": WebSocket, "grpc": Calls, "grpc-stream": Stream}


def run_front(name: str, data_dir: Path, scenario: Callable[[App, Front], Awaitable[None]]) -> None:
    async def main() -> None:
        async with running_app(data_dir, name.partition("-")[0]) as app:
            await scenario(app, FRONTS[name](port_of(app)))

    run_scenario(main())


@pytest.mark.parametrize("name", FRONTS)
def test_a_limit_holds_over_all_connections_of_an_address(name: str, tmp_path: Path) -> None:
    async def scenario(app: App, front: Front) -> None:
        now = [100.0]
        [supervised] = app.listeners.values()
        intake: Any = supervised.service.intake
        intake.limits = IntakeLimits(throttle=Throttle(0, PER_S, lambda: now[0]))
        sending = [asyncio.create_task(front.send()) for _ in range(SENDERS)]
        await until(lambda: len(intake.debts) > 0)
        for _ in range(20):  # whoever still comes, waits, too
            await asyncio.sleep(0)
        stored = len(journal_lines(tmp_path))
        assert stored <= PER_S + LINES + 1
        if name != "http":  # a request has one answer, at its end
            await until(lambda: front.answered >= stored)
        while not all(task.done() for task in sending):
            now[0] += 1.0
            before = len(journal_lines(tmp_path))
            await asyncio.sleep(0.01)
            assert (
                len(journal_lines(tmp_path)) - before <= 3 * PER_S
            )  # a second, the burst, and what was on its way
        await asyncio.gather(*sending)
        assert front.answered == SENDERS * LINES == len(journal_lines(tmp_path))

    run_front(name, tmp_path, scenario)
