"""The gRPC listener: the services of docs/contracts/grpc.md, health and reflection.

grpcio brings its own threads and sockets; of the event loop it only uses the wake-up, so uvloop does as well.
"""

import asyncio
import contextlib
from typing import Any, Final, NamedTuple

import grpc  # type: ignore[import-untyped]

from logboom.errors import ListenerError
from logboom.pipeline.door import Door
from logboom.servers.grpc_calls import Calls
from logboom.servers.grpc_connections import Connections
from logboom.servers.grpc_gate import Gate
from logboom.servers.grpc_options import CONNECTIONS_SHARE, DRAIN_S, server_options
from logboom.servers.grpc_services import Asides, add_log_services
from logboom.servers.listener import ListenerContext
from logboom.servers.sockets import bind, expand_hosts, format_address
from logboom.servers.tls import Tls, make_tls
from logboom.settings import ListenerSettings

HEALTH_INTERVAL_S: Final = 1.0
"""How often the health service learns whether the journal can store, and connections are looked at."""


class _Served(NamedTuple):
    """What one life of the server serves."""

    gate: Gate
    calls: Calls
    asides: Asides


class GrpcListener:
    """One configured listener; see `servers.listener.Listener`.

    Args:
        context: its settings, and the parts of the app that it works with.
    """

    def __init__(self, context: ListenerContext) -> None:
        self.name = context.name
        self.intake = context.intake
        self.ports: list[int] = []
        """The ports that are bound; tells the real one when 0 was asked for."""
        self._context = context
        self._settings = context.settings
        self._tls: Tls | None = None
        self._door = Door(
            context.settings.allow, context.settings.deny, context.settings.connections_per_address_max
        )
        self._connections = Connections(context.name, self._door, self.intake.counters, context.report)
        self._server: Any = None
        self._served: _Served | None = None
        self._stopping: asyncio.Task[None] | None = None

    def configure(self, settings: ListenerSettings) -> None:
        """Take over what can change while running: networks and certificates; all else is the intake's."""
        self._settings = settings
        self._door.configure(settings.allow, settings.deny, settings.connections_per_address_max)
        self._connections.door_changed = True
        if self._tls is not None:
            self._tls.reload(settings)

    async def start(self) -> None:
        """Bind and serve.

        Raises:
            ListenerError: an address can't be bound; the text says which, why, and what to do.
            ConfigError: a certificate can't be used.
        """
        if self._tls is None:
            self._tls = make_tls(self.name, self._context.settings, self._context.report)
        if self._stopping is not None:  # it has died before: `stop` must end this life, too
            await self._stopping
            self._stopping = None
        served = self._served = self._serve()
        await self._tell_health(served)
        self._server = grpc.aio.server(options=server_options(self._settings.frame_bytes_max, self._put_by()))
        self._server.add_generic_rpc_handlers((served.gate,))
        self._bind()
        await self._server.start()
        self.intake.counters.started()
        for host, port in zip(_hosts(self._context.settings.host), self.ports, strict=True):
            self._context.report(
                "listening", f"gRPC server listening on {format_address(host, port)} ({self.name})"
            )

    def _serve(self) -> _Served:
        gate = Gate(self._context, self._door)
        calls = Calls(self._context, gate)
        add_log_services(gate, calls)
        return _Served(gate, calls, Asides(gate, self.intake.counters))

    def _put_by(self) -> int:
        """How many connections there may be; their open files are put by."""
        counters = self.intake.counters
        if not counters.put_by:
            left = self._context.connections_left() // CONNECTIONS_SHARE
            counters.put_by = max(1, min(self._settings.connections_max, left))
        return counters.put_by

    def _bind(self) -> None:
        port = self._context.settings.port
        self._connections.bound.clear()
        for host in _hosts(self._context.settings.host):
            wanted = port or next(iter(self.ports), 0)
            with bind(self.name, host, wanted) as probe:  # it says what is wrong; gRPC only that something is
                resolved = probe.getsockname()[0]
            address = format_address(host, wanted)
            try:
                self.ports.append(self._add_port(address))
            except RuntimeError as error:
                raise ListenerError(f"listener {self.name}: can't listen on {address}: {error}") from error
            self._connections.bound.add((resolved, self.ports[-1]))

    def _add_port(self, address: str) -> int:
        if self._tls is None:
            added: int = self._server.add_insecure_port(address)
        else:
            added = self._server.add_secure_port(address, self._tls.grpc_credentials())
        return added

    async def run(self) -> None:
        """Look after health, tokens and connections until the server dies.

        Raises:
            ListenerError: it has.
        """
        loop = asyncio.get_running_loop()
        while await self._server.wait_for_termination(HEALTH_INTERVAL_S):
            if self._served is not None:
                await self._tell_health(self._served)
                self._served.calls.look_again()
                self._served.gate.complaints.flush_due(loop.time())
            for _ in self._connections.sweep(loop.time()):
                await asyncio.sleep(0)
        raise ListenerError(f"{self.name} stopped accepting")

    async def _tell_health(self, served: _Served) -> None:
        await served.asides.tell(serving=self._context.journal.failing is None)

    def stop(self) -> None:
        """Accept no more calls; those that are open get their answers. Idempotent."""
        if self._served is not None and self._stopping is None:
            self._served.calls.stop()
            self._stopping = asyncio.create_task(self._stop(self._served, self._server))
        self.ports.clear()

    @staticmethod
    async def _stop(served: _Served, server: Any) -> None:
        await served.asides.stop()
        await server.stop(DRAIN_S)

    async def drain(self, deadline_s: float) -> None:
        """Wait until the calls are answered, `deadline_s` at most, then end what is left: health watchers, too."""
        if self._served is None or self._stopping is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                await self._served.gate.calls.empty.wait()
        await self._server.stop(None)
        await self._stopping

    def journal_advanced(self) -> None:
        """The journal has committed something."""
        if self._served is not None:
            self._served.calls.journal_advanced()


def _hosts(host: str) -> list[str]:
    """The addresses to bind. gRPC's IPv6 wildcard takes IPv4 as well."""
    hosts = expand_hosts(host)
    return hosts[-1:] if host == "*" else hosts
