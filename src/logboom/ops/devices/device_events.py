"""Events of devices: reboots as they were seen, and lines that are missing."""

import heapq
from collections.abc import Collection, Iterable, Iterator
from typing import Any

import msgspec

from logboom.ops.devices.device import Device, Reboot
from logboom.ops.devices.device_list import ListedDevice


def reboot_event(device: Device, reboot: Reboot) -> dict[str, Any]:
    """Return the event of a reboot, which is kept."""
    return {
        "kind": "reboot",
        "listener": device.listener,
        "name": device.name,
        **msgspec.to_builtins(reboot),
    }


def last_events(
    reboots: Iterable[dict[str, Any]], devices: Collection[ListedDevice], before: str, limit: int
) -> list[dict[str, Any]]:
    """Return the last events of some devices, the last one first. A gap is none any more once it is closed.

    Args:
        reboots: the kept events, of all devices.
        devices: those that are asked for.
        before: a receive time; gaps that were noticed later may still close, and are left out.
        limit: number of events at most.
    """
    known = {(one.device.listener, one.device.name): one.given for one in devices}
    found = [*(one for one in reboots if (one["listener"], one["name"]) in known), *_gaps(devices, before)]
    newest = heapq.nlargest(limit, found, key=lambda one: str(one["at"]))
    return [{**one, "given_name": known[one["listener"], one["name"]]} for one in newest]


def _gaps(devices: Iterable[ListedDevice], before: str) -> Iterator[dict[str, Any]]:
    for one in devices:
        for boot, gap in one.device.gaps(before) if one.missing else ():
            yield {
                "kind": "gap",
                "listener": one.device.listener,
                "name": one.device.name,
                "at": gap.since,
                "boot": boot,
                "first": gap.low,
                "last": gap.high,
                "lines": gap.lines,
            }
