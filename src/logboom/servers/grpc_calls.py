"""Calls of the log services: messages to batches, receipts to responses and status codes."""

import asyncio
import copy
from functools import partial
from typing import Any, Final, NoReturn

import grpc  # type: ignore[import-untyped]
from grpc.aio import EOF  # type: ignore[import-untyped]

from logboom.model import INVALID, Batch, Receipt, Source, Verdict
from logboom.pipeline.inlet import AwaitedInlet
from logboom.pipeline.intake import Limit
from logboom.receivers.grpc import GrpcSettings
from logboom.receivers.grpc_methods import GrpcEntries, GrpcMessageError, GrpcMethod, GrpcRequest
from logboom.servers.grpc_gate import GARBAGE, Gate, Handle, Refusal, RefusedError, abort, passing
from logboom.servers.grpc_options import STREAM_BYTES_MAX, STREAM_MESSAGES_MAX, WAITING_BYTES_MAX
from logboom.servers.grpc_retry import retry_details
from logboom.servers.listener import ListenerContext

RETRY_AFTER: Final = "retry-after-s"
"""Trailer with the time until the end of a rate limit's window, seconds."""

LARGE_BYTES: Final = 256 << 10
"""Messages of this size are decoded on a thread, in turn: each takes a millisecond or more."""

STORE_RETRY_S: Final = 0.25
"""Pause between attempts to store a message that the journal has refused."""

_FINE: Final = frozenset({Verdict.ACCEPTED, Verdict.FILTERED, Verdict.DUPLICATE})

BEHIND: Final = passing(
    grpc.StatusCode.RESOURCE_EXHAUSTED, "too many calls wait for the disk: send it again later"
)
UNSTORED: Final = passing(grpc.StatusCode.UNAVAILABLE, "storage unavailable")
STOPPING: Final = Refusal(grpc.StatusCode.UNAVAILABLE, "the server is stopping: connect again")


class Calls:
    """The handlers of one listener, and what they share.

    Args:
        context: of the listener.
        gate: whom they are open to.
    """

    def __init__(self, context: ListenerContext[GrpcSettings], gate: Gate) -> None:
        self.stopping = False
        self.message_bytes_max = context.settings.frame_bytes_max
        self._context = context
        self._gate = gate
        self._counters = context.intake.counters
        self._loop = asyncio.get_running_loop()
        self._streams: set[_Stream] = set()
        self._generation = context.tokens.generation if context.tokens is not None else 0
        self._waiting_bytes = 0
        self._taking_apart = asyncio.Lock()

    def single(self, method: GrpcMethod) -> Handle:
        """Return the handler of a method that takes one message."""
        return partial(self._store_one, method)

    def whole(self, method: GrpcRequest) -> Handle:
        """Return the handler of a method whose message is stored or refused as a whole."""
        return partial(self._store_whole, method)

    def stream(self, method: GrpcMethod) -> Handle:
        """Return the handler of a method that takes a stream of messages."""
        return partial(self._store_stream, method)

    def stop(self) -> None:
        """End the streams once what they have brought is answered. Idempotent."""
        self.stopping = True
        for stream in self._streams:
            stream.stop()

    def look_again(self) -> None:
        """End the streams whose token was revoked; to be called every second."""
        tokens = self._context.tokens
        if tokens is None or tokens.generation == self._generation:
            return
        self._generation = tokens.generation
        for stream in self._streams:
            if (trouble := self._gate.token_trouble(stream.context.invocation_metadata())) is not None:
                stream.stop(trouble)

    async def store(
        self, decoded: GrpcEntries, inlet: AwaitedInlet, doubt: Verdict = Verdict.NOT_JSON
    ) -> tuple[int, Refusal | None]:
        """Hand entries to the intake, and wait for their receipt.

        Args:
            decoded: the entries.
            inlet: of the call; it has room.
            doubt: the verdict of the one that is trouble.

        Returns:
            How many entries from the first on are stored, or filtered on purpose; and why the next one is not.
        """
        entries, levels, _, trouble = decoded
        verdicts = bytes(len(levels))
        reasons: tuple[str, ...] = ()
        if trouble is not None:
            verdicts += bytes([doubt])
            reasons = (trouble,)
        batch = Batch(entries, verdicts, size_bytes=len(entries), levels=levels, reasons=reasons)
        self._counters.received(self._loop.time())
        receipt = await inlet.store(batch)
        if not any(receipt.verdicts):
            return len(verdicts), None
        return _judge(receipt, trouble or "")

    def inlet(self, source: Source) -> AwaitedInlet:
        """The inlet of a call."""
        return AwaitedInlet(self._context.intake, self._context.turns, source)

    async def refuse_long(self, size: int, inlet: AwaitedInlet) -> NoReturn:
        """Count as one entry what is too long, and refuse it. Raises `RefusedError`."""
        trouble = f"message of {size} bytes, larger than max ({self.message_bytes_max}, frame_bytes_max)"
        await self._refuse_message(trouble, Verdict.TOO_LONG, inlet)

    async def _refuse_message(self, trouble: str, verdict: Verdict, inlet: AwaitedInlet) -> NoReturn:
        """Refuse what can never be stored, and count it as one entry. Raises `RefusedError`."""
        _, refusal = await self.store(GrpcEntries(b"", [], [], trouble), inlet, verdict)
        raise RefusedError(refusal or GARBAGE)

    async def _store_one(self, method: GrpcMethod, context: Any, source: Source) -> bytes:
        inlet = self.inlet(source)
        message = await self._message(context, inlet)
        stored, refusal = await self.store(method.decode((message,)), inlet)
        if refusal is not None:
            raise RefusedError(refusal)
        return method.respond(stored)

    async def _store_whole(self, method: GrpcRequest, context: Any, source: Source) -> bytes:
        inlet = self.inlet(source)
        message = await self._message(context, inlet)
        try:
            batch = await self._decoded(method, message)
        except GrpcMessageError as error:
            await self._refuse_message(str(error), Verdict.NOT_JSON, inlet)
        if batch is None:
            return method.respond(None)
        batch.is_whole = True
        self._counters.received(self._loop.time())
        receipt = await self._store_patiently(batch, inlet, method.hold_s)
        if Verdict.LIMITED in receipt.verdicts:
            raise RefusedError(_limited(receipt))
        return method.respond(receipt)

    async def _message(self, context: Any, inlet: AwaitedInlet) -> bytes:
        """Return the message of a call, once there is room for it. Raises `RefusedError`."""
        message: bytes = await self._gate.read_one(context)
        if len(message) > self.message_bytes_max:
            await self.refuse_long(len(message), inlet)
        if not inlet.has_room:
            await self._wait_with(message, inlet)
        return message

    async def _decoded(self, method: GrpcRequest, message: bytes) -> Batch | None:
        """Decode a message. A large one takes up to some seconds, on a thread: others go on meanwhile."""
        if len(message) < LARGE_BYTES:
            return method.decode(message)
        async with self._taking_apart:
            return await asyncio.to_thread(method.decode, message)

    async def _store_patiently(self, batch: Batch, inlet: AwaitedInlet, hold_s: float) -> Receipt:
        """Submit a batch until it is stored, for `hold_s` at most: many clients drop what is refused.

        Raises:
            RefusedError: the journal refuses it still.
        """
        ends_at = self._loop.time() + hold_s
        receipt = await inlet.store(copy.copy(batch))  # the intake changes what it gets
        while Verdict.FAILED in receipt.verdicts:
            if self.stopping or self._loop.time() + STORE_RETRY_S > ends_at:
                raise RefusedError(UNSTORED)
            await asyncio.sleep(STORE_RETRY_S)
            receipt = await inlet.store(copy.copy(batch))
        return receipt

    async def _wait_with(self, message: bytes, inlet: AwaitedInlet) -> None:
        if self._waiting_bytes + len(message) > WAITING_BYTES_MAX:
            self._counters.limit_reached(Limit.GRPC_WAITING_BYTES)
            raise RefusedError(BEHIND)
        self._waiting_bytes += len(message)
        try:
            await inlet.room()
        finally:
            self._waiting_bytes -= len(message)

    async def _store_stream(self, method: GrpcMethod, context: Any, source: Source) -> None:
        stream = _Stream(self, method, context, source)
        self._streams.add(stream)
        try:
            await stream.run()
        finally:
            self._streams.discard(stream)


class _Stream:
    """One stream of messages. While a batch is on its way to the disk, the next one gathers."""

    def __init__(self, calls: Calls, method: GrpcMethod, context: Any, source: Source) -> None:
        self._calls = calls
        self._decode = method.decode
        self._respond = method.respond
        self.context = context
        self._inlet = calls.inlet(source)
        self._messages: list[bytes] = []
        self._bytes = 0
        self._ended = calls.stopping
        self._refusal = STOPPING
        self._peer_ended = False
        self._too_long = 0
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
        if self._too_long:
            await self._calls.refuse_long(self._too_long, self._inlet)
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
                if len(message) > self._calls.message_bytes_max:
                    self._too_long = len(message)
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
        """Return the messages so far, at least one; empty at the end of the stream."""
        while not self._messages and not self._ended:
            self._arrived.clear()
            await self._arrived.wait()
        if self._messages:
            await self._inlet.room()
        messages = self._messages.copy()
        self._messages.clear()
        self._bytes = 0
        self._taken.set()
        return messages

    async def _answer(self, decoded: GrpcEntries) -> None:
        """Store, and respond to each message of which everything is stored; to the next one with what is."""
        write, respond = self.context.write, self._respond
        stored, refusal = await self._calls.store(decoded, self._inlet)
        for count in decoded.counts:
            if stored < count:
                break
            await write(respond(count))
            stored -= count
        if refusal is not None:
            if stored:
                await write(respond(stored))
            await abort(self.context, refusal)


def _judge(receipt: Receipt, trouble: str) -> tuple[int, Refusal | None]:
    """Return the number of stored entries before the first refused one, and its refusal."""
    verdicts = receipt.verdicts
    count = next((index for index, verdict in enumerate(verdicts) if verdict not in _FINE), len(verdicts))
    if count == len(verdicts):
        return count, None
    verdict = verdicts[count]
    if verdict == Verdict.TOO_LONG:
        return count, Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, trouble or "entry larger than max")
    if verdict in INVALID:
        return count, Refusal(grpc.StatusCode.INVALID_ARGUMENT, trouble)
    return count, _limited(receipt) if verdict == Verdict.LIMITED else UNSTORED


def _limited(receipt: Receipt) -> Refusal:
    """Return the refusal of a rate limit, with the time until the end of its window."""
    code, text, after_s = grpc.StatusCode.RESOURCE_EXHAUSTED, "rate limit exceeded", receipt.retry_after_s
    return Refusal(code, text, ((RETRY_AFTER, f"{after_s:.3f}"), retry_details(code, text, after_s)))
