"""Lines of devices that are sent again: acknowledged, and stored once."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from logboom.app import App
from logboom.testing.server_kit import ServerProcess
from tests.kit.app_kit import FailingDisk, journal_lines, port_of, run_scenario, running_app, until

ACK = b'{"ack":1}\n'
NAMED = b'{"boot_seq":3,"uptime_ms":1500,"seq":7,"device":"pump-1","msg":"on"}\n'
NAMELESS = b'{"boot_seq":3,"uptime_ms":1500,"seq":7,"msg":"on"}\n'


class Device:
    """A client that sends lines and counts the acknowledgements."""

    def __init__(self, port: int, address: str = "127.0.0.1") -> None:
        self._place = (port, address)

    async def connect(self) -> "Device":
        port, address = self._place
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
        return self

    async def send(self, *lines: bytes) -> None:
        for line in lines:
            self.writer.write(line)
            assert await self.reader.readline() == ACK

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


def stored(data_dir: Path) -> list[tuple[dict[str, Any], bool]]:
    """Entry and mark of each journal line."""
    lines = [json.loads(line) for line in journal_lines(data_dir)]
    return [(line["entry"], line.get("key", "").startswith("copy:")) for line in lines]


def marks(data_dir: Path) -> list[bool]:
    return [mark for _, mark in stored(data_dir)]


Connect = Callable[..., Awaitable[Device]]


@asynccontextmanager
async def connecting(port: int) -> AsyncIterator[Connect]:
    """A function that connects a device, from an address; all are disconnected at the end."""
    async with AsyncExitStack() as stack:

        async def connect(address: str = "127.0.0.1") -> Device:
            device = await Device(port, address).connect()
            stack.push_async_callback(device.close)
            return device

        yield connect


def scenario(data_dir: Path, steps: Callable[[App, Connect], Awaitable[None]], **settings: Any) -> list[bool]:
    """Run a scenario with a server; returns the mark of each stored entry."""

    async def main() -> None:
        async with running_app(data_dir, "device", **settings) as app, connecting(port_of(app)) as connect:
            await steps(app, connect)

    run_scenario(main())
    return marks(data_dir)


@pytest.mark.parametrize("line", [NAMED, NAMELESS])
def test_a_line_sent_again_on_its_connection_is_acked_and_stored_once(tmp_path: Path, line: bytes) -> None:
    async def steps(app: App, connect: Connect) -> None:
        device = await connect()
        await device.send(line, line, line.replace(b'"on"', b'"off"'))
        verdicts = app.listeners["device"].service.intake.counters.verdicts
        assert {one.name: count for one, count in verdicts.items() if count} == {
            "ACCEPTED": 2,
            "DUPLICATE": 1,
        }

    assert scenario(tmp_path, steps) == [False, False]


@pytest.mark.parametrize("line", [NAMED, NAMELESS])
def test_the_connection_that_follows_sends_again(tmp_path: Path, line: bytes) -> None:
    async def steps(_app: App, connect: Connect) -> None:
        for _ in range(3):
            device = await connect()
            await device.send(line)
            await device.close()

    assert scenario(tmp_path, steps) == [False]


def test_two_devices_behind_one_address_send_equal_lines(tmp_path: Path) -> None:
    async def steps(_app: App, connect: Connect) -> None:
        one, two = await connect(), await connect()
        await one.send(NAMELESS)
        await two.send(NAMELESS, NAMELESS)  # both lines are known to be the second device's now
        await one.send(NAMELESS)
        await one.send(NAMED)
        await two.send(NAMED)

    assert scenario(tmp_path, steps) == [False, True, False]


def test_an_equal_line_from_another_address_is_another_device(tmp_path: Path) -> None:
    async def steps(_app: App, connect: Connect) -> None:
        for address in ("127.0.2.1", "127.0.2.2"):
            device = await connect(address)
            await device.send(NAMELESS, NAMED)

    assert scenario(tmp_path, steps) == [False, False, True]


@pytest.mark.parametrize(
    ("choice", "expected"), [("drop", [False]), ("mark", [False, True, True]), ("keep", [False] * 3)]
)
def test_the_setting_decides(tmp_path: Path, choice: str, expected: list[bool]) -> None:
    async def steps(_app: App, connect: Connect) -> None:
        await (await connect()).send(NAMED, NAMED, NAMED)

    assert scenario(tmp_path, steps, duplicates=choice) == expected


def test_lines_without_numbers_are_stored_each_time(tmp_path: Path) -> None:
    lines = [
        b'{"boot_seq":1,"uptime_ms":2,"type":"heartbeat"}\n',
        b'{"boot_seq":1,"uptime_ms":2,"seq":null}\n',
    ]
    lines += [
        b'{"boot_seq":1,"uptime_ms":2,"inner":{"seq":1}}\n',
        b'{"boot_seq":null,"uptime_ms":2,"seq":1}\n',
    ]

    async def steps(_app: App, connect: Connect) -> None:
        await (await connect()).send(*lines, *lines)

    assert scenario(tmp_path, steps) == [False] * 8


def test_a_line_that_could_not_be_stored_is_stored_when_it_comes_again(tmp_path: Path) -> None:
    disk = FailingDisk()

    async def steps(app: App, connect: Connect) -> None:
        device = await connect()
        disk.failing = True
        device.writer.write(NAMED + NAMED.replace(b":7", b":8"))
        counters = app.listeners["device"].service.intake.counters
        await until(lambda: sum(counters.verdicts.values()) == 2)
        disk.failing = False
        await device.send(NAMED)

    assert scenario(tmp_path, steps, disk=disk) == [False]


def numbered(first: int, count: int) -> bytes:
    return b"".join(
        b'{"boot_seq":5,"uptime_ms":%d,"seq":%d}\n' % (n * 3, n) for n in range(first, first + count)
    )


def test_bulk_that_is_sent_again_is_stored_once(tmp_path: Path) -> None:
    async def send(connect: Connect, data: bytes) -> None:
        device = await connect()
        device.writer.write(data)
        assert await device.reader.readexactly(len(ACK) * data.count(b"\n")) == ACK * data.count(b"\n")
        await device.close()

    async def steps(_app: App, connect: Connect) -> None:
        for first in (0, 4000, 8000, 500, 8100, 9999):  # the later ones overlap those before
            await send(connect, numbered(first, 4000))

    scenario(tmp_path, steps)
    assert [entry["seq"] for entry, _ in stored(tmp_path)] == [*range(12_100), *range(12_100, 13_999)]


def test_a_server_that_was_killed_knows_what_it_has_stored(tmp_path: Path) -> None:
    async def send(port: int, *lines: bytes) -> None:
        async with connecting(port) as connect:
            await (await connect()).send(*lines)

    with ServerProcess(tmp_path / "data", ("device",)) as server:
        asyncio.run(send(server.ports["device"], NAMED, NAMELESS))
        server.kill()
        server.start()
        asyncio.run(send(server.ports["device"], NAMELESS, NAMED, NAMED.replace(b":7", b":8")))
        assert [json.loads(line)["entry"]["seq"] for line in server.journal_lines()] == [7, 7, 8]
