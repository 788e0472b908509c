"""Packed `LoggerMsg` messages as JSON entries. Contract: docs/contracts/capnp.md.

A message of one segment that is sound goes through pycapnp, in some 3 µs. Any other, of several segments, with a
text that is not UTF-8, or broken, is first unpacked here (`formats.packing` says why), and then read as bytes.
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
"""Fields of a `LoggerMsg` without `level`: the 15 pointers, in their order."""

Entry: Final = msgspec.defstruct("Entry", [("level", str), *((name, str) for name in TEXTS)], gc=False)
"""What is stored: the names are the document's."""

PICKLE: Final = (
    "found a Python pickle, as logging.handlers.SocketHandler sends it; pickles are never read: "
    "let the client log through logboom.LogboomHandler, with the URL capnp://HOST:PORT"
)
_PICKLES: Final = (b"\x80", b"}q")

# A packed message starts with the word of its segment table: the number of segments less one (u32), the size of
# the first (u32). The low half of its tag is zero when there is one segment. A tag of 0x00 would be an empty
# message, one of 0x80 a size beyond every limit: a pickle.
_PLAIN: Final = bytes(tag & 0x0F == 0 and tag not in (0x00, 0x80) for tag in range(256))


class Decoded(NamedTuple):
    """What a run of messages holds, up to the first that can't be read."""

    entries: bytes
    """JSON objects, joined by newlines, none after the last."""
    levels: list[object]
    """The level's name of each entry."""
    trouble: str | None
    """What is wrong with the message after the last entry; None: all were read."""


def decode(messages: Iterable[bytes]) -> Decoded:
    """Read packed messages, none of them empty. Nothing that they hold raises or leaves this process."""
    return _reader()(messages)


@cache
def _reader() -> Callable[[Iterable[bytes]], Decoded]:
    files = schemas()
    struct, careful = files.reader.LoggerText, _CarefulReader(files.reader.LoggerBytes)
    open_message, names, plain, entry_of = struct.from_bytes_packed, WIRE_NAMES, _PLAIN, Entry
    level, *texts = _fields(struct)
    encode = msgspec.json.Encoder().encode_lines

    def read(messages: Iterable[bytes]) -> Decoded:
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
                except Exception:  # noqa: BLE001, S110 - whatever it is, the careful way finds out
                    pass
            found = careful.read(message)
            if isinstance(found, str):
                trouble = found
                break
            append(found)
        return Decoded(encode(entries)[:-1], [entry.level for entry in entries], trouble)

    return read


def _fields(struct: Any) -> list[Any]:
    """The handles of the level and the texts: by name, a field takes four times as long to get."""
    return [struct.schema.fields[name] for name in ("level", *TEXTS)]


class _CarefulReader:
    """Reads one odd message at a time, ten times as slow.

    Args:
        struct: `LoggerBytes`.
    """

    def __init__(self, struct: Any) -> None:
        self._struct = struct
        self._level, *self._texts = _fields(struct)

    def read(self, message: bytes) -> Any:
        """The entry, or a text about what is wrong."""
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
        except Exception as error:  # noqa: BLE001 - pycapnp has many, and a peer's bytes never raise
            return f"malformed message of {len(message)} bytes: {explain(error)}"


def _text(data: bytes) -> str:
    """A text from its bytes, which end with a zero. What is not UTF-8 is replaced: JSON has no place for it."""
    return data.removesuffix(b"\0").decode(errors="replace")
