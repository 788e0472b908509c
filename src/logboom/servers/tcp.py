"""A TCP listener: accepts connections for one protocol, bounds them, watches over idle ones."""

import asyncio
import itertools
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from logboom.errors import ListenerError
from logboom.model import Report, Source, WireProtocol
from logboom.pipeline.intake import Intake
from logboom.servers.connection import SMALL_READ_BYTES, Connection

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

QUIET_ABOVE_PER_S: Final = 20
"""Connections a second above which their coming and going is told as a number: one log line each would be a
flood of its own."""

_connection_ids: Final = itertools.count(1)


@dataclass(frozen=True)
class TcpLimits:
    """What one listener allows."""

    connections_max: int
    idle_warn_s: float | None
    idle_close_s: float | None


class TcpListener:
    """One configured listener.

    Args:
        name: its name in the configuration.
        protocol: the name of what it speaks.
        make_protocol: makes the protocol of a new connection.
        address: host and port; host `*` means every IPv4 and IPv6 address; several hosts may stand there,
            with commas.
        limits: see `TcpLimits`.
        intake: where batches go.
        journal_behind: whether the journal has more to do than it should; then nobody is read.
        report: the operational log.
    """

    def __init__(
        self,
        name: str,
        protocol: str,
        make_protocol: Callable[[], WireProtocol],
        address: tuple[str, int],
        limits: TcpLimits,
        intake: Intake,
        journal_behind: Callable[[], bool],
        report: Report,
    ) -> None:
        self.name = name
        self.make_protocol = make_protocol
        self.intake = intake
        self.journal_behind = journal_behind
        self.ports: list[int] = []
        """The ports that are bound; tells the real one when 0 was asked for."""
        self._protocol_name = protocol
        self._address = address
        self.limits = limits
        """May be replaced while running."""
        self._report = report
        self._connections: set[Connection] = set()
        self._waiting: set[Connection] = set()
        self._servers: list[asyncio.Server] = []
        self._buffer = memoryview(bytearray(RECEIVE_BUFFER_BYTES))
        self._small_buffer = self._buffer[:SMALL_READ_BYTES]
        self._told_this_second = 0
        self._hushed = 0

    async def start(self) -> None:
        """Bind and accept.

        Raises:
            ListenerError: an address can't be bound; the text says which, why, and what to do.
        """
        self.loop = asyncio.get_running_loop()
        host, port = self._address
        for one in expand_hosts(host):
            bound = _bind(self.name, one, self.ports[0] if self.ports and not port else port)
            self.ports.append(bound.getsockname()[1])
            self._servers.append(await self.loop.create_server(lambda: Connection(self), sock=bound, backlog=BACKLOG))
            self._report("listening", f"{self.name} listening on {format_address(one, self.ports[-1])}")

    async def run(self) -> None:
        """Watch over the connections until the listener dies.

        Raises:
            ListenerError: a socket is no longer accepting.
        """
        while True:
            await asyncio.sleep(1.0)
            self.sweep(self.loop.time())
            if not all(server.is_serving() for server in self._servers):
                raise ListenerError(f"{self.name} stopped accepting")

    def stop(self) -> None:
        """Accept no more; connections go on. Idempotent."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        self.ports.clear()

    async def drain(self, deadline_s: float) -> None:
        """Wait until what was received is answered, `deadline_s` at most, then close every connection."""
        ends_at = self.loop.time() + deadline_s
        while self.loop.time() < ends_at and not all(connection.idle for connection in self._connections):
            await asyncio.sleep(0.01)
        for connection in list(self._connections):
            connection.transport.close()

    # --- called by connections ---

    def source_of(self, peer: str) -> Source:
        """The source of a new connection."""
        return Source(self.name, self._protocol_name, peer, next(_connection_ids))

    def receive_buffer(self, *, small: bool) -> memoryview:
        """Where the loop may receive into."""
        return self._small_buffer if small else self._buffer

    def received(self, size: int) -> memoryview:
        """What was received; good until the next receive."""
        return self._buffer[:size]

    def opened(self, connection: Connection) -> None:
        """A connection was made: keep it, or turn it away when there are too many."""
        counters = self.intake.counters
        if len(self._connections) >= self.limits.connections_max:
            counters.connections_refused += 1
            if counters.connections_refused == 1 or not self._hushed:
                self._report("warning", f"{self.name}: more than {self.limits.connections_max} connections, one turned away")
            self._hushed += 1
            connection.transport.abort()
            return
        self._connections.add(connection)
        counters.connections_total += 1
        counters.connections_open = len(self._connections)
        self._tell("connected", connection)

    def closed(self, connection: Connection, error: Exception | None) -> None:
        """A connection is gone."""
        if connection not in self._connections:
            return
        self._connections.discard(connection)
        self._waiting.discard(connection)
        self.intake.counters.connections_open = len(self._connections)
        self._tell("disconnected", connection, f": {error}" if error else "")

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
        """Warn about idle connections, close those that must not stay."""
        limits = self.limits
        for connection in list(self._connections):
            idle_s = now - connection.last_data
            if connection.stalled_s(now) > WRITE_STALL_S_MAX:
                self._report("warning", f"{self._name_of(connection)}: replies unread for {WRITE_STALL_S_MAX:.0f} s, closed")
                connection.transport.abort()
            elif limits.idle_close_s is not None and idle_s > limits.idle_close_s:
                self._report("warning", f"{self._name_of(connection)}: no data for {idle_s:.0f} s, closed")
                connection.transport.close()
            elif limits.idle_warn_s is not None and idle_s > limits.idle_warn_s and connection.warned_for != connection.last_data:
                connection.warned_for = connection.last_data
                self._report("warning", f"{self._name_of(connection)}: no data for {idle_s:.0f} s")
        if self._hushed:
            self._report("info", f"{self.name}: {self._hushed} more connections came or went")
        self._hushed = self._told_this_second = 0

    def _name_of(self, connection: Connection) -> str:
        return f"{self.name} {connection.source.peer}"

    def _tell(self, kind: str, connection: Connection, detail: str = "") -> None:
        if self._told_this_second >= QUIET_ABOVE_PER_S:
            self._hushed += 1
        else:
            self._told_this_second += 1
            self._report(kind, f"{self._name_of(connection)} {kind}{detail}")


def expand_hosts(host: str) -> list[str]:
    """The addresses that a configured host stands for."""
    if host == "*":
        return ["0.0.0.0", "::"] if socket.has_ipv6 else ["0.0.0.0"]
    return [part.strip().strip("[]") for part in host.split(",")]


def format_address(host: str, port: int) -> str:
    """`host:port`, with brackets around IPv6."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _bind(name: str, host: str, port: int) -> socket.socket:
    """A bound socket whose options its connections inherit."""
    try:
        family, kind, number, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        bound = socket.socket(family, kind, number)
    except OSError as error:
        raise ListenerError(f"listener {name}: can't use the address {host!r}: {error.strerror}") from error
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", KEEPALIVE_IDLE_S), ("TCP_KEEPINTVL", KEEPALIVE_INTERVAL_S), ("TCP_KEEPCNT", KEEPALIVE_PROBES)):
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
