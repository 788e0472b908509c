"""gRPC load, from the benchmark's own process: calls and streams with raw bytes both ways."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Final

from grpc import aio  # type: ignore[import-untyped]

from logboom.clients.wire.grpc_dialect import GrpcDialect

UNARY: Final = "/logservice.LogService/LogMessage"
STREAM: Final = "/logservice.LogService/LogStream"
BATCHES: Final = "/logservice.LogService/LogBatches"

IN_FLIGHT: Final = 64
BATCH_ENTRIES: Final = 100
WINDOW_BATCHES: Final = 16

Result = tuple[int, float]
"""Entries that were answered, and seconds."""


def entry() -> bytes:
    """One encoded `LogBatch` entry: tag, length, `LogRequest`."""
    return GrpcDialect().encode(b'{"level":"INFO","message":"Processing started","logger_name":"app_logger"}')


def request() -> bytes:
    """One encoded `LogRequest`."""
    return entry()[2 if entry()[1] < 128 else 3 :]


def run(scenario: Callable[[Any, float], Coroutine[Any, Any, Result]], port: int, seconds: float) -> Result:
    """Run one scenario against a server."""

    async def connected() -> Result:
        async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            await channel.channel_ready()
            await scenario(channel, seconds / 4)  # warm
            return await scenario(channel, seconds)

    return asyncio.run(connected())


async def unary(channel: Any, seconds: float) -> Result:
    """`IN_FLIGHT` callers, each one call after the other."""
    call = channel.unary_unary(UNARY)
    data = request()
    started = time.monotonic()

    async def caller() -> int:
        count = 0
        while time.monotonic() - started < seconds:
            await call(data)
            count += 1
        return count

    counts = await asyncio.gather(*(caller() for _ in range(IN_FLIGHT)))
    return sum(counts), time.monotonic() - started


async def stream(channel: Any, seconds: float) -> Result:
    """One stream, one response per entry."""
    return await _stream(channel.stream_stream(STREAM), request(), 1, 256, seconds)


async def batches(channel: Any, seconds: float) -> Result:
    """One stream of batches, one response per batch."""
    return await _stream(
        channel.stream_stream(BATCHES), entry() * BATCH_ENTRIES, BATCH_ENTRIES, WINDOW_BATCHES, seconds
    )


async def _stream(method: Any, data: bytes, entries: int, window: int, seconds: float) -> Result:
    room = asyncio.Semaphore(window)
    started = time.monotonic()

    async def requests() -> AsyncIterator[bytes]:
        while time.monotonic() - started < seconds:
            await room.acquire()
            yield data

    answered = 0
    async for _ in method(requests()):
        answered += entries
        room.release()
    return answered, time.monotonic() - started
