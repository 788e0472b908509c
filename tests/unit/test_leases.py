"""Leases by clocks set by hand: one server at a time writes an output, whatever is lost, late or paused."""

import asyncio
import random
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import msgspec
import pytest
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError

from logboom.cluster.cluster_settings import ClusterSettings
from logboom.cluster.leases import MARGIN, RENEWALS, Leases, LeaseValue

if TYPE_CHECKING:
    from nats.js.kv import KeyValue

LEASE_S = 10.0
TICK_S = 0.05
SETTINGS = ClusterSettings(urls=["nats://127.0.0.1:4222"], follow=True, lease_s=LEASE_S)


class Network:
    """A bucket whose requests and answers take random times, get lost, and whose readers may be out of date."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.now = 0.0
        self.faulty = True
        self.values: list[bytes] = []
        """By revision, from 1 on."""

    async def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:  # noqa: ASYNC110 - time passes by hand
            await asyncio.sleep(0)

    async def _travel(self) -> None:
        longest_s = 30.0 if self.chance.random() < 0.05 else 2.0
        await self.wait(self.chance.uniform(0.0, longest_s if self.faulty else 0.1))
        if self.faulty and self.chance.random() < 0.2:
            raise TimeoutError

    async def get(self, _key: str) -> SimpleNamespace:
        await self._travel()
        late = self.chance.randrange(3) if self.faulty else 0
        revision = max(0, len(self.values) - late)
        if not revision:
            raise KeyNotFoundError
        await self._travel()
        return SimpleNamespace(revision=revision, value=self.values[revision - 1])

    async def update(self, _key: str, value: bytes, last: int) -> int:
        await self._travel()
        if last != len(self.values):
            raise KeyWrongLastSequenceError
        self.values.append(value)
        revision = len(self.values)
        await self._travel()
        return revision


class Server:
    """One server: it attends to its lease, and stands still at random."""

    def __init__(self, network: Network, folder: Path, rate: float = 1.0) -> None:
        self.network = network
        self.leases = Leases(
            SETTINGS,
            folder,
            "s",
            {"o": True},
            lambda _kind, _text: None,
            clock=lambda: network.now * rate,
        )
        self.lease = self.leases.of["o"]

    async def run(self) -> None:
        while True:
            with suppress(TimeoutError):
                await self.leases.attend(cast("KeyValue", self.network), self.lease)
            paused = self.network.faulty and self.network.chance.random() < 0.05
            await self.network.wait(self.network.chance.uniform(5, 40) if paused else LEASE_S / RENEWALS)


@pytest.mark.parametrize("seed", range(5))
def test_one_server_at_a_time_whatever_happens_and_one_when_it_is_over(tmp_path: Path, seed: int) -> None:
    async def scenario() -> None:
        network = Network(seed)
        servers = [Server(network, tmp_path, rate) for rate in (0.97, 1.0, 1.03)]
        tasks = [asyncio.create_task(server.run()) for server in servers]
        holders = set()

        async def pass_time(seconds: float) -> None:
            for _ in range(int(seconds / TICK_S)):
                network.now += TICK_S
                await asyncio.sleep(0)
                granted = [number for number, server in enumerate(servers) if server.lease.granted]
                assert len(granted) <= 1
                holders.update(granted)

        await pass_time(600)
        assert len(holders) > 1  # it did change hands
        network.faulty = False
        await pass_time(60)
        assert sum(server.lease.granted for server in servers) == 1
        for task in tasks:
            task.cancel()

    asyncio.run(scenario())


def test_the_next_server_goes_on_where_the_last_one_was(tmp_path: Path) -> None:
    async def scenario() -> None:
        network = Network(0)
        network.faulty = False
        first, second = Server(network, tmp_path), Server(network, tmp_path)

        async def attend(server: Server) -> None:
            task = asyncio.create_task(server.leases.attend(cast("KeyValue", network), server.lease))
            while not task.done():
                network.now += TICK_S
                await asyncio.sleep(0)
            await task

        await attend(first)
        assert first.lease.granted
        first.lease.note(42)
        await attend(first)
        await attend(second)
        assert second.lease.position == 42
        network.now += LEASE_S
        first.lease.note(50)  # too late
        assert first.lease.position == 42
        await attend(second)  # not before the margin
        assert (first.lease.granted, second.lease.granted) == (False, False)
        network.now += (MARGIN - 1) * LEASE_S
        await attend(second)
        assert second.lease.granted
        await attend(first)
        assert not first.lease.held
        assert msgspec.json.decode(network.values[-1], type=LeaseValue).position == 42

    asyncio.run(scenario())
