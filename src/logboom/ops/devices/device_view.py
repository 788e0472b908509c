"""Documents of devices, as `/api/devices` has them."""

from typing import Any

import msgspec

from logboom.formats.buckets import MICROSECONDS, microseconds
from logboom.formats.entry_time import is_clock_off
from logboom.formats.times import iso_from_ns
from logboom.ops.devices.boot import DeviceBoot, Gap
from logboom.ops.devices.device_list import ListedDevice


def described(one: ListedDevice) -> dict[str, Any]:
    """Return a device's row."""
    device, boot = one.device, one.device.boot
    return {
        "name": device.name,
        "given_name": one.given,
        "state": one.state,
        "listener": device.listener,
        "peer": device.peer,
        "first_seen": device.first_seen,
        "last_seen": device.last_seen,
        "lines": device.lines,
        "boot_seq": boot.number,
        "boots": device.boots_total,
        "reboots": device.reboots_total,
        "uptime_ms": boot.uptime_ms,
        "reset_reason": boot.reason,
        "crash_loop": device.loops,
        "firmware": device.firmware,
        "signal": device.signal,
        "heap": device.heap,
        "missing": one.missing,
        "waiting": device.missing - one.missing,
        "late": device.closed,
        "clock_s": None if device.clock_us is None else round(device.clock_us / MICROSECONDS, 3),
        "clock_off": device.clock_us is not None
        and is_clock_off(device.clock_us, microseconds(device.last_seen)),
    }


def one_described(listed: ListedDevice, before: str) -> dict[str, Any]:
    """Return a device's row with its boots, gaps and reboots; gaps noticed at `before` or later may still close."""
    device = listed.device
    return {
        **described(listed),
        "gaps": [
            {"boot_seq": one.boot, **_gap_described(one.gap), "waiting": one.gap.since >= before}
            for one in device.gaps()
        ],
        "boot_list": [_boot_described(boot) for boot in device.boots],
        "reboot_list": [msgspec.to_builtins(one) for one in device.reboots],
    }


def _gap_described(gap: Gap) -> dict[str, Any]:
    return {
        "first": gap.low,
        "last": gap.high,
        "lines": gap.lines,
        "noticed_at": gap.since,
        "before": gap.before,
    }


def _boot_described(boot: DeviceBoot) -> dict[str, Any]:
    parts = boot.clock.parts
    start = parts[0].start_us if parts else None
    source = "received" if boot.clock.is_by_arrival else "sender"
    return {
        "boot_seq": boot.number,
        "started_at": None if start is None else iso_from_ns(start * 1000),
        "started_from": source if start is not None else "",
        "first_at": boot.first_at,
        "last_at": boot.last_at,
        "uptime_ms": boot.uptime_ms,
        "reset_reason": boot.reason,
        "first": boot.low,
        "last": boot.high,
        "lines": boot.lines,
        "missing": boot.missing,
        "late": boot.closed,
    }
