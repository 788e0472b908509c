"""gRPC listener: the services of one receiver, health and reflection.

grpcio brings its own threads and sockets; of the event loop it only uses the wake-up, so uvloop does as well.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import grpc  # type: ignore[import-untyped]

from logboom.errors import ListenerError
from logboom.receivers.grpc import GrpcSettings
from logboom.receivers.grpc_methods import GrpcServices
from logboom.servers.grpc_calls import Calls
from logboom.servers.grpc_gate import Gate
from logboom.servers.grpc_inner import InnerSocket
from logboom.servers.grpc_options import DRAIN_S, server_options
from logboom.servers.grpc_relay import FILES_EACH, Relays
from logboom.servers.grpc_services import Asides, add_methods
from logboom.servers.listener import ListenerContext
from logboom.servers.sockets import Sockets

HEALTH_INTERVAL_S: Final = 1.0
"""Interval of updating the health service and of examining connections, seconds."""


class _Served(NamedTuple):
    """Parts of one run of the server."""

    gate: Gate
    calls: Calls
    asides: Asides


class GrpcListener:
    """One configured listener; see `servers.listener.Listener`.

    Args:
        context: its settings, and the parts of the app that it works with.
        make: returns the receiver's services.
    """

    def __init__(
        self, context: ListenerContext[GrpcSettings], make: Callable[[GrpcSettings], GrpcServices]
    ) -> None:
        self._make = make
        self.name = context.name
        self.intake = context.intake
        self._context = context
        self._settings = context.settings
        self._sockets = Sockets(context)
        self.ports = self._sockets.ports
        self._inner = InnerSocket(context.journal.folder.parent, context.name)
        self._relays: Relays | None = None
        self._server: Any = None
        self._served: _Served | None = None
        self._stopping: asyncio.Task[None] | None = None
        self.intake.counters.files_each = FILES_EACH

    def configure(self, settings: GrpcSettings) -> None:
        """Take over what can change while running; the length of messages counts from the next start."""
        self._settings = settings
        self._sockets.configure(settings)
        if self._relays is not None:
            self._relays.door_changed = True

    async def start(self) -> None:
        """Bind and serve.

        Raises:
            ListenerError: an address can't be bound; the text says which, why, and what to do.
            ConfigError: a certificate can't be used.
        """
        if self._stopping is not None:  # it has died before: `stop` must end this life, too
            await self._stopping
            self._stopping = None
        relays = self._relays = Relays(
            self._context, self._sockets.door, lambda: self._sockets.connections_max, self._inner
        )
        served = self._served = self._serve(relays)
        await self._tell_health(served)
        self._server = grpc.aio.server(options=server_options(self._settings.frame_bytes_max))
        self._server.add_generic_rpc_handlers((served.gate,))
        self._bind_inner()
        await self._server.start()
        for address in await self._sockets.open(relays):
            self._context.report("listening", f"gRPC server listening on {address} ({self.name})")

    def _serve(self, relays: Relays) -> _Served:
        gate = Gate(self._context, relays.source_of)
        calls = Calls(self._context, gate)
        services = self._make(self._settings)
        add_methods(gate, calls, services)
        return _Served(gate, calls, Asides(gate, self.intake.counters, services))

    def _bind_inner(self) -> None:
        """Let the core listen where only relays reach it."""
        try:
            self._server.add_insecure_port(self._inner.prepare())
        except (OSError, RuntimeError):
            try:
                self._server.add_insecure_port(self._inner.prepare_without_file())
            except RuntimeError as error:
                raise ListenerError(
                    f"listener {self.name}: gRPC gets no socket of its own: {error}"
                ) from error

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
            if self._relays is not None:
                for _ in self._relays.sweep(loop.time()):
                    await asyncio.sleep(0)
            self._sockets.look_after(loop.time())
        raise ListenerError(f"{self.name} stopped accepting")

    async def _tell_health(self, served: _Served) -> None:
        await served.asides.tell(serving=self._context.journal.trouble is None)

    def stop(self) -> None:
        """Accept no more calls; those that are open get their answers. Idempotent."""
        self._sockets.stop()
        if self._served is not None and self._stopping is None:
            self._served.calls.stop()
            self._stopping = asyncio.create_task(self._stop(self._served, self._server))

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
        if self._relays is not None:
            self._relays.close()
        self._inner.close()

    def journal_advanced(self) -> None:
        """See `Listener`: calls that wait for the journal have their turns."""
