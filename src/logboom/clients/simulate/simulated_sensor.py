"""Simulated sensor gateways: temperature, humidity and light that vary slowly."""

import math
import random
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from logboom.clients.delivery.delivery import Delivery, Policy
from logboom.clients.delivery.report import Report
from logboom.clients.simulate.simulation import Clock, Load, Pace, run_connections, stream
from logboom.clients.wire.dialect import Dialect
from logboom.clients.wire.target import Target

_NOON_LUX: Final = 20_000.0
_NIGHT_LUX: Final = 2.0


def readings(clock: Clock, numbers: random.Random, *, bare: bool = False) -> Iterator[bytes]:
    """Make the readings of one sensor, as wire objects, without end.

    Args:
        clock: the time of each reading.
        numbers: for the sensor's id and the weather.
        bare: leave the newlines out, as some gateways do.
    """
    sensor = f"{numbers.getrandbits(64):016x}"
    temp, rh = numbers.uniform(18, 26), numbers.uniform(40, 60)
    end = "" if bare else "\n"
    while True:
        now = clock()
        temp = _drift(temp, 22.0, numbers)
        rh = _drift(rh, 50.0, numbers)
        lux = _daylight(now) * numbers.uniform(0.97, 1.03)
        head = f'"id":"{sensor}","time":"{now:%Y-%m-%d %H:%M:%S}"'
        text = f'{head},"temp":{temp:.2f},"rh":{rh:.2f},"lux":{lux:.2f}'
        yield f"{{{text}}}{end}".encode()


def _drift(value: float, mean: float, numbers: random.Random) -> float:
    """Take a small random step, drawn back to the mean."""
    return value + (mean - value) * 0.01 + numbers.gauss(0.0, 0.05)


def _daylight(now: datetime) -> float:
    """Lux by the time of day: a half sine from 6 to 18 o'clock."""
    hours = now.hour + now.minute / 60 + now.second / 3600
    return _NIGHT_LUX + _NOON_LUX * max(0.0, math.sin((hours - 6) / 12 * math.pi))


async def simulate_sensors(
    dialect: Dialect, target: Target, load: Load, *, policy: Policy, report: Report, bare: bool = False
) -> Report:
    """Run `load.connections` gateways of one sensor each; see `readings`."""

    async def drive(index: int, delivery: Delivery) -> None:
        lines = readings(load.clock(), load.random(index), bare=bare)
        await stream(delivery, lines, Pace(load), policy.window)

    return await run_connections(dialect, target, load, policy=policy, report=report, drive=drive)
