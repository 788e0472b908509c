"""Who may connect to a listener: by network, and by how many connections an address has already."""

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
    """Why a connection was turned away; the words are those of the metric."""

    NETWORK = "network"
    """Its network is denied, or not among those that are allowed."""
    ADDRESS = "address"
    """Its address has as many connections as one may have."""
    FULL = "full"
    """The listener has as many as it may have."""


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
        """Take over other limits. Who is in stays in: their listener asks `welcomes` anew."""
        allowed, denied = _networks(allow), _networks(deny)
        self.per_address_max = per_address_max

        def welcomes(address: str) -> bool:
            if not allowed and not denied:
                return True
            try:
                parsed = ipaddress.ip_address(address)
            except ValueError:
                return False
            mapped = getattr(parsed, "ipv4_mapped", None) or parsed
            if any(mapped in network for network in denied):
                return False
            return not allowed or any(mapped in network for network in allowed)

        self._welcomed = Remembered(welcomes, ADDRESSES_BYTES_MAX)

    def welcomes(self, address: str) -> bool:
        """Whether an address may come in at all."""
        return self._welcomed[address]

    def enter(self, address: str) -> Refused | None:
        """Count a connection in; None: it may stay."""
        if not self.welcomes(address):
            return Refused.NETWORK
        if self.open_now[address] >= self.per_address_max:
            return Refused.ADDRESS
        self.open_now[address] += 1
        return None

    def room_of(self, address: str) -> int:
        """How many more connections an address may have."""
        return self.per_address_max - self.open_now[address]

    def leave(self, address: str) -> None:
        """Count a connection out."""
        left = self.open_now[address] - 1
        if left > 0:
            self.open_now[address] = left
        else:
            del self.open_now[address]


def _networks(texts: Iterable[str]) -> list[Network]:
    return [ipaddress.ip_network(text, strict=False) for text in texts]
