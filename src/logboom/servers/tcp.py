"""A TCP listener: accepts connections for one protocol, bounds them, watches over idle ones."""

import asyncio
import itertools
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from logboom.errors import ListenerError
from logboom.model import Source, WireProtocol
from logboom.pipeline.door import Door, Refused
from logboom.pipeline.tokens import EVERYBODY
from logboom.protocols.tokenline import TokenLine
from logboom.servers.connection import SMALL_READ_BYTES, Connection
from logboom.servers.listener import ListenerContext
from logboom.servers.tls import make_tls, reload_tls
from logboom.servers.tls_gate import TlsGate
from logboom.servers.tls_link import client_name
from logboom.settings import ListenerSettings

RECEIVE_BUFFER_BYTES: Final = 256 << 10
"""The shared receive buffer. Larger ones fall out of the processor's cache and gain nothing."""

BACKLOG: Final = 4096
"""Connections that wait to be accepted, for fleets that come back all at once; the kernel caps it."""

KEEPALIVE_IDLE_S: Final = 60
KEEPALIVE_INTERVAL_S: Final = 15
KEEPALIVE_PROBES: Final = 4
"""A peer that vanished without a word is noticed after two minutes."""

WRITE_STALL_S_MAX: Final = 60.0
"""A peer that leaves its replies unread for this long is disconnected: they take memory."""

HELD_BYTES_MAX: Final = 256 << 20
"""Bytes of unfinished lines and frames, over all connections of a listener: a frame may have a megabyte, and an address
ten thousand connections. Beyond, the address that holds most loses those that hold much."""
HELD_FREE_BYTES: Final = 64 << 10

SWEEP_SLICE: Final = 500
"""Connections that are looked after in one turn of the loop: about a millisecond."""

QUIET_ABOVE_PER_S: Final = 20
"""Connections a second above which their coming and going is told as a number: one log line each would be a
flood of its own."""

_WHY: Final = {
    Refused.FULL: "{connections_max} connections are open already",
    Refused.ADDRESS: "its address has as many connections as one may have",
    Refused.NETWORK: "its network may not connect",
}

_connection_ids: Final = itertools.count(1)


class TcpListener:
    """One configured listener.

    Args:
        context: its settings, and the parts of the app that it works with.
        make_protocol: makes the protocol of a new connection.
    """

    def __init__(
        self, context: ListenerContext, make_protocol: Callable[[ListenerSettings], WireProtocol]
    ) -> None:
        self.name = context.name
        self.intake = context.intake
        self.journal_behind = context.journal_behind
        self.ports: list[int] = []
        """The ports that are bound; tells the real one when 0 was asked for."""
        self._context = context
        self._settings = context.settings
        self._make_protocol = make_protocol
        self._report = context.report
        self._door = _door_of(context.settings)
        self._gate: TlsGate | None = None
        self._connections: set[Connection] = set()
        self._waiting: set[Connection] = set()
        self._servers: list[asyncio.Server] = []
        self._buffer = memoryview(bytearray(RECEIVE_BUFFER_BYTES))
        self._small_buffer = self._buffer[:SMALL_READ_BYTES]
        self._told_this_second = 0
        self._hushed = 0
        self._generation = 0

    def configure(self, settings: ListenerSettings) -> None:
        """Take over limits and idle times; lengths count for new connections."""
        self._settings = settings
        reload_tls(self._gate.tls if self._gate else None, self.name, settings, self._report)
        open_now = self._door.open_now
        self._door = _door_of(settings)
        self._door.open_now = open_now

    def make_protocol(self) -> WireProtocol:
        """The protocol of a new connection."""
        protocol = self._make_protocol(self._settings)
        return protocol if self._context.tokens is None else TokenLine(protocol, self._admit)

    def _admit(self, token: str) -> str | None:
        """Why a token is not good enough; None when it is."""
        tokens = self._context.tokens
        identity = tokens.identify(token) if tokens is not None else EVERYBODY
        if identity is None:
            self.intake.counters.auth_failed += 1
            return "a wrong token"
        return None if identity.may("write") else f"the token {identity.name} has no scope 'write'"

    async def start(self) -> None:
        """Bind and accept.

        Raises:
            ListenerError: an address can't be bound; the text says which, why, and what to do.
            ConfigError: a certificate can't be used.
        """
        self.loop = asyncio.get_running_loop()
        accept = self._make_accept()
        port = self._settings.port
        self._report("start", f"Starting TCP server on port {port} ({self.name})")
        for one in expand_hosts(self._settings.host):
            bound = bind(self.name, one, self.ports[0] if self.ports and not port else port)
            self.ports.append(bound.getsockname()[1])
            self._servers.append(await self.loop.create_server(accept, sock=bound, backlog=BACKLOG))
            address = format_address(one, self.ports[-1])
            self._report("listening", f"TCP server listening on {address} ({self.name})")
        self.intake.counters.started()

    def _make_accept(self) -> Callable[[], asyncio.BaseProtocol]:
        """What makes the protocol of a new socket. The certificates in force outlive a restart of the sockets."""
        tls = self._gate.tls if self._gate else make_tls(self.name, self._settings, self._report)
        if tls is None:
            return lambda: Connection(self)
        self._gate = TlsGate(
            self.name,
            tls,
            lambda: Connection(self),
            welcomes=lambda address: self._door.welcomes(address),  # noqa: PLW0108 - a reload brings another door
            room=lambda: self._connections_max() - len(self._connections),
            room_of=lambda address: self._door.room_of(address),  # noqa: PLW0108 - as above
            counters=self.intake.counters,
            report=self._report,
        )
        return self._gate

    def _connections_max(self) -> int:
        left = self._context.connections_left()
        return min(self._settings.connections_max, len(self._connections) + max(0, left))

    async def run(self) -> None:
        """Watch over the connections until the listener dies.

        Raises:
            ListenerError: a socket is no longer accepting.
        """
        while True:
            await asyncio.sleep(1.0)
            for _ in self._sweep_in_slices(self.loop.time()):
                await asyncio.sleep(0)
            if not all(server.is_serving() for server in self._servers):
                raise ListenerError(f"{self.name} stopped accepting")

    def stop(self) -> None:
        """Accept no more; connections go on. Idempotent."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        self.ports.clear()
        if self._gate is not None:
            self._gate.stop()

    async def drain(self, deadline_s: float) -> None:
        """Wait until what was received is answered, `deadline_s` at most, then close every connection."""
        ends_at = self.loop.time() + deadline_s
        await self._until(lambda: all(connection.idle for connection in self._connections), ends_at)
        for connection in list(self._connections):
            connection.transport.close()
        await self._until(lambda: not self._connections, ends_at)  # the last replies leave the buffers

    async def _until(self, done: Callable[[], bool], ends_at: float) -> None:
        while not done() and self.loop.time() < ends_at:  # noqa: ASYNC110 - thousands to wait for, once in a life
            await asyncio.sleep(0.01)

    # --- called by connections ---

    def source_of(self, peer: str) -> Source:
        """The source of a new connection."""
        return Source(self.name, self._settings.protocol, peer, next(_connection_ids), peer)

    def receive_buffer(self, *, small: bool) -> memoryview:
        """Where the loop may receive into."""
        return self._small_buffer if small else self._buffer

    def received(self, size: int) -> memoryview:
        """What was received; good until the next receive."""
        return self._buffer[:size]

    def opened(self, connection: Connection) -> None:
        """A connection was made: keep it, or turn it away when there are too many."""
        counters = self.intake.counters
        connections_max = self._connections_max()
        refused = (
            Refused.FULL
            if len(self._connections) >= connections_max
            else self._door.enter(connection.source.peer)
        )
        if refused is not None:
            counters.turned_away(refused)
            why = _WHY[refused].format(connections_max=connections_max)
            self._tell("warning", connection, f"turned away: {why}")
            connection.transport.abort()
            return
        self._connections.add(connection)
        counters.accepted(len(self._connections))
        client = client_name(connection.transport)
        self._tell(
            "connected", connection, f"connected, by its certificate {client}" if client else "connected"
        )

    def closed(self, connection: Connection, error: Exception | None) -> None:
        """A connection is gone."""
        if connection not in self._connections:
            return
        self._connections.discard(connection)
        self._door.leave(connection.address)
        self._waiting.discard(connection)
        self.intake.counters.connections_open = len(self._connections)
        self._tell("disconnected", connection, f"disconnected: {error}" if error else "disconnected")

    def gave_up(self, connection: Connection, reason: str) -> None:
        """A connection's protocol can't go on: it is closed once what it brought is settled."""
        self._report("error", f"{self._name_of(connection)}: {reason}; closed")

    def speaks_tls(self, connection: Connection) -> None:
        """A TLS client has come to a listener for plain text: whatever it sends means nothing here."""
        self._tell("warning", connection, "speaks TLS, and this port is plain text; closed")
        connection.transport.abort()

    def wait_for_journal(self, connection: Connection) -> None:
        """Wake `connection` when the journal has caught up."""
        self._waiting.add(connection)

    def journal_advanced(self) -> None:
        """The journal has committed: let those go on who waited for it alone."""
        if self._waiting and not self.journal_behind():
            waiting, self._waiting = self._waiting, set()
            for connection in waiting:
                connection.pump()

    # --- once a second ---

    def sweep(self, now: float) -> None:
        """Warn about idle connections, close those that must not stay, send the heartbeats of the others."""
        for _ in self._sweep_in_slices(now):
            pass

    def _sweep_in_slices(self, now: float) -> Iterator[None]:
        """The sweep, a step for each `SWEEP_SLICE` connections: ten thousand at once would hold up their answers."""
        warn_s, close_s = self._settings.idle_warn_s, self._settings.idle_close_s
        look_again = self._tokens_changed()
        held: Counter[str] = Counter()
        for number, connection in enumerate(list(self._connections), 1):
            if number % SWEEP_SLICE == 0:
                yield
            if size := connection.held_bytes():
                held[connection.address] += size
            idle_s = now - connection.last_data
            connection.send_unasked()
            if connection.stalled_s(now) > WRITE_STALL_S_MAX:
                self._report(
                    "warning",
                    f"{self._name_of(connection)}: replies unread for {WRITE_STALL_S_MAX:.0f} s, closed",
                )
                connection.transport.abort()
            elif trouble := connection.token_trouble(now, look_again=look_again):
                self._tell("warning", connection, f"{trouble}; closed")
                connection.transport.abort()
            elif 0 < close_s < idle_s:
                self._report("warning", f"{self._name_of(connection)}: no data for {idle_s:.0f} s, closed")
                connection.transport.close()
            elif 0 < warn_s < idle_s and connection.warned_for != connection.last_data:
                connection.warned_for = connection.last_data
                self._report("warning", f"{self._name_of(connection)}: no data for {idle_s:.0f} s")
        self._free_held(held)
        if self._hushed:
            self._report("info", f"{self.name}: {self._hushed} more connections came or went")
        self._hushed = self._told_this_second = 0

    def _free_held(self, held: Counter[str]) -> None:
        """Close connections whose unfinished frames take too much memory, those of one address."""
        if held.total() <= HELD_BYTES_MAX or self.journal_behind():
            return  # if it is behind, what they hold is whole, and nobody is read
        [(worst, _)] = held.most_common(1)
        for connection in list(self._connections):
            if connection.address == worst and connection.held_bytes() > HELD_FREE_BYTES:
                self._tell("warning", connection, "holds too much that does not end; closed")
                connection.transport.abort()

    def _tokens_changed(self) -> bool:
        """Whether they are others than at the last look."""
        before, tokens = self._generation, self._context.tokens
        self._generation = tokens.generation if tokens is not None else 0
        return self._generation != before

    def _name_of(self, connection: Connection) -> str:
        return f"{self.name} {connection.source.peer}"

    def _tell(self, kind: str, connection: Connection, text: str) -> None:
        if self._told_this_second >= QUIET_ABOVE_PER_S:
            self._hushed += 1
        else:
            self._told_this_second += 1
            self._report(kind, f"{self._name_of(connection)} {text}")


def _door_of(settings: ListenerSettings) -> Door:
    return Door(settings.allow, settings.deny, settings.connections_per_address_max)


def expand_hosts(host: str) -> list[str]:
    """The addresses that a configured host stands for."""
    if host == "*":
        return ["0.0.0.0", "::"] if socket.has_ipv6 else ["0.0.0.0"]
    return [part.strip().strip("[]") for part in host.split(",")]


def format_address(host: str, port: int) -> str:
    """`host:port`, with brackets around IPv6."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def bind(name: str, host: str, port: int) -> socket.socket:
    """A bound socket whose options its connections inherit."""
    try:
        family, kind, number, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, number)
    except OSError as error:
        raise ListenerError(f"listener {name}: can't use the address {host!r}: {error.strerror}") from error
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        ("TCP_KEEPIDLE", KEEPALIVE_IDLE_S),
        ("TCP_KEEPINTVL", KEEPALIVE_INTERVAL_S),
        ("TCP_KEEPCNT", KEEPALIVE_PROBES),
    ):
        if hasattr(socket, option):
            bound.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    if family == socket.AF_INET6:
        bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    try:
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise ListenerError(
            f"listener {name}: can't listen on {format_address(host, port)}: {error.strerror}. "
            f"Choose another with --listen {name}=HOST:PORT, or leave it out with --only"
        ) from error
    return bound
