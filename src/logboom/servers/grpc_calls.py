"""What one gRPC call does: messages to batches, receipts to responses and status codes."""

import asyncio
import itertools
import time
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

import grpc  # type: ignore[import-untyped]
from grpc.aio import EOF, AbortError  # type: ignore[import-untyped]

from logboom.formats.grpc_entry import Decode, Decoded
from logboom.model import INVALID, Batch, Receipt, Source, Verdict
from logboom.pipeline.door import Door
from logboom.servers.grpc_options import RPCS_MAX, STREAM_BYTES_MAX, STREAM_MESSAGES_MAX, WAITING_BYTES_MAX
from logboom.servers.listener import ListenerContext
from logboom.settings import ListenerSettings

STORED: Final = b"\x08\x01"
"""`LogResponse { success: true }`: the only one there is."""
RETRY_AFTER: Final = "retry-after-s"
"""The trailer that tells the end of a rate limit's window, seconds."""

PEERS_KNOWN_MAX: Final = 4096
"""Peers whose `Source` is kept for their next call."""

_FINE: Final = frozenset({Verdict.ACCEPTED, Verdict.FILTERED})
_REFUSED: Final = bytes([Verdict.NOT_JSON])
_connection_ids: Final = itertools.count(1)


class Refusal(NamedTuple):
    """How a call ends when not everything could be stored."""

    code: grpc.StatusCode
    detail: str
    trailers: tuple[tuple[str, str], ...] = ()


BEHIND: Final = Refusal(
    grpc.StatusCode.RESOURCE_EXHAUSTED, "too many calls wait for the disk: send it again later"
)
STRANGER: Final = Refusal(grpc.StatusCode.PERMISSION_DENIED, "this network may not send here")
UNKNOWN: Final = Refusal(
    grpc.StatusCode.UNAUTHENTICATED, "a token is needed: metadata `authorization: Bearer <token>`"
)
NOT_A_WRITER: Final = Refusal(grpc.StatusCode.PERMISSION_DENIED, "the token has no scope 'write'")
STOPPING: Final = Refusal(grpc.StatusCode.UNAVAILABLE, "the server is stopping: connect again")


class Calls:
    """The handlers of one listener, and what they share.

    Args:
        context: of the listener.
    """

    def __init__(self, context: ListenerContext) -> None:
        self.ended = asyncio.Event()
        """Set while there are no calls."""
        self.ended.set()
        self._active = 0
        self.stopping = False
        self._context = context
        self._behind = context.journal_behind
        self._submit = context.intake.submit
        self._pause_s = context.intake.pause_s
        self.door = door_of(context.settings)
        self._counters = context.intake.counters
        self._loop = asyncio.get_running_loop()
        self._streams: set[_Stream] = set()
        self._generation = context.tokens.generation if context.tokens is not None else 0
        self._waiting: list[asyncio.Future[None]] = []
        self._waiting_bytes = 0
        self._source_of = lru_cache(PEERS_KNOWN_MAX)(self._make_source)

    def unary(self, decode: Decode) -> Any:
        """The handler of a method that takes one entry; it works on bytes."""
        return grpc.unary_unary_rpc_method_handler(self._guarded(partial(self._store_one, decode)))

    def stream(self, decode: Decode, respond: Callable[[int], bytes]) -> Any:
        """The handler of a method that takes a stream of entries.

        Args:
            decode: reads the messages.
            respond: the response to a message of which so many entries are stored.
        """
        return grpc.stream_stream_rpc_method_handler(
            self._guarded(partial(self._store_stream, decode, respond))
        )

    def stop(self) -> None:
        """End the streams once what they have brought is answered. Idempotent."""
        self.stopping = True
        for stream in self._streams:
            stream.stop()

    def look_again(self) -> None:
        """End the streams whose token was revoked; called about once a second."""
        tokens = self._context.tokens
        if tokens is None or tokens.generation == self._generation:
            return
        self._generation = tokens.generation
        for stream in self._streams:
            try:
                self._admit(stream.context)
            except RefusedError as error:
                stream.stop(error.refusal)

    def journal_advanced(self) -> None:
        """The journal has committed: let those go on who waited for it."""
        if self._waiting and not self._behind():
            waiting, self._waiting = self._waiting, []
            for future in waiting:
                if not future.done():
                    future.set_result(None)

    async def room(self) -> None:
        """Wait until the journal has caught up."""
        while self._behind():
            future: asyncio.Future[None] = self._loop.create_future()
            self._waiting.append(future)
            await future

    async def store(self, decoded: Decoded, context: Any) -> tuple[int, Refusal | None]:
        """Hand entries to the intake, and wait for their receipt.

        Returns:
            How many entries from the first on are stored, or filtered on purpose; and why the next one is not.
        """
        entries, levels, _, trouble = decoded
        verdicts = bytes(len(levels))
        reasons: tuple[str, ...] = ()
        if trouble is not None:
            verdicts += _REFUSED
            reasons = (trouble,)
        batch = Batch(entries, verdicts, size_bytes=len(entries), levels=levels, reasons=reasons)
        batch.source = self._source_of(context.peer())
        batch.received_ns = time.time_ns()
        self._counters.received(self._loop.time())
        future: asyncio.Future[Receipt] = self._loop.create_future()
        self._submit(batch, partial(_resolve, future))
        receipt = await future
        if pause_s := self._pause_s(batch):
            await asyncio.sleep(pause_s)
        if not any(receipt.verdicts):
            return len(verdicts), None
        return _judge(receipt, trouble or "")

    async def _store_one(self, decode: Decode, message: bytes, context: Any) -> bytes:
        if self._behind():
            await self._wait_with(message)
        _, refusal = await self.store(decode((message,)), context)
        if refusal is not None:
            await abort(context, refusal)
        return STORED

    async def _wait_with(self, message: bytes) -> None:
        if self._waiting_bytes + len(message) > WAITING_BYTES_MAX:
            raise RefusedError(BEHIND)
        self._waiting_bytes += len(message)
        try:
            await self.room()
        finally:
            self._waiting_bytes -= len(message)

    async def _store_stream(
        self, decode: Decode, respond: Callable[[int], bytes], _: Any, context: Any
    ) -> None:
        stream = _Stream(self, decode, respond, context)
        counters = self._counters
        counters.accepted(counters.connections_open + 1)
        self._streams.add(stream)
        try:
            await stream.run()
        finally:
            self._streams.discard(stream)
            counters.connections_open -= 1

    def _admit(self, context: Any) -> None:
        """Raises `RefusedError` for a call without the token that the listener asks for."""
        if not self.door.welcomes(peer_address(context.peer())):
            raise RefusedError(STRANGER)
        tokens = self._context.tokens
        if tokens is None:
            return
        shown = dict(context.invocation_metadata() or ()).get("authorization", "")
        identity = tokens.identify(str(shown).removeprefix("Bearer ").strip()) if shown else None
        if identity is None:
            self._counters.auth_failed += bool(shown)
            raise RefusedError(UNKNOWN)
        if not identity.may("write"):
            raise RefusedError(NOT_A_WRITER)

    def _guarded(self, handler: Any) -> Any:
        """Count the call, and end it with a code of ours whatever happens: gRPC would tell the peer our errors."""

        async def handle(message: Any, context: Any) -> Any:
            self._active += 1
            self.ended.clear()
            try:
                self._admit(context)
                return await handler(message, context)
            except RefusedError as error:
                await abort(context, error.refusal)
            except (AbortError, asyncio.CancelledError):
                raise
            except Exception as error:  # noqa: BLE001 - a fault of ours ends one call, not the listener
                self._context.report("fatal", f"{self._context.name}: {type(error).__name__}: {error}")
                await context.abort(grpc.StatusCode.INTERNAL, "internal error")
            finally:
                self._active -= 1
                if not self._active:
                    self.ended.set()

        return handle

    def _make_source(self, peer: str) -> Source:
        return Source(
            self._context.name, self._context.settings.protocol, peer_address(peer), next(_connection_ids)
        )


class RefusedError(Exception):
    """Ends a call with a status."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.detail)
        self.refusal = refusal


class _Stream:
    """One stream of messages. While a batch is on its way to the disk, the next one gathers."""

    def __init__(self, calls: Calls, decode: Decode, respond: Callable[[int], bytes], context: Any) -> None:
        self._calls = calls
        self._decode = decode
        self._respond = respond
        self.context = context
        self._messages: list[bytes] = []
        self._bytes = 0
        self._ended = calls.stopping
        self._refusal = STOPPING
        self._peer_ended = False
        self._arrived = asyncio.Event()
        self._taken = asyncio.Event()

    def stop(self, refusal: Refusal = STOPPING) -> None:
        """Read no more; what was read is answered, then the stream ends with `refusal`."""
        self._refusal = refusal
        self._ended = True
        self._arrived.set()
        self._taken.set()

    async def run(self) -> None:
        """Answer everything until the peer or the server ends it."""
        reading = asyncio.create_task(self._read())
        try:
            while messages := await self._next():
                await self._answer(self._decode(messages))
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)  # what it ended with is the call's end, too
        if not self._peer_ended:
            await abort(self.context, self._refusal)

    async def _read(self) -> None:
        read, messages = self.context.read, self._messages
        try:
            while not self._ended:
                message = await read()
                if message is EOF:
                    self._peer_ended = True
                    break
                messages.append(message)
                self._bytes += len(message)
                self._arrived.set()
                while self._full and not self._ended:
                    self._taken.clear()
                    await self._taken.wait()
        finally:
            self.stop(self._refusal)

    @property
    def _full(self) -> bool:
        return self._bytes >= STREAM_BYTES_MAX or len(self._messages) >= STREAM_MESSAGES_MAX

    async def _next(self) -> list[bytes]:
        """What has come so far; waits for the first message. Empty: there will be no more."""
        while not self._messages and not self._ended:
            self._arrived.clear()
            await self._arrived.wait()
        if self._messages:
            await self._calls.room()
        messages = self._messages.copy()
        self._messages.clear()
        self._bytes = 0
        self._taken.set()
        return messages

    async def _answer(self, decoded: Decoded) -> None:
        """Store, and respond to each message of which everything is stored; to the next one with what is."""
        write, respond = self.context.write, self._respond
        stored, refusal = await self._calls.store(decoded, self.context)
        for count in decoded.counts:
            if stored < count:
                break
            await write(respond(count))
            stored -= count
        if refusal is not None:
            if stored:
                await write(respond(stored))
            await abort(self.context, refusal)


async def abort(context: Any, refusal: Refusal) -> None:
    """End a call with a refusal's status; raises what gRPC wants raised."""
    await context.abort(refusal.code, refusal.detail, refusal.trailers)


def door_of(settings: ListenerSettings) -> Door:
    """The networks that may call."""
    return Door(settings.allow, settings.deny, RPCS_MAX)


def peer_address(peer: str) -> str:
    """The address in gRPC's name of a peer, such as `ipv4:192.0.2.1:5000` or `ipv6:%5B::1%5D:5000`."""
    kind, _, rest = unquote(peer).partition(":")
    if kind not in ("ipv4", "ipv6"):
        return "unknown"
    return rest.rpartition(":")[0].strip("[]").removeprefix("::ffff:")


def _resolve(future: "asyncio.Future[Receipt]", receipt: Receipt) -> None:
    if not future.done():  # its call may have been cancelled, or be out of time
        future.set_result(receipt)


def _judge(receipt: Receipt, trouble: str) -> tuple[int, Refusal | None]:
    """How many entries are fine, counted from the first, and the refusal of the next one."""
    verdicts = receipt.verdicts
    count = next((index for index, verdict in enumerate(verdicts) if verdict not in _FINE), len(verdicts))
    if count == len(verdicts):
        return count, None
    verdict = verdicts[count]
    if verdict in INVALID:
        return count, Refusal(grpc.StatusCode.INVALID_ARGUMENT, trouble)
    if verdict == Verdict.LIMITED:
        trailers = ((RETRY_AFTER, f"{receipt.retry_after_s:.3f}"),)
        return count, Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "rate limit exceeded", trailers)
    return count, Refusal(grpc.StatusCode.UNAVAILABLE, "storage unavailable")
