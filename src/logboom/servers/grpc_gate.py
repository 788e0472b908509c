"""Access to a gRPC listener, and limits on concurrent calls.

All of it is asked before a call may bring anything: a call that is opened and never sent takes a place, too.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, NamedTuple

import grpc  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from grpc.aio import EOF, AbortError  # type: ignore[import-untyped]

from logboom.model import Source
from logboom.pipeline.intake import Limit
from logboom.pipeline.tokens import token_of
from logboom.servers.complaints import Complaints
from logboom.servers.grpc_options import CALLS_PER_ADDRESS_MAX, MESSAGE_S_MAX, RPCS_MAX
from logboom.servers.grpc_retry import retry_details
from logboom.servers.listener import ListenerContext
from logboom.settings import ListenerSettings

RETRY_AFTER_S: Final = 1.0
"""Seconds after which a client may try again."""

Handle = Callable[[Any, Source], Awaitable[Any]]
"""Serves one call: gets gRPC's context of it, and where it comes from."""


class Codec(NamedTuple):
    """Decoder and encoder of a method's messages."""

    read: Callable[[bytes], Any] | None
    write: Callable[[Any], bytes] | None


RAW: Final = Codec(None, None)
"""They stay bytes."""


class Refusal(NamedTuple):
    """Status of a call in which not everything could be stored."""

    code: grpc.StatusCode
    detail: str
    trailers: tuple[tuple[str, str | bytes], ...] = ()


class RefusedError(Exception):
    """Ends a call with a status."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.detail)
        self.refusal = refusal


def passing(code: grpc.StatusCode, detail: str) -> Refusal:
    """Return a refusal after which a client may come again, with `RetryInfo`."""
    return Refusal(code, detail, (retry_details(code, detail, RETRY_AFTER_S),))


STRANGER: Final = Refusal(grpc.StatusCode.PERMISSION_DENIED, "this network may not send here")
UNKNOWN: Final = Refusal(
    grpc.StatusCode.UNAUTHENTICATED, "a token is needed: metadata `authorization: Bearer <token>`"
)
NOT_A_WRITER: Final = Refusal(grpc.StatusCode.PERMISSION_DENIED, "the token has no scope 'write'")
TOO_MANY: Final = passing(
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    "too many calls at once: send it again later, or over fewer connections",
)
SILENT: Final = Refusal(
    grpc.StatusCode.DEADLINE_EXCEEDED, f"the message did not come within {MESSAGE_S_MAX:.0f} s"
)
EMPTY: Final = Refusal(grpc.StatusCode.INVALID_ARGUMENT, "the call ended without a message")
GARBAGE: Final = Refusal(grpc.StatusCode.INVALID_ARGUMENT, "the message can't be read")


class Places:
    """Calls at once.

    Args:
        total: over all addresses.
        per_address: of one.
    """

    def __init__(self, total: int, per_address: int) -> None:
        self.taken = 0
        self.empty = asyncio.Event()
        """Set while none is taken."""
        self.empty.set()
        self._total = total
        self._per_address = per_address
        self._taken_by: Counter[str] = Counter()

    def take(self, address: str) -> bool:
        """Take a place, if there is one."""
        if self.taken >= self._total or self._taken_by[address] >= self._per_address:
            return False
        self.taken += 1
        self.empty.clear()
        self._taken_by[address] += 1
        return True

    def leave(self, address: str) -> None:
        """Give a place back."""
        self.taken -= 1
        if not self.taken:
            self.empty.set()
        self._taken_by[address] -= 1
        if not self._taken_by[address]:
            del self._taken_by[address]


class Gate(grpc.GenericRpcHandler):  # type: ignore[misc]
    """The methods of one listener, behind what they have in common.

    Args:
        context: of the listener.
        source_of: where a call comes from, by gRPC's name of its peer; None: from where none may come.
    """

    def __init__(
        self, context: ListenerContext[ListenerSettings], source_of: Callable[[str], Source | None]
    ) -> None:
        self.calls = Places(RPCS_MAX, CALLS_PER_ADDRESS_MAX)
        """The calls that bring entries, or ask something short."""
        self.complaints = Complaints(context.name, context.report, "calls were refused")
        self._context = context
        self._source_of = source_of
        self._counters = context.intake.counters
        self._methods: dict[str, Any] = {}
        self._open: set[str] = set()

    def add(
        self,
        path: str,
        handle: Handle,
        codec: Codec = RAW,
        *,
        single: bool = False,
        places: Places | None = None,
        to_all: bool = False,
    ) -> None:
        """Serve a method.

        Args:
            path: such as `/logservice.LogService/LogMessage`.
            handle: what it does; reads over the call's context.
            codec: of its messages.
            single: it returns the one response; others write theirs over the context. Both are declared to gRPC as
                readers of a stream: otherwise gRPC would wait for the message without a limit.
            places: how many calls of it there may be at once; usual: `calls`.
            to_all: it needs no token.
        """
        make = grpc.stream_unary_rpc_method_handler if single else grpc.stream_stream_rpc_method_handler
        self._methods[path] = make(self._guarded(handle, places or self.calls), *codec)
        if to_all:
            self._open.add(path)

    def service(self, handler_call_details: Any) -> Any:
        """Return the handler of a call by its method and metadata; None for an unknown method."""
        method = self._methods.get(handler_call_details.method)
        if method is None or handler_call_details.method in self._open:
            return method
        refusal = self.token_trouble(handler_call_details.invocation_metadata)
        return method if refusal is None else self._refuse(refusal)

    def token_trouble(self, metadata: Iterable[tuple[str, str | bytes]] | None) -> Refusal | None:
        """Return why the token in a call's metadata is not accepted; None if it is, or none is needed."""
        tokens = self._context.tokens
        if tokens is None:
            return None
        shown = dict(metadata or ()).get("authorization", "")
        token = token_of(str(shown))
        identity = tokens.identify(str(shown).strip() if token is None else token) if shown else None
        if identity is None:
            self._counters.auth_failed += bool(shown)
            return UNKNOWN
        return None if identity.may("write") else NOT_A_WRITER

    async def read_one(self, context: Any) -> Any:
        """The message of a call that has one. Raises `RefusedError` when it does not come."""
        try:
            async with asyncio.timeout(MESSAGE_S_MAX):
                message = await context.read()
        except TimeoutError:
            self._counters.limit_reached(Limit.GRPC_CALL_TIME)
            raise RefusedError(SILENT) from None
        if message is EOF:
            raise RefusedError(EMPTY)
        return message

    def _refuse(self, refusal: Refusal) -> Any:
        async def refuse(_: Any, context: Any) -> None:
            source = self._source_of(context.peer())
            await self._end(context, source, refusal if source else STRANGER)

        return grpc.stream_stream_rpc_method_handler(refuse)

    def _guarded(self, handle: Handle, places: Places) -> Any:
        """Count the call, and end it with one of our codes in any case: gRPC would send internal errors to the peer."""

        async def guarded(_: Any, context: Any) -> Any:
            source = self._source_of(context.peer())
            if source is None:  # its connection may have been cut off meanwhile
                await abort(context, STRANGER)
                return None
            address = source.peer
            if not places.take(address):
                self._counters.limit_reached(Limit.GRPC_CALLS)
                await self._end(context, source, TOO_MANY)
            try:
                return await handle(context, source)
            except RefusedError as error:
                await abort(context, error.refusal)
            except DecodeError:
                await abort(context, GARBAGE)
            except (AbortError, asyncio.CancelledError):
                raise
            except Exception as error:  # noqa: BLE001 - a fault of ours ends one call, not the listener
                self._context.report("fatal", f"{self._context.name}: {type(error).__name__}: {error}")
                await context.abort(grpc.StatusCode.INTERNAL, "internal error")
            finally:
                places.leave(address)

        return guarded

    async def _end(self, context: Any, source: Source | None, refusal: Refusal) -> None:
        """Turn a call away."""
        if source is not None:
            self.complaints.tell(f"{source.peer}: call refused: {refusal.detail}")
        await abort(context, refusal)


async def abort(context: Any, refusal: Refusal) -> None:
    """End a call with a refusal's status; raises what gRPC wants raised."""
    await context.abort(refusal.code, refusal.detail, refusal.trailers)
