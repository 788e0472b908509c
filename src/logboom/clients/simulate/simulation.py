"""What the simulated senders share: load, pace, clocks and connections."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

from logboom.clients.delivery.delivery import Delivery, Policy
from logboom.clients.delivery.report import Report
from logboom.clients.wire.dialect import ConnectFailedError, Dialect
from logboom.clients.wire.target import Target

SEEDED_START: Final = datetime(2025, 11, 12, 19, 8, 58, tzinfo=UTC)
"""Where a reproducible run's clock begins."""
STEP_S_FASTEST: Final = 0.01
"""How far a reproducible clock goes a line, when the rate is unlimited."""

Clock = Callable[[], datetime]


@dataclass(frozen=True, kw_only=True)
class Load:
    """How much a simulation sends."""

    count: int = 0
    """Lines of each connection; 0: until it is cancelled."""
    rate: float = 0.0
    """Lines per second of each connection; 0: as fast as the answers allow."""
    connections: int = 1
    seed: int | None = None
    """Makes the data, times included, the same in every run."""

    def random(self, index: int) -> random.Random:
        """The random numbers of one connection."""
        return random.Random(None if self.seed is None else f"{self.seed}/{index}")  # noqa: S311 - no secrets here

    def clock(self) -> Clock:
        """The time, or with a seed one that advances by one line's share at each call."""
        if self.seed is None:
            return lambda: datetime.now(UTC)
        step = timedelta(seconds=1 / self.rate if self.rate else STEP_S_FASTEST)
        times = (SEEDED_START + step * i for i in range(1 << 62))
        return lambda: next(times)


class Pace:
    """Says when how many lines are due.

    Args:
        load: count and rate.
        now: the clock, in seconds.
    """

    def __init__(self, load: Load, now: Callable[[], float] = time.monotonic) -> None:
        self._count = load.count
        self._rate = load.rate
        self._now = now
        self._started_s = now()
        self._taken = 0

    @property
    def done(self) -> bool:
        """Whether all lines were taken."""
        return self._count > 0 and self._taken >= self._count

    def wait_s(self) -> float:
        """Seconds until the next line is due."""
        if not self._rate:
            return 0.0
        return max(0.0, self._started_s + self._taken / self._rate - self._now())

    def take(self, most: int) -> int:
        """Take the lines that are due now: up to `most`, at least one."""
        due = most
        if self._rate:
            due = int((self._now() - self._started_s) * self._rate) + 1 - self._taken
        if self._count:
            most = min(most, self._count - self._taken)
        taken = max(1, min(due, most))
        self._taken += taken
        return taken


async def stream(delivery: Delivery, payloads: Iterator[bytes], pace: Pace, window: int) -> None:
    """Send encoded lines at a pace, in windows of what is due."""
    await delivery.open()
    while not pace.done:
        await asyncio.sleep(pace.wait_s())
        await delivery.deliver(list(islice(payloads, pace.take(window))))
    await delivery.finish()


async def run_connections(
    dialect: Dialect,
    target: Target,
    load: Load,
    *,
    policy: Policy,
    report: Report,
    drive: Callable[[int, Delivery], Awaitable[None]],
) -> Report:
    """Run one `drive(index, delivery)` a connection, at once; one that can't connect does not end the others.

    Args:
        dialect: the protocol.
        target: the server.
        load: how many connections.
        policy: timeouts and tries.
        report: of all connections together.
        drive: sends one connection's lines.

    Returns:
        The report; `report.stopped` names the last connection error.
    """
    started_s = time.monotonic()

    async def connection(index: int) -> None:
        delivery = Delivery(dialect, target, policy, report)
        try:
            await drive(index, delivery)
        except ConnectFailedError as error:
            report.stopped = str(error)
        finally:
            report.seconds = time.monotonic() - started_s
            await delivery.close()

    async with asyncio.TaskGroup() as group:
        for index in range(load.connections):
            group.create_task(connection(index))
    return report
