"""The sockets of one listener: where they are bound, TLS before them, and who may come in."""

import asyncio
from collections.abc import Callable
from typing import Final

from logboom.errors import ListenerError
from logboom.pipeline.door import Door, Networks
from logboom.servers.binding import bound_sockets, shown_address
from logboom.servers.listener import ListenerContext
from logboom.servers.proxy_link import ProxyGate
from logboom.servers.tls import make_tls
from logboom.servers.tls_link import TlsGate
from logboom.settings import ListenerSettings

BACKLOG: Final = 4096
"""Connections that wait to be accepted, for fleets that come back all at once; the kernel caps it."""


class Sockets:
    """Accepting sockets of one listener.

    Args:
        context: of the listener.
    """

    def __init__(self, context: ListenerContext[ListenerSettings]) -> None:
        settings = context.settings
        self.door = Door(settings.allow, settings.deny, settings.connections_per_address_max)
        self.ports: list[int] = []
        """The ports that are bound; the real one when 0 was asked for."""
        self._context = context
        self._settings = settings
        self._counters = context.intake.counters
        self._gate: TlsGate | None = None
        self._proxies: ProxyGate | None = None
        self._servers: list[asyncio.Server] = []

    async def open(self, accept: Callable[[], asyncio.BaseProtocol]) -> list[str]:
        """Bind and accept; returns the addresses.

        Args:
            accept: makes the protocol of a new connection, behind TLS where that is asked for.

        Raises:
            ListenerError: an address can't be bound; the text says which, why, and what to do.
            ConfigError: a certificate can't be used.
        """
        loop = asyncio.get_running_loop()
        make_protocol = self._proxied(self._secured(accept))
        addresses = []
        for bound in bound_sockets(self._context.name, self._settings.host, self._settings.port):
            self.ports.append(bound.getsockname()[1])
            self._servers.append(await loop.create_server(make_protocol, sock=bound, backlog=BACKLOG))
            addresses.append(shown_address(bound))
        self._counters.started()
        return addresses

    def _secured(self, accept: Callable[[], asyncio.BaseProtocol]) -> Callable[[], asyncio.BaseProtocol]:
        """Puts TLS before what `accept` makes. The certificates in force outlive a restart of the sockets."""
        context = self._context
        tls = self._gate.tls if self._gate else make_tls(context.name, self._settings, context.report)
        if tls is None:
            return accept
        self._gate = TlsGate(
            context.name,
            tls,
            accept,
            door=self.door,
            room=self._room,
            counters=self._counters,
            report=context.report,
            takes_plain_text=getattr(self._settings, "plain_text", False),
        )
        return self._gate

    def _proxied(self, accept: Callable[[], asyncio.BaseProtocol]) -> Callable[[], asyncio.BaseProtocol]:
        """Puts the look for a PROXY header before what `accept` makes, as long as there are proxies."""
        context = self._context
        proxies = self._proxies = ProxyGate(
            context.name, accept, room=self._room, counters=self._counters, report=context.report
        )
        proxies.proxies = Networks(self._settings.proxy_from)
        return lambda: proxies() if proxies.proxies else accept()

    def _room(self) -> int:
        return self.connections_max - self._counters.connections_open

    @property
    def connections_max(self) -> int:
        """Number of connections that there may be now: as many as are configured, and as the open files allow."""
        counters = self._counters
        left = max(0, self._context.connections_left()) // counters.files_each
        return min(self._settings.connections_max, counters.connections_open + left)

    def configure(self, settings: ListenerSettings) -> None:
        """Take over who may come in, and read the certificates again."""
        self._settings = settings
        self.door.configure(settings.allow, settings.deny, settings.connections_per_address_max)
        if self._gate is not None:
            self._gate.tls.reload(settings)
        if self._proxies is not None:
            self._proxies.proxies = Networks(settings.proxy_from)

    def look_after(self, now: float) -> None:
        """Called about once per second, `now` in seconds, monotonic.

        Raises:
            ListenerError: one no longer accepts.
        """
        if self._gate is not None:
            self._gate.failures.flush_due(now)
        if self._proxies is not None:
            self._proxies.failures.flush_due(now)
        if not all(server.is_serving() for server in self._servers):
            raise ListenerError(f"{self._context.name} stopped accepting")

    def stop(self) -> None:
        """Accept no more; connections go on. Idempotent."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        self.ports.clear()
        for gate in (self._gate, self._proxies):
            if gate is not None:
                gate.stop()
