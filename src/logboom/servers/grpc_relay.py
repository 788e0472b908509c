"""The way of a gRPC connection's bytes: from our socket, which is counted and watched, to gRPC's core and back.

The core accepts connections without exposing them, and keeps all of a head that never ends. So it listens
on a socket in the data directory, and is reached through a relay only.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import Final, cast

from logboom.model import Source
from logboom.pipeline.door import Door, Refused
from logboom.pipeline.intake import Limit
from logboom.pipeline.unread import Unread
from logboom.servers.complaints import Complaints
from logboom.servers.grpc_inner import InnerSocket
from logboom.servers.http2_heads import HeadError, HeadWatch
from logboom.servers.listener import ListenerContext
from logboom.servers.tls_peer import begins_tls
from logboom.settings import ListenerSettings

FILES_EACH: Final = 3
"""Open files of one connection: its socket, and both ends of the one to the core."""

HEAD_S_MAX: Final = 20.0
"""A head is complete by then, as is the preface; one that dribbles keeps memory of the core."""

SLICE: Final = 500
"""Connections that are looked after in one turn of the loop."""

_WHY: Final = {
    Refused.FULL: "as many connections are open as there may be",
    Refused.ADDRESS: "its address has as many connections as one may have",
    Refused.NETWORK: "its network may not connect",
}


class Relays:
    """The connections of one gRPC listener. Belongs to the event loop.

    Args:
        context: of the listener.
        door: who may connect.
        room: how many connections there may be now.
        inner: where the core listens.
    """

    def __init__(
        self,
        context: ListenerContext[ListenerSettings],
        door: Door,
        room: Callable[[], int],
        inner: InnerSocket,
    ) -> None:
        self.door_changed = False
        """Open connections may have to be closed."""
        self._name = context.name
        self._door = door
        self._room = room
        self._inner = inner
        self._counters = context.intake.counters
        self._loop = asyncio.get_running_loop()
        self._relays: dict[str, Relay] = {}
        self._complaints = Complaints(context.name, context.report, "connections were refused or cut off")
        self._unread = Unread(self._relays.values, self._cut_unread, self._loop.time)

    def __call__(self) -> "Relay":
        """The protocol of a new connection."""
        return Relay(self)

    def source_of(self, peer: str) -> Source | None:
        """The source of a call, by the core's name of its peer; None: it may not come from there."""
        relay = self._relays.get(self._inner.name_of(peer))
        return relay.source if relay is not None and self._door.welcomes(relay.source.peer) else None

    def enter(self, relay: "Relay", address: str) -> bool:
        """Return whether a new connection may stay."""
        refused = Refused.FULL if len(self._relays) >= self._room() else self._door.enter(address)
        if refused is not None:
            self._counters.turned_away(refused)
            self._complaints.tell(f"{address} turned away: {_WHY[refused]}")
            return False
        relay.name = self._inner.new_name()
        relay.source = Source(self._name, address)
        relay.opened_at = self._loop.time()
        self._relays[relay.name] = relay
        self._counters.accepted(len(self._relays))
        return True

    def leave(self, relay: "Relay") -> None:
        """A connection is gone. Idempotent."""
        if self._relays.pop(relay.name, None) is not None:
            self._door.leave(relay.source.peer)
            self._counters.connections_open = len(self._relays)

    def connect(self, relay: "Relay") -> None:
        """Connect a relay to the core, in a while."""
        relay.connecting = self._loop.create_task(self._connect(relay))

    async def _connect(self, relay: "Relay") -> None:
        try:
            one = await self._inner.connect(relay.name)
            await self._loop.create_unix_connection(lambda: relay.inner, sock=one)
        except OSError as error:
            self.cut(relay, f"gRPC's core can't be reached: {error.strerror or error}")

    def cut(self, relay: "Relay", why: str, limit: Limit | None = None) -> None:
        """End a connection, with the reason."""
        if limit is not None:
            self._counters.limit_reached(limit)
        self._complaints.tell(f"{relay.source.peer}: {why}; closed")
        relay.abort()

    def _cut_unread(self, relay: "Relay", why: str) -> None:
        self.cut(relay, why, Limit.UNREAD)

    def sweep(self, now: float) -> Iterator[None]:
        """Look after all connections, a step for each `SLICE`; about once per second, `now` in seconds, of the loop."""
        door_changed, self.door_changed = self.door_changed, False
        for number, relay in enumerate(list(self._relays.values()), 1):
            if number % SLICE == 0:
                yield
            if door_changed and not self._door.welcomes(relay.source.peer):
                self.cut(relay, "its network may not connect any more")
            elif not relay.watch.begun and now - relay.opened_at > HEAD_S_MAX:
                self._counters.slow_closed += 1
                relay.abort()
            elif relay.watch.in_head and now - relay.head_since > HEAD_S_MAX:
                self.cut(relay, "a head has no end", Limit.HEAD_BYTES)
        self._unread.sweep()
        self._complaints.flush_due(now)

    def close(self) -> None:
        """End all connections. Idempotent."""
        for relay in list(self._relays.values()):
            relay.abort()
        self._complaints.flush()

    @property
    def now(self) -> float:
        """The loop's clock, seconds."""
        return self._loop.time()


class Relay(asyncio.Protocol):
    """One connection: what its client sends is watched, and goes on to the core; what the core sends goes back.

    Args:
        relays: what it shares with others.
    """

    def __init__(self, relays: Relays) -> None:
        self.watch = HeadWatch()
        self.inner = _Inner(self)
        self.transport: asyncio.Transport | None = None
        self.connecting: asyncio.Task[None] | None = None
        self.name = ""
        self.source = Source("", "unknown")
        self.opened_at = self.head_since = 0.0
        """The moments when it was opened, and when its incomplete head began; seconds, of the loop's clock."""
        self._relays = relays

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, if it may stay."""
        self.transport = cast("asyncio.Transport", transport)
        address = transport.get_extra_info("peername")
        if self._relays.enter(self, address[0] if address else "unknown"):
            self._relays.connect(self)
        else:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Bytes of the client."""
        watch = self.watch
        heads, begun = watch.heads, watch.begun
        try:
            watch.feed(data)
        except HeadError as error:
            speaks_tls = not begun and begins_tls(memoryview(data))
            why = "speaks TLS, and this port is plain text" if speaks_tls else str(error)
            self._relays.cut(self, why, Limit.HEAD_BYTES if begun else None)
            return
        if watch.heads != heads:
            self.head_since = self._relays.now
        self.inner.write(data)

    def eof_received(self) -> bool:
        """The client sends no more; HTTP/2 has no half-closed connections."""
        return False

    def pause_writing(self) -> None:
        """The client does not take what the core sends: the core is not read."""
        self.inner.pause()

    def resume_writing(self) -> None:
        """It does again."""
        self.inner.resume()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """The client is gone."""
        self._relays.leave(self)
        self.transport = None
        if self.connecting is not None:
            self.connecting.cancel()
        self.inner.close()

    def abort(self) -> None:
        """End both sides at once."""
        if self.transport is not None:
            self.transport.abort()
        self.inner.close()


class _Inner(asyncio.Protocol):
    """A relay's connection to the core.

    Args:
        relay: whose bytes it carries.
    """

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._transport: asyncio.Transport | None = None
        self._early: list[bytes] = []
        self._closed = self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The core is reached: what came meanwhile goes first."""
        self._transport = cast("asyncio.Transport", transport)
        if self._closed:
            self._transport.abort()
            return
        early, self._early = self._early, []
        if early:
            self._transport.writelines(early)
        self._resume_client()

    def write(self, data: bytes) -> None:
        """Send to the core; until it is reached, the client is not read any further."""
        if self._transport is not None:
            self._transport.write(data)
            return
        self._early.append(data)
        self._pause_client()

    def data_received(self, data: bytes) -> None:
        """Bytes of the core."""
        if self._relay.transport is not None:
            self._relay.transport.write(data)

    def eof_received(self) -> bool:
        """The core sends no more."""
        return False

    def pause_writing(self) -> None:
        """The core does not read: neither is the client."""
        self._pause_client()

    def resume_writing(self) -> None:
        """It does again."""
        self._resume_client()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """The core has ended the connection: so does its client's, once it has taken what was sent."""
        self._closed = True
        if self._relay.transport is not None:
            self._relay.transport.close()

    def pause(self) -> None:
        """Read no more of the core for now."""
        self._paused = True
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._paused and self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
        self._paused = False

    def close(self) -> None:
        """Leave the core, once what was written has gone there. Idempotent."""
        self._closed = True
        if self._transport is not None:
            self._transport.close()

    def _pause_client(self) -> None:
        client = self._relay.transport
        if client is not None and not client.is_closing():
            client.pause_reading()

    def _resume_client(self) -> None:
        client = self._relay.transport
        if client is not None and not client.is_closing():
            client.resume_reading()
