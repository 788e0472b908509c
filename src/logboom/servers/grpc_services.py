"""Services of a gRPC listener: those of its receiver, health and reflection."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import grpc  # type: ignore[import-untyped]
from google.protobuf.descriptor_pool import DescriptorPool  # type: ignore[import-untyped]
from grpc.aio import EOF  # type: ignore[import-untyped]
from grpc_health.v1 import health, health_pb2  # type: ignore[import-untyped]
from grpc_reflection.v1alpha import reflection, reflection_pb2  # type: ignore[import-untyped]

from logboom.model import Source
from logboom.pipeline.intake import Counters, Limit
from logboom.receivers.grpc_methods import GrpcRequest, GrpcServices
from logboom.servers.grpc_calls import Calls
from logboom.servers.grpc_gate import Codec, Gate, Places, Refusal, RefusedError
from logboom.servers.grpc_options import REFLECTION_S_MAX, WATCHES_MAX, WATCHES_PER_ADDRESS_MAX

ENOUGH: Final = Refusal(
    grpc.StatusCode.DEADLINE_EXCEEDED, f"the schema is sent for {REFLECTION_S_MAX:.0f} s: ask again"
)

_HEALTH: Final = Codec(
    health_pb2.HealthCheckRequest.FromString, health_pb2.HealthCheckResponse.SerializeToString
)
_REFLECTION: Final = Codec(
    reflection_pb2.ServerReflectionRequest.FromString,
    reflection_pb2.ServerReflectionResponse.SerializeToString,
)
_SERVING: Final = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING: Final = health_pb2.HealthCheckResponse.NOT_SERVING


def add_methods(gate: Gate, calls: Calls, services: GrpcServices) -> None:
    """Serve the methods that take entries."""
    for method in services.methods:
        if isinstance(method, GrpcRequest):
            gate.add(method.path, calls.whole(method), single=True)
        else:
            handle = calls.stream(method) if method.streams else calls.single(method)
            gate.add(method.path, handle, single=not method.streams)


class Asides:
    """Health and reflection. They need no token: they return only whether the server stores, and the schema.

    Args:
        gate: where they are served.
        counters: of the listener.
        services: those that take entries.
    """

    def __init__(self, gate: Gate, counters: Counters, services: GrpcServices) -> None:
        self._names = services.names
        self._gate = gate
        self._counters = counters
        self._health = health.aio.HealthServicer()
        self._reflection = reflection.aio.ReflectionServicer(
            [*services.names, health.SERVICE_NAME, reflection.SERVICE_NAME], pool=_described(services)
        )
        check, watch = (f"/{health.SERVICE_NAME}/{method}" for method in ("Check", "Watch"))
        reflect = f"/{reflection.SERVICE_NAME}/ServerReflectionInfo"
        places = Places(WATCHES_MAX, WATCHES_PER_ADDRESS_MAX)
        gate.add(check, self._check, _HEALTH, single=True, to_all=True)
        gate.add(watch, self._watch, _HEALTH, places=places, to_all=True)
        gate.add(reflect, self._reflect, _REFLECTION, places=places, to_all=True)

    async def tell(self, *, serving: bool) -> None:
        """Take over whether the server stores."""
        for service in ("", *self._names):
            await self._health.set(service, _SERVING if serving else _NOT_SERVING)

    async def stop(self) -> None:
        """Announce that the server stops; nothing is announced after that."""
        await self._health.enter_graceful_shutdown()

    async def _check(self, context: Any, _: Source) -> Any:
        return await self._health.Check(await self._gate.read_one(context), context)

    async def _watch(self, context: Any, _: Source) -> None:
        await self._health.Watch(await self._gate.read_one(context), context)

    async def _reflect(self, context: Any, _: Source) -> None:
        try:
            async with asyncio.timeout(REFLECTION_S_MAX):
                async for response in self._reflection.ServerReflectionInfo(_requests(context), context):
                    await context.write(response)
        except TimeoutError:
            self._counters.limit_reached(Limit.GRPC_CALL_TIME)
            raise RefusedError(ENOUGH) from None


async def _requests(context: Any) -> AsyncIterator[Any]:
    while (request := await context.read()) is not EOF:
        yield request


def _described(services: GrpcServices) -> DescriptorPool:
    """Return the description of all services; layouts with the same names differ in their packages."""
    pool = DescriptorPool()
    for schema in services.schemas:
        pool.AddSerializedFile(schema)
    for module in (health_pb2, reflection_pb2):
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    return pool
