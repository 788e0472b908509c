"""Contract of receivers over gRPC: methods whose messages hold entries. Pure: `servers.grpc` does the rest."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from logboom.model import Batch, Receipt


class GrpcEntries(NamedTuple):
    """Entries of a run of messages, up to the first entry that cannot be taken."""

    entries: bytes
    """JSON objects, joined by newlines, none after the last."""
    levels: list[object]
    """Level of each entry."""
    counts: list[int]
    """Entries per message. A message with trouble is not among them, though entries before the trouble are."""
    trouble: str | None
    """Fault of the entry after the last; None: there is none."""


Decode = Callable[[Iterable[bytes]], GrpcEntries]
"""Reads messages. Nothing that they hold makes it raise."""


class GrpcMethod(NamedTuple):
    """One method that takes entries."""

    path: str
    """Such as `/logservice.LogService/LogMessage`."""
    decode: Decode
    respond: Callable[[int], bytes]
    """Returns the response to a message, by its number of stored entries."""
    streams: bool = False
    """The client sends a stream of messages, each with its response; else one message."""


class GrpcMessageError(ValueError):
    """The message cannot be read; the text is for the client."""


class GrpcRequest(NamedTuple):
    """One method whose message is stored as a whole or refused as a whole."""

    path: str
    """Such as `/opentelemetry.proto.collector.logs.v1.LogsService/Export`."""
    decode: Callable[[bytes], Batch | None]
    """Returns the entries of a message; None: it holds none. Raises `GrpcMessageError`."""
    respond: Callable[[Receipt | None], bytes]
    """Returns the response to a message that is stored, but for entries that never can be; None: it held none."""
    hold_s: float
    """Seconds for which a message waits, unanswered, while storage is not available; then it is refused."""


class GrpcServices(NamedTuple):
    """The methods of one receiver, and their description."""

    methods: Sequence[GrpcMethod | GrpcRequest]
    names: Sequence[str]
    """Full names of the services, for health and reflection."""
    schemas: Sequence[bytes]
    """Serialized `FileDescriptorProto` of each file, for reflection."""
