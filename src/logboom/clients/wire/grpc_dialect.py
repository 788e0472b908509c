"""`grpc`, the client's side: a stream of batches, each answered once it is stored. Contract: docs/contracts/grpc.md.

grpcio is imported when the first connection is made: it takes a quarter of a second.
"""

import asyncio
import contextlib
import os
import socket
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Final

from logboom.clients.wire.bearer import TokenRefusedError, grpc_refusal, metadata
from logboom.clients.wire.capnp_dialect import fields_of, snake
from logboom.clients.wire.dialect import (
    Answers,
    ConnectFailedError,
    Dialect,
    Outcome,
    Reply,
    as_text,
    json_object,
)
from logboom.clients.wire.native import new_thread, patched_by, socket_module, threading_module
from logboom.clients.wire.target import Target
from logboom.clients.wire.tls_stream import grpc_credentials, open_stream
from logboom.clients.wire.tls_trust import Trust
from logboom.errors import ConfigError
from logboom.formats.capnp_entry import TEXTS

if TYPE_CHECKING:
    from grpc.aio import AioRpcError  # type: ignore[import-untyped]

METHOD: Final = "/logservice.LogService/LogBatches"
RETRY_AFTER: Final = "retry-after-s"
BATCH_BYTES: Final = 256 << 10
"""Messages are cut at this size; servers take 1 MiB by default, and larger ones gain nothing."""

_NAMES: Final = {name: snake(name) for name in ("level", *TEXTS)}
_INFO: Final = 3
_ENTRY_TAG: Final = b"\x0a"  # field 1 of LogBatch, length-delimited
_TOO_LARGE: Final = "larger than max"
_HIDDEN_END: Final = "Internal error from Core"
"""Error text of grpcio for a message to a stream that the server has just ended; the reason is missing."""
REFUSAL_S_MAX: Final = 1.0
"""Time limit for a refusal, seconds: a server refuses first of all."""
_TOKEN_CODES: Final = frozenset({"UNAUTHENTICATED", "PERMISSION_DENIED"})
_OPTIONS: Final = (
    ("grpc.use_local_subchannel_pool", 1),  # a new connection must not wait for the back-off of an old one
    ("grpc.enable_http_proxy", 0),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
)

_ACKNOWLEDGED: Final = Reply(Outcome.ACKNOWLEDGED)


class GrpcDialect(Dialect):
    """Sends `LogRequest` messages of the real layout.

    JSON objects whose keys all have a field become messages with those fields. Of others, level, time and
    service are taken over, and the object's text is the message: nothing is left out. Other lines are INFO messages.
    What names no service is from `source`.
    """

    name: ClassVar[str] = "grpc"
    schemes: ClassVar[tuple[str, ...]] = ("grpc", "grpcs")
    port_default: ClassVar[int] = 9021
    answers: ClassVar[Answers] = Answers.EACH
    timeout_s: ClassVar[float] = 10.0  # every batch gets its response, so that silence is trouble: no hurry

    def __init__(self) -> None:
        self._own = {"hostname": socket.gethostname(), "process_id": str(os.getpid())}

    def encode(self, line: bytes) -> bytes:
        """See `dialect.Dialect`. The outcome is one entry of a `LogBatch`: joined, they are the batch."""
        fields: dict[str, Any] = {"level": _INFO, "message": as_text(line)}
        found = json_object(line)
        if found is not None:
            fields = {_NAMES[name]: value for name, value in fields_of(found).items()}
        if not fields.get("timestamp"):
            fields["timestamp"] = datetime.now(UTC).isoformat(timespec="microseconds")
        fields = {**self._own, "service_name": self.source, **fields}
        message: bytes = _messages()["LogRequest"](**fields).SerializeToString()
        return _ENTRY_TAG + _varint(len(message)) + message

    def check(self, trust: Trust) -> None:
        """See `dialect.Dialect`."""
        if not trust.verify:
            raise ConfigError("gRPC always looks at the server's certificate; give its authority's with --ca")

    async def connect(self, target: Target) -> "GrpcLink":
        """See `dialect.Dialect`."""
        from grpc import ChannelConnectivity  # type: ignore[import-untyped]  # noqa: PLC0415 - see above

        _use_native_threads()
        new_thread(
            int
        ).start()  # grpcio ends a process in which no thread starts any more; this raises `RuntimeError`
        host = f"[{target.host}]" if ":" in target.host else target.host
        channel = _channel(f"{host}:{target.port}", target)
        try:
            state = channel.get_state(try_to_connect=True)
            while state is not ChannelConnectivity.READY:
                if state is ChannelConnectivity.TRANSIENT_FAILURE:
                    await _find_tls_trouble(target)
                    raise ConnectionRefusedError("no gRPC server answers there")  # noqa: TRY301 - closed like any other failure
                await channel.wait_for_state_change(state)
                state = channel.get_state()
            return GrpcLink(channel, target)
        except BaseException:
            await channel.close()
            raise


class GrpcLink:
    """One stream of batches; see `dialect.Link`.

    Args:
        channel: a connected `grpc.aio.Channel` of its own.
        target: the server.
    """

    def __init__(self, channel: Any, target: Target) -> None:
        self._channel = channel
        self._target = target
        self._call = self._open()  # raw bytes both ways
        self._batches: deque[bytes] = deque()
        self._unanswered: deque[int] = deque()  # entries of each batch
        self._writing: asyncio.Task[None] | None = None
        self._ended = ""

    def _open(self) -> Any:
        return self._channel.stream_stream(METHOD)(metadata=metadata(self._target.trust) or None)

    @property
    def lost(self) -> bool:
        """See `dialect.Link`."""
        return bool(self._ended) or self._call.done()

    def send(self, payloads: Sequence[bytes], key: str = "") -> None:  # noqa: ARG002 - it is not keyed
        """See `dialect.Link`."""
        for batch in _batches(payloads):
            self._batches.append(b"".join(batch))
            self._unanswered.append(len(batch))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())

    async def _write(self) -> None:
        with contextlib.suppress(Exception):  # the stream's end; receive() learns the reason
            while self._batches:
                await self._call.write(self._batches.popleft())

    async def flush(self) -> None:
        """See `dialect.Link`."""
        if self._writing is not None:
            await asyncio.shield(self._writing)

    async def receive(self) -> list[Reply]:
        """See `dialect.Link`."""
        from grpc.aio import EOF, AioRpcError  # noqa: PLC0415 - see above

        if self._ended:
            raise ConnectionAbortedError(self._ended)
        try:
            response = await self._call.read()
        except AioRpcError as error:
            if (error.details() or "").startswith(_HIDDEN_END):
                await self._find_refusal()
            return self._end(error)
        if response is EOF:
            raise ConnectionResetError("the server ended the stream")
        stored: int = _messages()["LogBatchResponse"].FromString(response).stored
        if not self._unanswered or stored > self._unanswered[0]:
            raise ConnectionAbortedError("more entries acknowledged than sent")
        self._unanswered[0] -= stored
        if not self._unanswered[0]:
            self._unanswered.popleft()
        return [_ACKNOWLEDGED] * stored

    def _end(self, error: "AioRpcError") -> list[Reply]:
        """The stream is over: what that means for the first entry that has no answer."""
        self._ended = error.details() or error.code().name
        self._check_token(error.code().name)
        reply = _reply(error)
        alone = self._unanswered and self._unanswered[0] == 1
        if reply is None or (
            reply.outcome is Outcome.REFUSED and not alone
        ):  # which entry of the batch is meant?
            raise ConnectionAbortedError(self._ended)
        return [reply]

    async def _find_refusal(self) -> None:
        """Ask why the server has ended the stream with another one, to which nothing is written."""
        call = self._open()
        try:
            async with asyncio.timeout(REFUSAL_S_MAX):
                code = await call.code()
        except TimeoutError:  # it stays open: something else was the reason
            return
        finally:
            call.cancel()
        self._check_token(code.name)

    def _check_token(self, code: str) -> None:
        if code in _TOKEN_CODES:
            reason = grpc_refusal(code, self._target.trust)
            raise TokenRefusedError(f"{self._target}: {reason}") from None

    async def finish(self, linger_s: float) -> None:
        """See `dialect.Link`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(linger_s):
                await self.flush()
                await self._call.done_writing()
                await self._call.wait_for_connection()
                await self._call.code()

    async def close(self) -> None:
        """See `dialect.Link`."""
        self._call.cancel()
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        await self._channel.close()


def _use_native_threads() -> None:
    """Give grpcio a thread of the system where gevent or eventlet has replaced them: it waits in C code.

    Raises:
        ConnectFailedError: this version of grpcio has no place for that.
    """
    library = patched_by()
    if not library:
        return
    from grpc._cython import cygrpc  # type: ignore[import-untyped]  # noqa: PLC0415 - see above

    if not (hasattr(cygrpc, "threading") and hasattr(cygrpc, "socket")):
        raise ConnectFailedError(
            f"this version of grpcio can't be used together with {library}: use http:// instead"
        )
    if cygrpc.threading is threading:
        cygrpc.threading, cygrpc.socket = threading_module(), socket_module()


def _channel(address: str, target: Target) -> Any:
    from grpc import aio  # noqa: PLC0415 - see above

    if not target.secure:
        return aio.insecure_channel(address, options=_OPTIONS)
    options = (*_OPTIONS, ("grpc.ssl_target_name_override", target.certified_name))
    return aio.secure_channel(address, grpc_credentials(target.trust), options=options)


async def _find_tls_trouble(target: Target) -> None:
    """All that gRPC says is that there is no connection. Raises what TLS itself says, if that is the reason."""
    if target.secure:
        _, writer = await open_stream(target)
        writer.transport.abort()


def _reply(error: "AioRpcError") -> Reply | None:
    """The answer that a status is to one entry; None: it says nothing about any."""
    from grpc import StatusCode  # noqa: PLC0415 - see above

    detail = error.details() or error.code().name
    match error.code():
        case StatusCode.INVALID_ARGUMENT:
            return Reply(Outcome.REFUSED, detail)
        case StatusCode.RESOURCE_EXHAUSTED if _TOO_LARGE in detail:
            return Reply(Outcome.REFUSED, detail)
        case StatusCode.RESOURCE_EXHAUSTED:
            trailers = dict(error.trailing_metadata() or ())
            wait_s = trailers.get(RETRY_AFTER)
            return (
                Reply(Outcome.BUSY, detail)
                if wait_s is None
                else Reply(Outcome.LIMITED, detail, float(wait_s))
            )
        case StatusCode.UNAVAILABLE:
            return Reply(Outcome.BUSY, detail)
    return None


def _batches(payloads: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Cut entries into batches of `BATCH_BYTES`, at least one entry each."""
    batch: list[bytes] = []
    size = 0
    for payload in payloads:
        if batch and size + len(payload) > BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(payload)
        size += len(payload)
    yield batch


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


@cache
def _messages() -> dict[str, Any]:
    from logboom.formats.proto_schema import load_schema  # noqa: PLC0415 - it imports protobuf

    return load_schema("logservice.proto").messages
