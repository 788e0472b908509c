"""Choice of the devices that a question asks for."""

import heapq
import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from logboom.ops.devices.device import Device
from logboom.query.device_question import STATES, DeviceQuestion

_DIGITS: Final = re.compile(r"([0-9]+)")

GivenName = Callable[[tuple[str, str]], str]
"""Returns the name that a device was given; empty: none."""


class ListedDevice(NamedTuple):
    """A device with what is shown of it and is not its own."""

    device: Device
    given: str
    """The name that it was given; empty: none."""
    missing: int
    """Lines that are missing for longer than the grace time."""

    @property
    def state(self) -> str:
        """One of `STATES`."""
        return "crash_loop" if self.device.loops else "gaps" if self.missing else "ok"

    @property
    def shown(self) -> str:
        """The name that people know."""
        return self.given or self.device.name

    def has(self, part: str) -> bool:
        """Return whether a text, in lower case, is a part of what is known of it."""
        own = self.device
        texts = (self.given, own.name, own.peer, own.listener, own.firmware)
        return any(part in one.casefold() for one in texts)


class DeviceList(NamedTuple):
    """Answer to a question."""

    rows: list[ListedDevice]
    chosen: list[ListedDevice]
    """All that match, also those on other pages."""
    missing: int
    """Missing lines of all that match."""
    states: dict[str, int]
    """Number of devices in each state, of those that match but for their state."""


def list_devices(
    devices: Iterable[Device], given: GivenName, asked: DeviceQuestion, before: str
) -> DeviceList:
    """Return the devices that are asked for.

    Args:
        devices: all of them.
        given: their other names.
        asked: the question.
        before: a receive time; gaps that were noticed later may still close, and do not count.
    """
    part = asked.find.strip().casefold()
    listed = (
        ListedDevice(one, given((one.listener, one.name)), one.missing_before(before))
        for one in devices
        if not asked.listener or one.listener == asked.listener
    )
    found = [
        one
        for one in listed
        if (not asked.name or asked.name in (one.device.name, one.given)) and (not part or one.has(part))
    ]
    states = Counter(one.state for one in found)
    chosen = [one for one in found if not asked.state or one.state == asked.state]
    end = asked.offset + asked.limit
    if asked.order == "seen":
        rows = heapq.nlargest(end, chosen, key=lambda one: one.device.last_seen)
    else:
        rows = heapq.nsmallest(end, chosen, key=_by_name if asked.order == "name" else _by_missing)
    missing = sum(one.missing for one in chosen)
    return DeviceList(rows[asked.offset :], chosen, missing, {one: states[one] for one in STATES})


def _by_name(one: ListedDevice) -> Any:
    """Return a key of the order by name in which `pump-9` stands before `pump-10`."""
    parts = _DIGITS.split(one.shown.casefold())
    return (
        [int(part) if place % 2 else part for place, part in enumerate(parts)],
        one.device.name,
        one.device.listener,
    )


def _by_missing(one: ListedDevice) -> Any:
    return -one.missing, *_by_name(one)
