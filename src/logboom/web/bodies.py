"""Request bodies: unpacked in slices, split into lines of JSON, in bounded memory whatever is sent."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Protocol

from logboom.formats.compressed import DAMAGE, Members, inflate, zstd_frame
from logboom.framing.jsonlines import JsonLines
from logboom.model import Batch
from logboom.pipeline.intake import Limit
from logboom.receivers.http_push import BodyError
from logboom.web.arrays import ArrayError, Run, runs_of
from logboom.web.messages import one_line

SLICE_BYTES: Final = 256 << 10
"""Unpacked bytes made at once."""

BODY_BYTES_MAX: Final = 1 << 30
"""Unpacked bytes of one body. It is not gathered, so memory does not limit it; but a request that has run this
far should be several."""

RATIO_MAX: Final = 1000
"""Unpacked bytes a packed byte: what deflate reaches at most, and many times what logs reach."""

RATIO_FREE_BYTES: Final = 4 << 20
"""Unpacked bytes that may come at any ratio: a small body of equal lines is honest."""

DOCUMENT_BYTES_MAX: Final = 4 << 20
"""A JSON array, or an object of several lines, is gathered before anything of it is taken: it is stored or refused
as a whole when it is not JSON. Lines have no such limit."""

INVALID_MAX: Final = 100_000
"""Bad entries after which a body is given up: each costs some µs, and 64 KB of gzip hold thirty million."""

MAGIC_BYTES: Final = 4
"""First bytes that show how a body is packed."""

LINE_TYPES: Final = frozenset(
    f"application/{kind}" for kind in ("x-ndjson", "ndjson", "jsonl", "x-jsonl", "jsonlines", "x-jsonlines")
)
"""Content types of one JSON object per line."""

_OTHER_TYPES: Final = frozenset(
    {"application/json", "text/plain", "text/json", "application/octet-stream"}
) | {
    "application/x-www-form-urlencoded"  # the default of `curl --data`
}


_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class Unpacker(Protocol):
    """One content encoding."""

    def unpack(self, data: bytes) -> Iterator[bytes]:
        """Unpack `data` in slices. Raises `BodyError`."""

    def end(self) -> Iterable[bytes]:
        """Note the end of the body; returns what was still held. Raises `BodyError` when data is missing."""


class Plain:
    """No encoding."""

    def unpack(self, data: bytes) -> Iterator[bytes]:
        """See `Unpacker`."""
        yield data

    def end(self) -> Iterable[bytes]:
        """See `Unpacker`."""
        return ()


class Packed:
    """Compressed data.

    Args:
        name: name in error texts.
        make: see `Members`.
    """

    def __init__(self, name: str, make: Callable[[], Any]) -> None:
        self._name = name
        self._members = Members(make, SLICE_BYTES)

    def unpack(self, data: bytes) -> Iterator[bytes]:
        """See `Unpacker`."""
        self._members.feed(data)
        try:
            yield from iter(self._members.take, b"")
        except DAMAGE as error:
            raise BodyError(400, f"the body is not valid {self._name}: {error}") from None

    def end(self) -> Iterable[bytes]:
        """See `Unpacker`."""
        if self._members.is_open:
            raise BodyError(400, f"the body ends within its {self._name} data")
        return ()


def _gzip() -> Unpacker:
    return Packed("gzip", inflate(31))  # RFC 1952


def _zstd() -> Unpacker:
    return Packed("zstd", zstd_frame)


class Unpacking:
    """Unpacks a body, and applies the limits.

    Args:
        unpacker: of the body's encoding.
        bytes_max: of the unpacked body; None: it may have any length.
    """

    def __init__(self, unpacker: Unpacker, bytes_max: int | None = BODY_BYTES_MAX) -> None:
        self._unpacker = unpacker
        self._bytes_max = bytes_max
        self._packed = self._unpacked = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Return what `data` unpacks to, in slices. Raises `BodyError`."""
        self._packed += len(data)
        for piece in self._unpacker.unpack(data):
            self._unpacked += len(piece)
            if self._bytes_max is not None and self._unpacked > self._bytes_max:
                text = f"the body has more than {self._bytes_max} bytes: send it in pieces"
                raise BodyError(413, text, Limit.BODY_BYTES)
            if self._unpacked > max(RATIO_FREE_BYTES, RATIO_MAX * self._packed):
                text = f"the body unpacks to more than {RATIO_MAX} times its size"
                raise BodyError(413, text, Limit.UNPACKED_RATIO)
            yield piece

    def end(self) -> Iterator[bytes]:
        """Note the end of the body; returns what was still held. Raises `BodyError`."""
        yield from self._unpacker.end()


def unpacking_of(encoding: str, *, trusted: bool = True, bytes_max: int | None = BODY_BYTES_MAX) -> Unpacking:
    """Return what unpacks a body.

    Args:
        encoding: the header Content-Encoding.
        trusted: False: the body's first bytes count, since many clients state a wrong encoding.
        bytes_max: of the unpacked body; None: it may have any length.

    Raises:
        BodyError: an encoding that is not known.
    """
    return Unpacking(_unpacker(encoding) if trusted else Sniffed(encoding), bytes_max)


def _unpacker(encoding: str) -> Unpacker:
    word = encoding.strip().lower()
    if word in ("", "identity"):
        return Plain()
    if word in ("gzip", "x-gzip"):
        return _gzip()
    if word == "zstd":
        return _zstd()
    raise BodyError(415, f"Content-Encoding: found {encoding!r}, expected gzip, zstd or identity")


class Sniffed:
    """Encoding that the first bytes show.

    Args:
        encoding: the header Content-Encoding; distinguishes zlib's data from text, and names raw deflate.
    """

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding.lower()
        self._head = b""
        self._unpacker: Unpacker | None = None

    def unpack(self, data: bytes) -> Iterator[bytes]:
        """See `Unpacker`."""
        if self._unpacker is not None:
            yield from self._unpacker.unpack(data)
            return
        self._head += data
        if len(self._head) >= MAGIC_BYTES:
            yield from self._begin()

    def end(self) -> Iterator[bytes]:
        """See `Unpacker`."""
        if self._unpacker is None:
            yield from self._begin()
        if self._unpacker is not None:
            yield from self._unpacker.end()

    def _begin(self) -> Iterator[bytes]:
        head, self._head = self._head, b""
        self._unpacker = self._found(head)
        yield from self._unpacker.unpack(head)

    def _found(self, head: bytes) -> Unpacker:
        if head.startswith(b"\x1f\x8b"):
            return _gzip()
        if head.startswith(b"\x28\xb5\x2f\xfd"):
            return _zstd()
        if "deflate" not in self._encoding and "gzip" not in self._encoding:
            return Plain()  # or an encoding of the codec's own, such as snappy
        if head[:1] == b"\x78" and int.from_bytes(head[:2], "big") % 31 == 0:
            return Packed("deflate", inflate(15))  # RFC 1950
        if self._encoding.strip() == "deflate" and head:
            return Packed("deflate", inflate(-15))  # RFC 1951
        return Plain()


class EntryLines:
    """Finds out what a body is, and cuts it into judged lines.

    Lines are judged as they come. A JSON array, or an object over several lines, is gathered first.

    Args:
        lines: judges lines.
        content_type: without parameters, lower case.
        line_bytes_max: the longest line.

    """

    def __init__(self, lines: JsonLines, content_type: str, line_bytes_max: int) -> None:
        self._lines = lines
        self._line_bytes_max = line_bytes_max
        self._head = bytearray()
        self._document = b""
        self._runs: deque[tuple[int, int]] = deque()
        """The parts of the document that are still to be taken: each has whole elements."""
        self._begun = False  # blanks were dropped already: no byte order mark can follow
        self._is_lines: bool | None = True if content_type in LINE_TYPES else None

    @property
    def is_document(self) -> bool:
        """The body is gathered, to be decoded as a whole."""
        return self._is_lines is False

    @property
    def held_bytes(self) -> int:
        """Bytes that wait for the end of their line, or of their document."""
        return len(self._head) + len(self._document) + len(self._lines)

    def feed(self, data: bytes) -> None:
        """Take some of the body. Raises `BodyError`."""
        if self._is_lines:
            self._lines.feed(data)
            return
        self._head += data
        if self._is_lines is None:
            self._look(ended=False)
        if self.is_document and len(self._head) > DOCUMENT_BYTES_MAX:
            text = f"a JSON document of more than {DOCUMENT_BYTES_MAX} bytes: send NDJSON, or pieces"
            raise BodyError(413, text, Limit.BODY_BYTES)

    def end(self) -> None:
        """The body is complete; an array is looked at as a whole, for up to half a second.

        Raises:
            BodyError: the array is none, or holds too many elements that are no entries. Nothing of it is taken.
        """
        if self._is_lines is None:
            self._look(ended=True)
        if self.is_document and self._head[:1] == b"[":
            self._document = bytes(self._head)
            self._head.clear()
            self._runs = _checked_runs(self._document)
        elif self.is_document:
            self._lines.feed(one_line(bytes(self._head)))
            self._head.clear()
        if not self._runs:
            self._lines.end()

    def take(self) -> Batch | None:
        """The next judged lines, or None."""
        while (batch := self._lines.take()) is None and self._runs:
            start, stop = self._runs.popleft()
            elements = Run(self._document[start:stop]).elements()
            self._lines.feed(b"".join([one_line(element) + b"\n" for element in elements]))
            if not self._runs:
                self._lines.end()
        return batch

    def _look(self, *, ended: bool) -> None:
        """Distinguish lines from a document by the first line: an object that ends with its line is one of many."""
        text = (self._head if self._begun else self._head.removeprefix(_BYTE_ORDER_MARK)).lstrip(b" \t\r\n")
        if not text:
            self._begun = self._begun or bool(self._head)
            self._head = text
            return
        if text[:1] == b"[":
            self._is_lines, self._head = False, text
            return
        line, newline, _ = text.partition(b"\n")
        if not newline and not ended and len(text) <= self._line_bytes_max:
            return
        too_long = len(line) > self._line_bytes_max  # whether its end has come by now must make no difference
        self._is_lines = not newline or too_long or line.rstrip().endswith(b"}")
        self._head = text
        if self._is_lines:
            self._lines.feed(bytes(text))
            self._head = bytearray()


def check_type(content_type: str) -> None:
    """Raise `BodyError` for a content type that holds no JSON."""
    if content_type not in LINE_TYPES | _OTHER_TYPES and not content_type.endswith("+json"):
        text = f"Content-Type: found {content_type!r}, expected application/json or application/x-ndjson"
        raise BodyError(415, text)


def _checked_runs(document: bytes) -> deque[tuple[int, int]]:
    """The runs of a JSON array, all of which can be read. Raises `BodyError`."""
    runs: deque[tuple[int, int]] = deque()
    others = 0
    try:
        for start, stop in runs_of(document):
            others += Run(document[start:stop]).others()
            check_bad(others)
            runs.append((start, stop))
    except ArrayError as error:
        raise BodyError(400, f"the body is not a JSON array: {error}") from None
    return runs


def check_bad(count: int) -> None:
    """Give up a body that holds too many bad entries. Raises `BodyError`."""
    if count > INVALID_MAX:
        text = f"more than {INVALID_MAX} bad entries: the rest was not looked at"
        raise BodyError(400, text, Limit.BAD_ENTRIES)
