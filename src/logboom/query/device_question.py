"""Question about devices: which of them, in which order, and how many."""

from typing import Final, Literal, NamedTuple, get_args

State = Literal["ok", "gaps", "crash_loop"]
Order = Literal["seen", "name", "missing"]

STATES: Final[tuple[State, ...]] = get_args(State)
"""States of a device: nothing is wrong; lines are missing; it restarts again and again."""

ORDERS: Final[tuple[Order, ...]] = get_args(Order)
"""Orders: seen last first; by name, with numbers in it by value; with the most missing lines first."""


class DeviceQuestion(NamedTuple):
    """Devices that are asked for. An empty text selects all."""

    limit: int
    name: str = ""
    """The device's own name, or the one that it was given; its details are wanted, too."""
    listener: str = ""
    find: str = ""
    """Part of its names, address, listener or firmware, in any case."""
    state: str = ""
    """One of `STATES`."""
    order: Order = "seen"
    offset: int = 0
    """Number of devices, in that order, that are left out before the first one."""
