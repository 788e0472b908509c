"""Access to a listener by network, and by the number of connections of an address."""

import ipaddress
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from logboom.remembered import Remembered

ADDRESSES_BYTES_MAX: Final = 1 << 20
"""Addresses whose answer is remembered, some 4,000: parsing one takes ten times as long as a look."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Refused(StrEnum):
    """Reason of a refused connection; its text is the label of the metric."""

    NETWORK = "network"
    """Its network is denied, or not among those that are allowed."""
    ADDRESS = "address"
    """Its address has as many connections as one may have."""
    FULL = "full"
    """The listener has as many as it may have."""


class Networks:
    """Networks of addresses.

    Args:
        texts: such as `192.168.0.0/16`.

    Raises:
        ValueError: one can't be read; the configuration was checked for that.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._networks: list[Network] = [ipaddress.ip_network(text, strict=False) for text in texts]
        self._answers = Remembered(self._look, ADDRESSES_BYTES_MAX)

    def __bool__(self) -> bool:
        """Return whether there are any networks."""
        return bool(self._networks)

    def have(self, address: str) -> bool:
        """Return whether an address is in one of them; false for a text that is no address."""
        return bool(self._networks) and self._answers[address]

    def _look(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        mapped = getattr(parsed, "ipv4_mapped", None) or parsed
        return any(mapped in network for network in self._networks)


class Door:
    """The networks and the number of connections of one listener.

    Args:
        allow: networks that may come in; empty: all.
        deny: networks that may not, even where they are allowed.
        per_address_max: connections of one address at once.

    Raises:
        ValueError: a network can't be read; the configuration was checked for that.
    """

    def __init__(self, allow: Iterable[str], deny: Iterable[str], per_address_max: int) -> None:
        self.open_now: Counter[str] = Counter()
        """Connections by address; only those that are open."""
        self.configure(allow, deny, per_address_max)

    def configure(self, allow: Iterable[str], deny: Iterable[str], per_address_max: int) -> None:
        """Take over other limits. Open connections stay: their listener calls `welcomes` again."""
        self.per_address_max = per_address_max
        allowed, self._denied = list(allow), Networks(deny)
        self._allowed = Networks(allowed) if allowed else Networks(("0.0.0.0/0", "::/0"))
        self._is_open = not allowed and not self._denied

    def welcomes(self, address: str) -> bool:
        """Return whether the network of an address may connect."""
        return self._is_open or (not self._denied.have(address) and self._allowed.have(address))

    def enter(self, address: str) -> Refused | None:
        """Count a connection in; None: it may stay."""
        if not self.welcomes(address):
            return Refused.NETWORK
        if self.open_now[address] >= self.per_address_max:
            return Refused.ADDRESS
        self.open_now[address] += 1
        return None

    def room_of(self, address: str) -> int:
        """Return the number of further connections that an address may have."""
        return self.per_address_max - self.open_now[address]

    def leave(self, address: str) -> None:
        """Count a connection out."""
        left = self.open_now[address] - 1
        if left > 0:
            self.open_now[address] = left
        else:
            del self.open_now[address]
