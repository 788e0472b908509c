"""Simulated devices: boot, NTP sync, log entries, heartbeats. The same as a deployed device sends."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import msgspec

from logboom.clients.delivery.delivery import Delivery, Policy
from logboom.clients.delivery.report import Report
from logboom.clients.simulate.simulation import Clock, Load, Pace, run_connections
from logboom.clients.wire.dialect import Dialect
from logboom.clients.wire.target import Target

BOOT: Final = (
    ("info", "Boot {boot_seq}, serial {serial}, reset reason: power on"),
    ("info", "SPIFFS mounted"),
    ("debug", "Sensor bus found 3 devices"),
    ("info", "WiFi connecting"),
    ("info", "WiFi connected"),
)
"""What a device logs before it knows the time."""
SYNCED: Final = ("info", "NTP synchronized")
ROUTINE: Final = (
    ("info", "Pump 1 on"),
    ("debug", "Water temperature 21.4 C"),
    ("info", "Pump 1 off"),
    ("info", "Tank level 74 %"),
    ("warning", "Flow below target: 0.8 l/min"),
    ("debug", "Free heap sampled"),
    ("error", "Sensor 2 read failed, retrying"),
    ("info", "Configuration saved"),
)
_HEAP_BYTES: Final = 250_000
_SPIFFS_BYTES: Final = 1_000_000


class SimulatedDevice:
    """Makes the lines of one device, with the fields, and their order, of a deployed device.

    Args:
        boot_seq: counts the device's boots.
        serial: appears in the boot message.
        clock: the time, as the world knows it; the device knows it after the NTP sync.
        numbers: for the system's figures and the choice of messages.
        named: whether its lines have its serial in `device`, which the firmware's have not: what is one of several at
            an address is told from the others by it.
    """

    def __init__(
        self, boot_seq: int, serial: str, clock: Clock, numbers: random.Random, *, named: bool = False
    ) -> None:
        self._name = {"device": serial} if named else {}
        self.boot_seq = boot_seq
        self.serial = serial
        self._clock = clock
        self._numbers = numbers
        self._booted = clock() - timedelta(milliseconds=numbers.randint(300, 900))
        self._seq = 0

    @property
    def synced(self) -> bool:
        """Whether the next entry comes after the NTP sync."""
        return self._seq >= len(BOOT)

    def entry(self) -> bytes:
        """The next log entry, as a wire line."""
        synced = self.synced
        level, message = self._message()
        self._seq += 1
        head, system = self._state(synced)
        message = message.format(boot_seq=self.boot_seq, serial=self.serial)
        entry = {**head, "level": level, "msg": message, "system": system, **self._name}
        return msgspec.json.encode(entry) + b"\n"

    def heartbeat(self) -> bytes:
        """A heartbeat, as a wire line."""
        head, system = self._state(self.synced)
        head.pop("seq")
        return msgspec.json.encode({**head, "type": "heartbeat", "system": system, **self._name}) + b"\n"

    def _message(self) -> tuple[str, str]:
        if self._seq < len(BOOT):
            return BOOT[self._seq]
        return SYNCED if self._seq == len(BOOT) else self._numbers.choice(ROUTINE)

    def _state(self, synced: bool) -> tuple[dict[str, object], dict[str, int]]:
        """The fields that every line begins with, and the system's figures it ends with."""
        now = self._clock()
        uptime_ms = (now - self._booted) // timedelta(milliseconds=1)
        heap_free = self._numbers.randint(190_000, 210_000)
        spiffs_used = min(100_000 + 64 * self._seq, _SPIFFS_BYTES)
        head: dict[str, object] = {
            "boot_seq": self.boot_seq,
            "uptime_ms": uptime_ms,
            "seq": self._seq,
            "ts": now.isoformat(timespec="microseconds") if synced else None,
        }
        system = {
            "heap_free": heap_free,
            "heap_used": _HEAP_BYTES - heap_free,
            "uptime_ms": uptime_ms,
            "free_psram": 4_194_304,
            "task_count": self._numbers.randint(3, 5),
            "spiffs_free": _SPIFFS_BYTES - spiffs_used,
            "spiffs_used": spiffs_used,
        }
        return head, system


@dataclass(frozen=True, kw_only=True)
class DeviceLife:
    """What a device does beside its log entries."""

    boot_seq: int = 1
    """Of the first device; each further one has the next number."""
    heartbeat_s: float = 1.0
    """Idle seconds after which a heartbeat is sent."""
    heartbeats: int = 3
    """Heartbeats after the last entry."""


async def simulate_devices(
    dialect: Dialect,
    target: Target,
    load: Load,
    life: DeviceLife,
    *,
    policy: Policy,
    report: Report,
    say: Callable[[str], object],
) -> Report:
    """Run `load.connections` devices to their end.

    Args:
        dialect: `device`.
        target: the server.
        load: entries of each device, and their pace.
        life: boots and heartbeats.
        policy: timeouts and tries.
        report: is kept up to date; heartbeats count as lines.
        say: gets one text a phase, told by the first device on behalf of all.
    """

    async def drive(index: int, delivery: Delivery) -> None:
        boot_seq = life.boot_seq + index
        device = SimulatedDevice(
            boot_seq, f"HM-{boot_seq:06d}", load.clock(), load.random(index), named=load.connections > 1
        )
        await _live(device, delivery, Pace(load), life, say if index == 0 else _silent)

    await run_connections(dialect, target, load, policy=policy, report=report, drive=drive)
    say("done" if report.ok else "done, with trouble")
    return report


async def _live(
    device: SimulatedDevice, delivery: Delivery, pace: Pace, life: DeviceLife, say: Callable[[str], object]
) -> None:
    """Send one line at a time, as the firmware does; a heartbeat whenever nothing was due for a while."""
    say(f"boot: boot_seq {device.boot_seq}, serial {device.serial}, no time yet")
    once = _Once(say)

    async def beat() -> None:
        once(f"heartbeat: every {life.heartbeat_s:g} s of idle time")
        await asyncio.sleep(life.heartbeat_s)
        await delivery.deliver([device.heartbeat()])

    await delivery.open()
    while not pace.done:
        if pace.wait_s() > life.heartbeat_s:
            await beat()
            continue
        await asyncio.sleep(pace.wait_s())
        if device.synced:
            once("NTP sync: entries carry the time")
        await delivery.deliver([device.entry()])
        pace.take(1)
    for _ in range(life.heartbeats):
        await beat()


class _Once:
    """Says each text the first time only."""

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say = say
        self._said: set[str] = set()

    def __call__(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._say(text)


def _silent(_phase: str) -> None:
    """Say nothing: one device speaks for all."""
