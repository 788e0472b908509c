"""Conversion of gRPC's `LogRequest`, in both layouts, to JSON entries. Contract: docs/contracts/grpc.md."""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from operator import attrgetter
from typing import Any, Final

import msgspec
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from google.protobuf.unknown_fields import UnknownFieldSet  # type: ignore[import-untyped]

from logboom.formats.levels import WIRE_NAMES
from logboom.formats.proto_schema import load_schema
from logboom.receivers.grpc_methods import Decode, GrpcEntries

REAL: Final = "logservice.proto"
"""The layout of deployed clients."""
DOCUMENT: Final = "logservice_document.proto"
"""The layout in the original document."""

ENTRIES_MAX: Final = 10_000
"""Most entries of one `LogBatch`: an entry of two bytes takes 300 in the journal."""

_ENTRY_TAG: Final = b"\x0a"
"""Tag of an entry in a `LogBatch`: field 1, with a length."""
_LENGTH: Final = 2
_FIXED: Final = {1: 8, 5: 4}
"""Wire types: with a length, and those of a fixed size in bytes."""
_VARINT_BITS_MAX: Final = 70
_TOO_MANY: Final = f"more than {ENTRIES_MAX} entries in a batch"

_LEVEL: Final = "level"
_MOVED: Final = frozenset({4, 5})
"""Fields that are text in one layout and a number in the other: with the wrong layout they are unknown."""
_MIXED_UP: Final = {
    REAL: "this is the layout without package: call /LogService/LogMessage, or use logservice.proto",
    DOCUMENT: "this is the layout of package logservice: call /logservice.LogService/LogMessage",
}


@cache
def request_decoder(layout: str) -> Decode:
    """Make a reader for messages of type `LogRequest` of a layout, `REAL` or `DOCUMENT`."""
    parse = load_schema(layout).messages["LogRequest"].FromString
    return _decoder(layout, "LogRequest", lambda message: (parse(message),))


@cache
def batch_decoder() -> Decode:
    """Make a reader for messages of type `LogBatch`."""
    parse = load_schema(REAL).messages["LogBatch"].FromString
    return _decoder(REAL, "LogBatch", lambda message: parse(message).entries)


def _decoder(layout: str, what: str, parse: Callable[[bytes], Sequence[Any]]) -> Decode:
    names = [field.name for field in load_schema(layout).messages["LogRequest"].DESCRIPTOR.fields]
    entry_of = msgspec.defstruct("Entry", [(name, str) for name in names], gc=False)
    level_at, fields = names.index(_LEVEL), attrgetter(*names)
    encode = msgspec.json.Encoder().encode_lines

    def entry(request: Any) -> Any:
        values = list(fields(request))
        values[level_at] = WIRE_NAMES[values[level_at]]
        return entry_of(*values)

    def decode(messages: Iterable[bytes]) -> GrpcEntries:
        found: list[Any] = []
        counts: list[int] = []
        trouble = None
        for message in messages:
            before = len(found)
            requests, trouble = _parse(message, parse, what)
            for request in requests:
                if (trouble := _mixed_up(request, layout)) is not None:
                    break
                found.append(entry(request))
            if trouble is not None:
                break
            counts.append(len(found) - before)
        return GrpcEntries(encode(found)[:-1], [one.level for one in found], counts, trouble)

    return decode


def _parse(
    message: bytes, parse: Callable[[bytes], Sequence[Any]], what: str
) -> tuple[Sequence[Any], str | None]:
    """Parse the requests of a message; the second value is an error or None."""
    if message.count(_ENTRY_TAG) > ENTRIES_MAX and what == "LogBatch" and _has_too_many(message):
        return (), _TOO_MANY
    try:
        requests = parse(message)
    except DecodeError:  # its texts are not useful for clients
        return (), f"{len(message)} bytes that are no {what}, or hold text that is not UTF-8"
    if len(requests) > ENTRIES_MAX:
        return (), _TOO_MANY
    return requests, None


def _has_too_many(message: bytes) -> bool:
    """Return whether a `LogBatch` has too many entries; counted before objects are made, as there may be millions."""
    entries, position, end = 0, 0, len(message)
    while position < end and entries <= ENTRIES_MAX:
        tag, position = _varint(message, position)
        entries += tag == _ENTRY_TAG[0]
        if tag & 7 == _LENGTH:
            size, position = _varint(message, position)
            position += size
        elif tag & 7 == 0:
            _, position = _varint(message, position)
        else:
            position += _FIXED.get(tag & 7, end)
    return entries > ENTRIES_MAX


def _varint(message: bytes, position: int) -> tuple[int, int]:
    """Read a varint of Protocol Buffers; returns it and its end. A truncated one ends with the message."""
    number = 0
    for shift in range(0, _VARINT_BITS_MAX, 7):
        byte = message[position] if position < len(message) else 0
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
    return number, position


def _mixed_up(request: Any, layout: str) -> str | None:
    """Return an error for a request of the other layout, which would be read into the wrong fields."""
    if layout == REAL and request.message:
        return None
    if any(field.field_number in _MOVED for field in UnknownFieldSet(request)):
        return _MIXED_UP[layout]
    return None
