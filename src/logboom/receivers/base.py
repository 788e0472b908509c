"""Contract of a receiver: what its folder declares, and what each transport makes of it."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from logboom.settings import ReceiverSettings


class Transport(StrEnum):
    """Kind of server that carries a receiver's bytes; each has its own `make`."""

    TCP = "tcp"
    """`make(settings)` returns a `model.WireProtocol`, once per connection."""
    UDP = "udp"
    """`make(settings)` returns what `servers.udp` expects, once per listener."""
    HTTP = "http"
    """`make(settings)` returns the routes of `receivers.http_push`, once per listener."""
    GRPC = "grpc"
    """`make(settings)` returns the methods of `receivers.grpc_methods`, once per listener."""
    CLIENT = "client"
    """Connects outwards: `make(settings)` returns a `receivers.outward.ClientReceiver`, once per listener."""


class Refusal(StrEnum):
    """Reaction of a receiver to an entry that cannot be stored for now."""

    ANSWER = "answer"
    """The protocol's reply reports it, and the peer sends the entry again."""
    CLOSE = "close"
    """The connection is closed without an acknowledgement, so that the peer sends again."""
    HOLD = "hold"
    """Nothing is read until it is stored: the peer would lose what is refused."""


class Endpoint(NamedTuple):
    """One transport of a receiver."""

    port: int
    """Standard port; 0 for transports that bind none."""
    make: Callable[[Any], Any]
    """See `Transport`; takes the listener's settings. Modules of an extra are imported in here only."""


class ReceiverType(NamedTuple):
    """One protocol, as its folder declares it under the name `RECEIVER`.

    A type with several transports has a field `transport` in its settings, whose default is the first of them.
    """

    name: str
    """Name of its folder, of `protocol` in the configuration, and of its standard listener."""
    summary: str
    """One line for the documentation."""
    settings: type[ReceiverSettings]
    transports: Mapping[Transport, Endpoint]
    refusal: Refusal
    extra: str = ""
    """Extra of the package that it needs (`logboom.extras`); empty: none."""

    def transport(self, chosen: str = "") -> Transport:
        """Return the transport that a configuration means. Raises ValueError for one that the type does not have."""
        chosen = chosen or next(iter(self.transports))
        if chosen not in self.transports:
            raise ValueError(f"found {chosen!r}, expected one of {', '.join(self.transports)}")
        return Transport(chosen)
