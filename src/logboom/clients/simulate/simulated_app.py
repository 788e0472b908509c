"""Simulated applications: the entries of a `collector` client; over other protocols, the same."""

import random
from collections.abc import Iterator
from typing import Final

import msgspec

from logboom.clients.delivery.delivery import Delivery, Policy
from logboom.clients.delivery.report import Report
from logboom.clients.simulate.simulation import Clock, Load, Pace, run_connections, stream
from logboom.clients.wire.dialect import Dialect
from logboom.clients.wire.target import Target

# (level, share of all lines, messages with places for numbers)
_MIX: Final = (
    ("DEBUG", 30, ("Cache hit for key user:{a}", "Query took {b} ms", "Queue depth {b}")),
    ("INFO", 50, ("GET /orders/{a} 200 in {b} ms", "User {a} signed in", "Job {a} finished in {b} ms")),
    ("WARNING", 12, ("Slow query: {a} ms", "Retry {b} of 100 for order {a}", "Disk is {b} % full")),
    ("ERROR", 7, ("Order {a} failed: card declined", "Upstream timed out after {a} ms")),
    ("CRITICAL", 1, ("Database connection lost", "Out of memory in worker {b}")),
)
_MESSAGES: Final = {level: messages for level, _, messages in _MIX}
_LEVELS: Final = tuple(_MESSAGES)
_SHARES: Final = tuple(share for _, share, _ in _MIX)
_SERVICES: Final = ("shop", "billing", "search", "mailer")


def service_of(index: int) -> str:
    """The service of one of several applications; no two have the same."""
    turn, place = divmod(index, len(_SERVICES))
    return f"{_SERVICES[place]}-{turn + 1}" if turn else _SERVICES[place]


def entries(
    clock: Clock, numbers: random.Random, level: str | None = None, service: str | None = None
) -> Iterator[bytes]:
    """Make the entries of one application, as JSON lines, without end.

    Args:
        clock: the time of each entry.
        numbers: for levels and messages.
        level: the level of all entries; None: a realistic mix. Any word will do.
        service: the application's name; None: one of a few.
    """
    service = service or numbers.choice(_SERVICES)
    while True:
        word = level or numbers.choices(_LEVELS, _SHARES)[0]
        template = numbers.choice(_MESSAGES.get(word.strip().upper(), _MESSAGES["INFO"]))
        entry = {
            "level": word,
            "message": template.format(a=numbers.randint(1000, 9999), b=numbers.randint(1, 99)),
            "timestamp": f"{clock():%Y-%m-%d %H:%M:%S}",
            "service": service,
        }
        yield msgspec.json.encode(entry)


async def simulate_apps(
    dialect: Dialect,
    target: Target,
    load: Load,
    *,
    policy: Policy,
    report: Report,
    level: str | None = None,
) -> Report:
    """Run `load.connections` applications; see `entries`."""

    async def drive(index: int, delivery: Delivery) -> None:
        service = service_of(index) if load.connections > 1 else None
        lines = map(dialect.encode, entries(load.clock(), load.random(index), level, service))
        await stream(delivery, lines, Pace(load), policy.window)

    return await run_connections(dialect, target, load, policy=policy, report=report, drive=drive)
