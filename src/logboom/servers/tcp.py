"""A TCP listener: accepts connections for one protocol, bounds them, watches over idle ones."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import Final

from logboom.framing.tokenline import TokenLine
from logboom.model import Batch, Source, WireProtocol
from logboom.pipeline.door import Refused
from logboom.pipeline.intake import Limit
from logboom.pipeline.tokens import EVERYBODY
from logboom.pipeline.unread import Unread
from logboom.receivers.base import Refusal
from logboom.receivers.http import HttpSettings
from logboom.receivers.registry import receiver
from logboom.servers.complaints import Complaints
from logboom.servers.connection import SMALL_READ_BYTES, Connection
from logboom.servers.gatherer import Gatherer
from logboom.servers.http_front import HttpFront
from logboom.servers.listener import ListenerContext
from logboom.servers.sockets import Sockets
from logboom.servers.tls_peer import client_name
from logboom.settings import TcpSettings

RECEIVE_BUFFER_BYTES: Final = 256 << 10
"""The shared receive buffer. Larger ones fall out of the processor's cache and gain nothing."""

HELD_BYTES_MAX: Final = 256 << 20
"""Bytes of unfinished lines and frames, over all connections of a listener: a frame may have a megabyte, and an address
ten thousand connections. Beyond, the address that holds most loses those that hold much."""
HELD_FREE_BYTES: Final = 64 << 10

ENDINGS_S: Final = 0.002
"""Processor time per turn of the loop for what connections leave that end in the middle of a line, seconds."""

SWEEP_SLICE: Final = 500
"""Connections that are looked after in one turn of the loop: about a millisecond."""

QUIET_ABOVE_PER_S: Final = 20
"""Connections per second above which they are logged as a number: one log line each would be a
flood of its own."""

_WHY: Final = {
    Refused.FULL: "{connections_max} connections are open already",
    Refused.ADDRESS: "its address has as many connections as one may have",
    Refused.NETWORK: "its network may not connect",
}

_WRONG_PORT: Final = {
    "TLS": "speaks TLS, and this port is plain text",
    "HTTP": "speaks HTTP, and this port takes entries",
}


class TcpListener:
    """One configured listener.

    Args:
        context: its settings, and the parts of the app that it works with.
        make_protocol: makes the protocol of a new connection.
    """

    def __init__(
        self, context: ListenerContext[TcpSettings], make_protocol: Callable[[TcpSettings], WireProtocol]
    ) -> None:
        self.name = context.name
        self.intake = context.intake
        self.turns = context.turns
        self._sockets = Sockets(context)
        self.ports = self._sockets.ports
        self._context = context
        self._settings = context.settings
        self._make_protocol = make_protocol
        self.refuses_by_closing = receiver(context.settings.protocol).refusal is Refusal.CLOSE
        """An entry that cannot be stored for now ends its connection."""
        self._report = context.report
        self._door = self._sockets.door
        self._comings = Complaints(
            context.name,
            context.report,
            "connections came or went",
            kind="info",
            told_max=QUIET_ABOVE_PER_S,
            period_s=0,
        )
        self._connections: set[Connection] = set()
        self._unread = Unread(lambda: self._connections, self._end_unread, self._now)
        self.buffer = memoryview(bytearray(RECEIVE_BUFFER_BYTES))
        """Shared receive buffer of all connections."""
        self.gatherer = Gatherer(context.intake, context.turns, self.buffer)
        self._ending: deque[Connection] = deque()
        self._ending_scheduled = False
        self.small_buffer = self.buffer[:SMALL_READ_BYTES]
        self._generation = 0
        self._door_changed = False
        self.takes_http = context.settings.takes_http
        self._front = HttpFront(context, self._http_settings(), (), self._left, only_writes=True)
        """Serves the connections that speak HTTP, where the port takes them."""

    def configure(self, settings: TcpSettings) -> None:
        """Take over limits and idle times; lengths count for new connections."""
        self._settings = settings
        self._sockets.configure(settings)
        self._front.configure(self._http_settings())
        self._door_changed = True

    def make_protocol(self) -> WireProtocol:
        """The protocol of a new connection."""
        protocol = self._make_protocol(self._settings)
        return protocol if self._context.tokens is None else TokenLine(protocol, self._admit)

    def judge_again(self, line: bytes) -> list[Batch]:
        """Return the batches of a line that was refused before, judged as a new connection's."""
        protocol = self._make_protocol(self._settings)
        protocol.receive_data(line + b"\n")
        protocol.receive_eof()
        found = list[Batch]()
        while (item := protocol.next_batch()) is not None:
            found.append(item[0])
        for batch in found:
            batch.received_ns = time.time_ns()
        return found

    def _admit(self, token: str) -> str | None:
        """Return why a token is not accepted; None if it is."""
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
        self.loop = self.gatherer.loop = asyncio.get_running_loop()
        self._report("start", f"Starting TCP server on port {self._settings.port} ({self.name})")
        if self.takes_http:
            await self._front.prepare()
        for address in await self._sockets.open(lambda: Connection(self)):
            self._report("listening", f"TCP server listening on {address} ({self.name})")

    async def run(self) -> None:
        """Watch over the connections until the listener dies.

        Raises:
            ListenerError: a socket is no longer accepting.
        """
        while True:
            await asyncio.sleep(1.0)
            for _ in self._sweep_in_slices(self.loop.time()):
                await asyncio.sleep(0)
            self._front.look_after(self.loop.time(), self._door.welcomes)
            self._sockets.look_after(self.loop.time())

    def stop(self) -> None:
        """Accept no more; connections go on. Idempotent."""
        self._sockets.stop()

    async def drain(self, deadline_s: float) -> None:
        """Wait until what was received is answered, `deadline_s` at most, then close every connection."""
        ends_at = self.loop.time() + deadline_s
        await self._until(lambda: all(connection.idle for connection in self._connections), ends_at)
        if (lost := self.intake.held_entries) > 0:
            self._report(
                "error", f"{self.name}: {lost} entries could not be stored before the end; they are lost"
            )
        for connection in list(self._connections):
            connection.transport.close()
        await self._front.drain(max(0.0, ends_at - self.loop.time()))
        await self._until(lambda: not self._connections, ends_at)  # the last replies leave the buffers
        self._comings.flush()

    async def _until(self, done: Callable[[], bool], ends_at: float) -> None:
        while not done() and self.loop.time() < ends_at:  # noqa: ASYNC110 - thousands to wait for, once in a life
            await asyncio.sleep(0.01)

    # --- called by connections ---

    def source_of(self, peer: str) -> Source:
        """The source of a new connection."""
        return Source(self.name, peer, peer)

    def opened(self, connection: Connection) -> None:
        """A connection was made: keep it, or turn it away when there are too many."""
        counters = self.intake.counters
        connections_max = self._sockets.connections_max
        refused = (
            Refused.FULL if self._open_count >= connections_max else self._door.enter(connection.source.peer)
        )
        if refused is not None:
            counters.turned_away(refused)
            why = _WHY[refused].format(connections_max=connections_max)
            self._tell("warning", connection, f"turned away: {why}")
            connection.transport.abort()
            return
        self._connections.add(connection)
        counters.accepted(self._open_count)
        client = client_name(connection.transport)
        self._tell_of("connected", connection, f", by its certificate {client}" if client else "")

    def heard(self, connection: Connection) -> None:
        """A connection has sent its first bytes: now those that ended before it are known to have ended."""
        source, lineages = connection.source, self.intake.lineages
        if lineages is not None and not source.lineage:
            lineage = lineages.begin(self.name, connection.address)
            connection.inlet.source = source._replace(lineage=lineage)

    def ended(self, connection: Connection) -> None:
        """A connection sends no more."""
        lineage, lineages = connection.source.lineage, self.intake.lineages
        if lineage and lineages is not None:
            lineages.end(self.name, connection.address, lineage)

    def closed(self, connection: Connection, error: Exception | None) -> None:
        """A connection is gone."""
        if connection not in self._connections:
            return
        self._connections.discard(connection)
        self._left(connection.address)
        self._tell_of("disconnected", connection, f": {error}" if error else "")

    def gave_up(self, connection: Connection, reason: str) -> None:
        """A connection's protocol can't go on: it is closed once what it brought is settled."""
        self._report("error", f"{self._name_of(connection)}: {reason}; closed")

    def noticed(self, connection: Connection, notice: str) -> None:
        """Report what a protocol found out about its client."""
        self._report("warning", f"{self._name_of(connection)}: {notice}")

    def wrong_port(self, connection: Connection, speaks: str) -> None:
        """A client of another protocol: whatever it sends means nothing here."""
        self._tell("warning", connection, f"{_WRONG_PORT[speaks]}; closed")
        connection.transport.abort()

    def hand_over(self, connection: Connection, data: bytes) -> None:
        """A client that speaks HTTP: the connection keeps its place, and is served as one of the site's."""
        self._connections.discard(connection)
        self.ended(connection)
        self._front.adopt(connection.transport, data)

    def _left(self, address: str) -> None:
        """A connection that was let in is gone."""
        self._door.leave(address)
        self.intake.counters.connections_open = self._open_count

    @property
    def _open_count(self) -> int:
        return len(self._connections) + self._front.open_count

    def _http_settings(self) -> HttpSettings:
        """Settings of what is served over HTTP: the standard ones, at this address."""
        return HttpSettings(protocol="http", host=self._settings.host, port=self._settings.port)

    def end_soon(self, connection: Connection) -> None:
        """Judge what a connection that has ended left, in its turn."""
        self._ending.append(connection)
        if not self._ending_scheduled:
            self._ending_scheduled = True
            self.loop.call_soon(self._end_some)

    def _end_some(self) -> None:
        """Judge what ended connections left, for a moment; then others have their turn."""
        self._ending_scheduled = False
        ends_at = time.thread_time() + ENDINGS_S
        while self._ending:
            self._ending.popleft().pump()
            if time.thread_time() >= ends_at:
                break
        if self._ending and not self._ending_scheduled:
            self._ending_scheduled = True
            self.loop.call_soon(self._end_some)

    def journal_advanced(self) -> None:
        """See `Listener`: connections that wait for the journal have their turns, but for those over HTTP."""
        self._front.journal_advanced()

    # --- every second ---

    def sweep(self, now: float) -> None:
        """Warn about idle connections, close those that must not stay, send the heartbeats of the others."""
        for _ in self._sweep_in_slices(now):
            pass

    def _sweep_in_slices(self, now: float) -> Iterator[None]:
        """The sweep, a step for each `SWEEP_SLICE` connections: ten thousand at once would hold up their answers."""
        tokens_changed, door_changed = self._tokens_changed(), self._door_changed
        self._door_changed = False
        held: Counter[str] = Counter()
        settings = self._settings
        all_in_turn = tokens_changed or door_changed or settings.idle_warn_s > 0 or settings.idle_close_s > 0
        for number, connection in enumerate(list(self._connections), 1):
            if number % SWEEP_SLICE == 0:
                yield
            if connection.resting and not all_in_turn:
                continue  # it holds nothing, has shown its token, and gets nothing unasked
            if size := connection.held_bytes():
                held[connection.address] += size
            connection.send_unasked()
            if door_changed and not self._door.welcomes(connection.address):
                self._cut_off(connection, "its network may not connect any more")
            elif connection.lacks_token(now):
                self._cut_off(connection, "no token line came", Limit.FIRST_LINE)
            elif tokens_changed and (trouble := connection.token_trouble()):
                self._cut_off(connection, trouble)
            else:
                self._look_at_idle(connection, now - connection.last_data)
        self._unread.sweep()
        self._free_held(held)
        self._comings.flush_due(now)

    def _look_at_idle(self, connection: Connection, idle_s: float) -> None:
        """Warn about a silent connection, or close it."""
        settings = self._settings
        if 0 < settings.idle_close_s < idle_s:
            if connection.transport.is_closing():
                connection.transport.abort()  # it was closed before, and leaves its replies unread
                return
            self.intake.counters.limit_reached(Limit.IDLE)
            self._report("warning", f"{self._name_of(connection)}: no data for {idle_s:.0f} s, closed")
            connection.transport.close()
        elif 0 < settings.idle_warn_s < idle_s and connection.warned_for != connection.last_data:
            connection.warned_for = connection.last_data
            self._report("warning", f"{self._name_of(connection)}: no data for {idle_s:.0f} s")

    def _cut_off(self, connection: Connection, why: str, limit: Limit | None = None) -> None:
        """End a connection that must not stay."""
        if limit is not None:
            self.intake.counters.limit_reached(limit)
        self._tell("warning", connection, f"{why}; closed")
        connection.transport.abort()

    def _now(self) -> float:
        return self.loop.time()  # there is none before the start

    def _end_unread(self, connection: Connection, why: str) -> None:
        """End a connection that does not take its replies."""
        self._cut_off(connection, why, Limit.UNREAD)

    def _free_held(self, held: Counter[str]) -> None:
        """Close connections whose unfinished frames take too much memory, those of one address."""
        if held.total() <= HELD_BYTES_MAX or self.turns.behind():
            return  # if it is behind, what they hold is complete, and nothing is read
        [(worst, _)] = held.most_common(1)
        for connection in list(self._connections):
            if connection.address == worst and connection.held_bytes() > HELD_FREE_BYTES:
                self._cut_off(connection, "holds too much that does not end", Limit.HELD_BYTES)

    def _tokens_changed(self) -> bool:
        """Return whether the set of tokens has changed since the last call."""
        before, tokens = self._generation, self._context.tokens
        self._generation = tokens.generation if tokens is not None else 0
        return self._generation != before

    def _name_of(self, connection: Connection) -> str:
        return f"{self.name} {connection.source.peer}"

    def _tell_of(self, kind: str, connection: Connection, detail: str) -> None:
        """A connection came or went; of sensor gateways, in the words of the service that they come from."""
        if self._settings.protocol != "gateway":
            self._tell(kind, connection, f"{kind}{detail}")
            return
        address = connection.transport.get_extra_info("peername")
        place = (connection.source.peer, address[1] if address else 0)
        self._comings.tell(f"Gateway {kind} from {place}{detail}", kind, named=False)

    def _tell(self, kind: str, connection: Connection, text: str) -> None:
        self._comings.tell(f"{connection.source.peer} {text}", kind)
