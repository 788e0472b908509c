"""The gRPC listener: the services of WIRE.md, "grpc", with health and reflection beside them.

grpcio brings its own threads and sockets; of the event loop it only uses the wake-up, so uvloop does as well.
"""

import asyncio
import contextlib
from functools import lru_cache
from typing import Any, Final

import grpc  # type: ignore[import-untyped]
from google.protobuf.descriptor_pool import DescriptorPool  # type: ignore[import-untyped]
from grpc_health.v1 import health, health_pb2, health_pb2_grpc  # type: ignore[import-untyped]
from grpc_reflection.v1alpha import reflection, reflection_pb2  # type: ignore[import-untyped]

from logboom.errors import ListenerError
from logboom.formats.grpc_entry import DOCUMENT, REAL, batch_decoder, request_decoder
from logboom.formats.proto_schema import load_schema
from logboom.servers.grpc_calls import STORED, Calls, door_of
from logboom.servers.grpc_options import CONNECTIONS_SHARE, DRAIN_S, RPCS_MAX, server_options
from logboom.servers.listener import ListenerContext
from logboom.servers.tcp import bind, expand_hosts, format_address
from logboom.servers.tls import Tls, make_tls, reload_tls
from logboom.settings import ListenerSettings

HEALTH_INTERVAL_S: Final = 1.0
"""How often the health service learns whether the journal can store."""

_SERVING: Final = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING: Final = health_pb2.HealthCheckResponse.NOT_SERVING


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
        self._calls: Calls | None = None
        self._server: Any = None
        self._health: Any = None
        self._stopping: asyncio.Task[None] | None = None

    def configure(self, settings: ListenerSettings) -> None:
        """Take over what can change while running: networks and certificates; all else is the intake's."""
        self._settings = settings
        if self._calls is not None:
            self._calls.door = door_of(settings)
        wants = bool(settings.tls_client_ca)
        if self._tls is not None and wants != (self._tls.certificates.client_ca is not None):
            self._context.report(
                "warning", f"{self.name}: tls_client_ca is set or taken away by a restart only"
            )
            return
        reload_tls(self._tls, self.name, settings, self._context.report)

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
        calls = self._calls = Calls(self._context)
        calls.door = door_of(self._settings)
        server = self._server = grpc.aio.server(
            options=server_options(self._settings.frame_bytes_max, self._put_by()),
            maximum_concurrent_rpcs=RPCS_MAX,
        )
        server.add_generic_rpc_handlers(_handlers(calls))
        self._health = health.aio.HealthServicer()
        await self._tell_health()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        reflection.enable_server_reflection(_reflected(), server, _described())
        self._bind()
        await server.start()
        self.intake.counters.started()
        for host, port in zip(_hosts(self._context.settings.host), self.ports, strict=True):
            self._context.report(
                "listening", f"gRPC server listening on {format_address(host, port)} ({self.name})"
            )

    def _put_by(self) -> int:
        """How many connections there may be; their open files are put by."""
        counters = self.intake.counters
        if not counters.put_by:
            left = self._context.connections_left() // CONNECTIONS_SHARE
            counters.put_by = max(1, min(self._settings.connections_max, left))
        return counters.put_by

    def _bind(self) -> None:
        port = self._context.settings.port
        for host in _hosts(self._context.settings.host):
            wanted = port or next(iter(self.ports), 0)
            bind(self.name, host, wanted).close()  # it says what is wrong; gRPC only that something is
            address = format_address(host, wanted)
            try:
                self.ports.append(self._add_port(address))
            except RuntimeError as error:
                raise ListenerError(f"listener {self.name}: can't listen on {address}: {error}") from error

    def _add_port(self, address: str) -> int:
        if self._tls is None:
            added: int = self._server.add_insecure_port(address)
        else:
            added = self._server.add_secure_port(address, self._tls.grpc_credentials())
        return added

    async def run(self) -> None:
        """Keep the health service up to date until the server dies.

        Raises:
            ListenerError: it has.
        """
        while await self._server.wait_for_termination(HEALTH_INTERVAL_S):
            await self._tell_health()
            if self._calls is not None:
                self._calls.look_again()
        raise ListenerError(f"{self.name} stopped accepting")

    async def _tell_health(self) -> None:
        status = _SERVING if self._context.journal.failing is None else _NOT_SERVING
        for service in ("", *_services()):
            await self._health.set(service, status)

    def stop(self) -> None:
        """Accept no more calls; those that are open get their answers. Idempotent."""
        if self._calls is not None and self._stopping is None:
            self._calls.stop()
            self._stopping = asyncio.create_task(self._stop(self._server, self._health))
        self.ports.clear()

    @staticmethod
    async def _stop(server: Any, servicer: Any) -> None:
        await servicer.enter_graceful_shutdown()
        await server.stop(DRAIN_S)

    async def drain(self, deadline_s: float) -> None:
        """Wait until the calls are answered, `deadline_s` at most, then end what is left: health watchers, too."""
        if self._calls is None or self._stopping is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                await self._calls.ended.wait()
        await self._server.stop(None)
        await self._stopping

    def journal_advanced(self) -> None:
        """The journal has committed something."""
        if self._calls is not None:
            self._calls.journal_advanced()


def _handlers(calls: Calls) -> tuple[Any, ...]:
    """The methods, by service."""
    real, document = calls.unary(request_decoder(REAL)), calls.unary(request_decoder(DOCUMENT))
    services = {
        "logservice.LogService": {
            "LogMessage": real,
            "LogStream": calls.stream(request_decoder(REAL), lambda _: STORED),
            "LogBatches": calls.stream(batch_decoder(), _batch_response),
        },
        "logservice.LogBridge": {"LogMessage": real},
        "LogService": {"LogMessage": document},
    }
    return tuple(grpc.method_handlers_generic_handler(name, methods) for name, methods in services.items())


@lru_cache(maxsize=1024)
def _batch_response(stored: int) -> bytes:
    message = load_schema(REAL).messages["LogBatchResponse"](stored=stored)
    serialized: bytes = message.SerializeToString()
    return serialized


def _services() -> list[str]:
    return [service for name in (REAL, DOCUMENT) for service in load_schema(name).services]


def _reflected() -> list[str]:
    return [*_services(), health.SERVICE_NAME, reflection.SERVICE_NAME]


def _described() -> DescriptorPool:
    """What reflection tells about, both layouts at once: their packages keep them apart."""
    pool = DescriptorPool()
    for name in (REAL, DOCUMENT):
        pool.AddSerializedFile(load_schema(name).file.SerializeToString())
    for module in (health_pb2, reflection_pb2):
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    return pool


def _hosts(host: str) -> list[str]:
    """The addresses to bind. gRPC's IPv6 wildcard takes IPv4 as well."""
    hosts = expand_hosts(host)
    return hosts[-1:] if host == "*" else hosts
