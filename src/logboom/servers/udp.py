"""A UDP listener: datagrams in batches, by peer, to its protocol. Nothing is ever answered."""

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from logboom.model import DatagramProtocol, Receipt, Source
from logboom.pipeline.door import Door, Refused
from logboom.pipeline.inlet import Inlet
from logboom.servers.binding import bound_sockets, shown_address
from logboom.servers.datagram_reader import DatagramReader, address_of, dropped, enlarge_buffer
from logboom.servers.listener import ListenerContext
from logboom.settings import ListenerSettings

RECEIVE_BUFFER_BYTES: Final = 8 << 20
"""Wanted size of the kernel's buffer: half a second of 200 000 datagrams per second, small ones."""

READS_MAX: Final = 4
"""System calls in one turn of the loop: a thousand datagrams take about 3 ms."""

JUDGED_MAX: Final = 512
"""Datagrams that are judged in one turn: fewer than are taken, as what stays in the kernel's buffer may be lost."""

JUDGED_BATCHES_MAX: Final = 2
"""Batches of them, one per peer. Those of one peer from several reads are one batch."""

PENDING_BYTES_MAX: Final = 8 << 20
"""Bytes of datagrams that wait to be judged, of all senders: several times what the kernel's buffer holds, where a
small datagram takes 768 bytes. Beyond, they stay there."""

ADDRESSES_MAX: Final = 10_000
"""Socket addresses whose peer is remembered; each port of a peer is one."""


class UdpListener:
    """One configured listener.

    Args:
        context: its settings, and the parts of the app that it works with.
        make_protocol: makes the protocol of all datagrams.
    """

    def __init__(
        self,
        context: ListenerContext[ListenerSettings],
        make_protocol: Callable[[Any], DatagramProtocol],
    ) -> None:
        self.name = context.name
        self.intake = context.intake
        self.ports: list[int] = []
        self._settings = context.settings
        self._report = context.report
        self._protocol = make_protocol(context.settings)
        self._make_protocol = make_protocol
        self._door = Door(context.settings.allow, context.settings.deny, 1)
        self._inlet = Inlet(context.intake, context.turns, Source(self.name, ""), self._on_room)
        self._readers: dict[socket.socket, DatagramReader] = {}
        self._peers: dict[bytes, Source | None] = {}  # None: it is not welcome
        self._dropped: dict[socket.socket, int] = {}
        self._reads = False
        self._pending: deque[tuple[Source, list[bytes], int]] = deque()
        self.waiting_bytes = 0
        """Bytes of datagrams that wait to be judged: at most `PENDING_BYTES_MAX` and one read."""
        self._judges = False

    async def start(self) -> None:
        """Bind and read. Raises ListenerError if an address cannot be bound."""
        self._loop = asyncio.get_running_loop()
        for bound in bound_sockets(self.name, self._settings.host, self._settings.port, socket.SOCK_DGRAM):
            self._readers[bound] = DatagramReader(bound)
            self._dropped[bound] = 0
            self.ports.append(bound.getsockname()[1])
            self._report("listening", f"UDP server listening on {shown_address(bound)} ({self.name})")
            granted = enlarge_buffer(bound, RECEIVE_BUFFER_BYTES)
        if granted < RECEIVE_BUFFER_BYTES:
            self._report(
                "info",
                f"{self.name}: the kernel grants a receive buffer of {granted} bytes; for bursts, set "
                f"net.core.rmem_max to {RECEIVE_BUFFER_BYTES}",
            )
        self.intake.counters.started()
        self._resume()

    async def run(self) -> None:
        """Look after the drop count and what waits, once per second."""
        while True:
            await asyncio.sleep(1.0)
            self.look_after(self._loop.time())

    def look_after(self, now: float) -> None:
        """Count what the kernel dropped, and let the protocol forget what is overdue; `now` in seconds, monotonic."""
        lost = 0
        for bound, before in self._dropped.items():
            count = dropped(bound)
            lost += (count - before) % (1 << 32)
            self._dropped[bound] = count
        if lost:
            self.intake.counters.datagrams_dropped += lost
            self._report("warning", f"{self.name}: the kernel dropped {lost} datagrams: its buffer was full")
        if (batch := self._protocol.expire(now)) is not None:
            self._inlet.source = Source(self.name, "")
            self._inlet.put(batch, _settled)

    def configure(self, settings: ListenerSettings) -> None:
        """Take over who may send."""
        self._settings = settings
        self._door.configure(settings.allow, settings.deny, 1)
        self._peers.clear()

    def stop(self) -> None:
        """Read what has come, then no more. Idempotent."""
        self._pause()
        for _ in range(READS_MAX):
            for reader in self._readers.values():
                self._read(reader)
        while self._pending:
            self._judge_next()
        for bound in self._readers:
            bound.close()
        self._readers.clear()
        self._dropped.clear()
        self.ports.clear()

    async def drain(self, deadline_s: float) -> None:
        """Wait until what was received is stored, for `deadline_s` at most."""
        ends_at = self._loop.time() + deadline_s
        while self._inlet.batches_in_flight and self._loop.time() < ends_at:  # noqa: ASYNC110 - once in a life
            await asyncio.sleep(0.01)
        if (lost := self.intake.held_entries) > 0:
            self._report(
                "error", f"{self.name}: {lost} entries could not be stored before the end; they are lost"
            )
        self._inlet.close()

    def journal_advanced(self) -> None:
        """See `Listener`."""

    # --- reading ---

    def _resume(self) -> None:
        if not self._reads:
            self._reads = True
            for bound, reader in self._readers.items():
                self._loop.add_reader(bound.fileno(), self._readable, reader)

    def _pause(self) -> None:
        if self._reads:
            self._reads = False
            for bound in self._readers:
                self._loop.remove_reader(bound.fileno())

    def _on_room(self) -> None:
        if self._inlet.has_room:
            self._judge_soon()
        else:
            self._inlet.wait()

    def _readable(self, reader: DatagramReader) -> None:
        """Take what has come; it is judged in a later turn, when nothing can be lost by it."""
        for _ in range(READS_MAX):
            if self.waiting_bytes >= PENDING_BYTES_MAX:
                self._pause()
                break
            if not self._read(reader):
                break
        self._judge_soon()

    def _judge_soon(self) -> None:
        if self._pending and not self._judges:
            self._judges = True
            self._loop.call_soon(self._judge_some)

    def _judge_some(self) -> None:
        """Judge some of what waits, while there is room for it in the journal."""
        self._judges = False
        judged = 0
        for _ in range(JUDGED_BATCHES_MAX):
            self._inlet.source = Source(self.name, "")  # no peer's debt stops the others
            if not self._inlet.has_room:
                self._inlet.wait()
                return
            if not self._pending or judged >= JUDGED_MAX:
                break
            judged += self._judge_next()
        if self._readers and self.waiting_bytes < PENDING_BYTES_MAX:
            self._resume()
        self._judge_soon()

    def _judge_next(self) -> int:
        """Judge what waits of one peer, as far as no other one comes between; returns the number of datagrams."""
        pending = self._pending
        source, datagrams, size_bytes = pending.popleft()
        while pending and pending[0][0] == source and len(datagrams) + len(pending[0][1]) <= JUDGED_MAX:
            _, more, more_bytes = pending.popleft()
            datagrams += more
            size_bytes += more_bytes
        self.waiting_bytes -= size_bytes
        batch = self._protocol.read(datagrams, source.peer, self._loop.time())
        if batch is not None:
            self._inlet.source = source
            self._inlet.put(batch, _settled)
        return len(datagrams)

    def _read(self, reader: DatagramReader) -> bool:
        """Read once; return False when there was nothing more."""
        data, addresses = reader.read()
        if not data:
            return False
        self.intake.counters.received(self._loop.time())
        by_peer: dict[Source | None, list[bytes]] = {}
        peers = self._peers
        if len(addresses) == 1:
            by_peer[peers[addresses[0]] if addresses[0] in peers else self._look_up(addresses[0])] = data
        else:
            for one, address in zip(data, addresses, strict=True):
                source = peers[address] if address in peers else self._look_up(address)
                if source in by_peer:
                    by_peer[source].append(one)
                else:
                    by_peer[source] = [one]
        self.intake.counters.connections_turned_away[Refused.NETWORK] += len(by_peer.pop(None, ()))
        for source, datagrams in by_peer.items():
            if source is not None:
                size_bytes = sum(map(len, datagrams))
                self._pending.append((source, datagrams, size_bytes))
                self.waiting_bytes += size_bytes
        return True

    def _look_up(self, address: bytes) -> Source | None:
        if len(self._peers) >= ADDRESSES_MAX:
            self._peers.clear()
        peer = address_of(address)
        found = self._peers[address] = Source(self.name, peer, peer) if self._door.welcomes(peer) else None
        return found


def _settled(_receipt: Receipt) -> None:
    """Nothing is answered."""
