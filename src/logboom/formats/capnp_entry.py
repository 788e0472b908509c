"""Conversion of packed `LoggerMsg` messages to JSON entries. Contract: docs/contracts/capnp.md.

A valid message of one segment is read by pycapnp, in about 3 µs. Any other, with several segments, a text that is not
UTF-8, or damage, is first unpacked here (see `formats.packing` for the reason), and then read as bytes.
"""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Final, NamedTuple

import msgspec

from logboom.formats.capnp_schemas import NESTING_MAX, WORDS_SPARE, explain, schemas, words_max
from logboom.formats.levels import WIRE_NAMES
from logboom.formats.packing import unpack

TEXTS: Final = (
    "timestamp",
    "hostname",
    "loggerName",
    "module",
    "filename",
    "functionName",
    "lineNumber",
    "message",
    "pathName",
    "processId",
    "processName",
    "threadId",
    "threadName",
    "serviceName",
    "stackTrace",
)
"""Fields of a `LoggerMsg` except `level`: the 15 pointers, in their order."""

Entry: Final = msgspec.defstruct("Entry", [("level", str), *((name, str) for name in TEXTS)], gc=False)
"""The stored entry, with the names of the contract."""

PICKLE: Final = (
    "found a Python pickle, as logging.handlers.SocketHandler sends it; pickles are never read: "
    "use logboom.LogboomHandler in the client, with the URL capnp://HOST:PORT"
)
_PICKLES: Final = (b"\x80", b"}q")

# A packed message starts with the word of its segment table: the number of segments less one (u32), the size of
# the first (u32). The low half of its tag is zero when there is one segment. A tag of 0x00 would be an empty
# message, one of 0x80 a size beyond every limit: a pickle.
_PLAIN: Final = bytes(tag & 0x0F == 0 and tag not in (0x00, 0x80) for tag in range(256))


class CapnpEntries(NamedTuple):
    """Entries of a series of messages, up to the first that can't be read."""

    entries: bytes
    """JSON objects, joined by newlines, without one after the last."""
    levels: list[object]
    """Name of the level of each entry."""
    trouble: str | None
    """Error in the message after the last entry; None if all were read."""


def decode(messages: Iterable[bytes]) -> CapnpEntries:
    """Read packed messages, none of them empty. No content raises an error."""
    return _reader()(messages)


@cache
def _reader() -> Callable[[Iterable[bytes]], CapnpEntries]:
    files = schemas()
    struct, careful = files.reader.LoggerText, _CarefulReader(files.reader.LoggerBytes)
    open_message, names, plain, entry_of = struct.from_bytes_packed, WIRE_NAMES, _PLAIN, Entry
    level, *texts = _fields(struct)
    encode = msgspec.json.Encoder().encode_lines

    def read(messages: Iterable[bytes]) -> CapnpEntries:
        entries: list[Any] = []
        append = entries.append
        trouble = None
        for message in messages:
            if plain[message[0]]:
                try:
                    words = (len(message) >> 1) + WORDS_SPARE  # words_max(), without the call
                    field = open_message(message, words, NESTING_MAX)._get_by_field  # noqa: SLF001 - see _fields
                    append(entry_of(names[field(level)], *map(field, texts)))
                    continue
                except Exception:  # noqa: BLE001, S110 - the careful reader finds the reason
                    pass
            found = careful.read(message)
            if isinstance(found, str):
                trouble = found
                break
            append(found)
        return CapnpEntries(encode(entries)[:-1], [entry.level for entry in entries], trouble)

    return read


def _fields(struct: Any) -> list[Any]:
    """Handles of the level and the texts: access by name takes four times as long."""
    return [struct.schema.fields[name] for name in ("level", *TEXTS)]


class _CarefulReader:
    """Reader of single unusual messages, ten times as slow.

    Args:
        struct: `LoggerBytes`.
    """

    def __init__(self, struct: Any) -> None:
        self._struct = struct
        self._level, *self._texts = _fields(struct)

    def read(self, message: bytes) -> Any:
        """Return the entry, or a text with the error."""
        if message.startswith(_PICKLES):
            return PICKLE
        limit = words_max(len(message))
        flat = unpack(message, limit)
        if isinstance(flat, str):
            return f"malformed message of {len(message)} bytes: {flat}"
        try:
            with self._struct.from_bytes(flat, limit, NESTING_MAX) as reader:
                field = reader._get_by_field  # noqa: SLF001 - see _fields
                return Entry(WIRE_NAMES[field(self._level)], *map(_text, map(field, self._texts)))
        except Exception as error:  # noqa: BLE001 - pycapnp has many error types, and a peer's bytes must not raise
            return f"malformed message of {len(message)} bytes: {explain(error)}"


def _text(data: bytes) -> str:
    """Decode a text that ends with a zero byte. Bytes that are not UTF-8 are replaced, since JSON can't hold them."""
    return data.removesuffix(b"\0").decode(errors="replace")
