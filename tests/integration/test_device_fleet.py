"""A simulated fleet over a bad network: lines once, gaps exactly, and right times where they can be known."""

import asyncio
import json
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from logboom.app import App
from logboom.formats.buckets import microseconds
from logboom.query.device_question import DeviceQuestion
from logboom.query.matching import Filter
from logboom.query.search import Search
from tests.kit.app_kit import journal_lines, port_of, run_scenario, running_app, until

BOOTS = 2
LINES = 10
BOOT_MS = 7_200_000
"""All devices were offline for all of their boots, and send their backlog at once."""

Key = tuple[str, int, int]
"""Device, boot and number of a line."""


class SimulatedDevice:
    """Sends its lines in order until each is acknowledged; acknowledgements, connections and some lines get lost."""

    def __init__(self, number: int, port: int, seed: int) -> None:
        self.name = f"d{number}"
        self.port = port
        self.numbers = random.Random(f"{seed} {number}")
        self.began_us = time.time_ns() // 1000 - BOOTS * BOOT_MS * 1000
        self.has_clock = number % 3 > 0
        self.truth: dict[Key, int] = {}
        """Time of each line whose time can be known, microseconds since the epoch."""
        self.sent: list[Key] = []
        self.lost: list[Key] = []
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter | None = None

    async def live(self) -> None:
        for boot in range(1, BOOTS + 1):
            for seq in range(LINES):
                if 0 < seq < LINES - 1 and self.numbers.random() < 0.1:
                    self.lost.append((self.name, boot, seq))  # its ring buffer was full
                else:
                    self.sent.append((self.name, boot, seq))
                    await self.send(boot, seq)
        await self.disconnect()

    async def send(self, boot: int, seq: int) -> None:
        started_us, uptime_ms = self.began_us + (boot - 1) * BOOT_MS * 1000, seq * 60_000
        if (boot, seq) == (BOOTS, LINES - 1):  # the backlog has been sent
            uptime_ms = (time.time_ns() // 1000 - started_us) // 1000
        moment = started_us + uptime_ms * 1000
        ts = moment if self.has_clock and seq >= LINES // 2 else "1970-01-01T00:00:01Z" if seq == 1 else None
        entry = {"boot_seq": boot, "uptime_ms": uptime_ms, "seq": seq, "ts": ts, "device": self.name}
        if self.has_clock or boot == BOOTS:
            self.truth[self.name, boot, seq] = moment
        line = json.dumps(entry).encode() + b"\n"
        while True:
            await self.connect()
            assert self.writer is not None
            self.writer.write(line)
            trouble = self.numbers.random()
            if trouble > 0.95:  # it had another connection, too, and the line comes over both of them
                await self.send_elsewhere(line)
            if trouble < 0.1:  # the connection breaks before the acknowledgement arrives
                await self.writer.drain()
                await self.disconnect()
                continue
            assert await self.reader.readline() == b'{"ack":1}\n'
            if trouble > 0.2:  # else the acknowledgement is lost
                return

    async def send_elsewhere(self, line: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(line)
        assert await reader.readline() == b'{"ack":1}\n'
        writer.close()
        await writer.wait_closed()

    async def connect(self) -> None:
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)

    async def disconnect(self) -> None:
        if self.writer is not None:
            self.writer.close()
            await self.writer.wait_closed()
            self.writer = None


def missing(app: App, devices: int) -> list[Key]:
    """The gaps that the server knows."""
    book = app.monitor.devices
    assert book is not None
    found = []
    for number in range(devices):
        for device in book.document(DeviceQuestion(1, f"d{number}"))["devices"]:
            for gap in device["gaps"]:
                found += [
                    (device["name"], gap["boot_seq"], seq) for seq in range(gap["first"], gap["last"] + 1)
                ]
    return found


def errors_s(app: App, fleet: list[SimulatedDevice]) -> list[float]:
    """Differences of the times of entries from the truth."""
    truth = {key: moment for device in fleet for key, moment in device.truth.items()}
    found = [one.record for one in Search(app.journal.log).forward(Filter(), 100_000).found]
    times = {
        (str(one.entry["device"]), one.entry["boot_seq"], one.entry["seq"]): microseconds(one.time)
        for one in found
    }
    return [abs(times[key] - moment) / 1e6 for key, moment in truth.items()]


@pytest.mark.parametrize(("devices", "seed"), [(60, 1), (1000, 2)])
def test_every_line_once_and_every_gap_exactly(tmp_path: Path, devices: int, seed: int) -> None:
    fleet: list[SimulatedDevice] = []

    async def scenario() -> None:
        async with running_app(tmp_path, "device") as app:
            fleet.extend(SimulatedDevice(number, port_of(app), seed) for number in range(devices))
            await asyncio.gather(*[device.live() for device in fleet])
            book = app.monitor.devices
            assert book is not None
            await until(lambda: book.position == app.journal.log.end == sum(len(one.sent) for one in fleet))
            assert sorted(missing(app, devices)) == sorted(key for device in fleet for key in device.lost)
            assert book.reboots == devices * (BOOTS - 1)
            await until(lambda: max(errors_s(app, fleet)) < 2)

    run_scenario(scenario())
    entries = [json.loads(line)["entry"] for line in journal_lines(tmp_path)]
    stored = Counter((one["device"], one["boot_seq"], one["seq"]) for one in entries)
    assert stored == Counter(key for device in fleet for key in device.sent)
