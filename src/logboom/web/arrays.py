"""A JSON array of entries, taken apart in runs of whole elements: in bounded memory and time, whatever they are.

Decoding it with one call would make millions of objects of a few megabytes, before the first of them is looked at.
"""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from logboom.formats.ndjson import repaired

RUN_BYTES: Final = 64 << 10
"""The usual size of a run: a millisecond of the event loop for entries, some ten for an array of numbers."""

REPAIRED_BYTES_MAX: Final = 1 << 20
"""A longer run has one element, which is longer than any line may be: it is refused as it is."""

_ENDS: Final = (b"},{", b"},")
"""The usual ends of objects in arrays; where the last one in a run is that of an inner object, each token is read."""

_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]|,', re.DOTALL)
_OPENING: Final = b"[{"
_CLOSING: Final = b"]}"
_BLANKS: Final = b" \t\r\n"


class _Nothing(msgspec.Struct, gc=False):
    """Any object."""


_decode: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_objects: Final = msgspec.json.Decoder(list[_Nothing]).decode
_TROUBLE: Final = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


class ArrayError(ValueError):
    """The text is not a JSON array; the error's text says why."""


class Run:
    """Some elements of an array, one after the other.

    Args:
        text: the elements, with the commas between them.
    """

    __slots__ = ("_text",)

    def __init__(self, text: bytes) -> None:
        whole = b"[%b]" % text
        self._text = repaired(whole) if len(whole) <= REPAIRED_BYTES_MAX else whole

    def elements(self) -> list[bytes]:
        """The JSON of each element. Raises `ArrayError`."""
        try:
            found = [bytes(raw) for raw in _decode(self._text)]
        except _TROUBLE as error:
            raise ArrayError(str(error)) from None
        if not found:
            raise ArrayError("nothing stands before a comma")
        return found

    def others(self) -> int:
        """The number of elements that are no objects. Raises `ArrayError`."""
        try:
            if _decode_objects(self._text):
                return 0
        except _TROUBLE:
            pass
        return sum(not one.startswith(b"{") for one in self.elements())


def runs_of(document: bytes) -> Iterator[tuple[int, int]]:
    """Yield where the runs of an array begin and end, in order. They hold whole elements, if the array is one at all.

    Args:
        document: begins with `[`.

    Raises:
        ArrayError: it has no end.
    """
    end = len(document.rstrip(_BLANKS)) - 1
    if end < 1 or document[end : end + 1] != b"]":
        raise ArrayError("it has no end")
    position = 1
    if not document[1:end].strip(_BLANKS):
        return
    while position <= end:
        stop = _end_of_run(document, position, end)
        yield position, stop
        position = stop + 1
        if stop < end and position == end:
            raise ArrayError("it ends with a comma")


def _end_of_run(document: bytes, start: int, end: int) -> int:
    """Find the comma that ends a run, or the array's end."""
    if end - start <= RUN_BYTES:
        return end
    for ending in _ENDS:
        found = document.rfind(ending, start, start + RUN_BYTES)
        if found >= 0 and _is_whole(document[start : found + 1]):
            return found + 1
    return _last_comma(document, start, end)


def _is_whole(text: bytes) -> bool:
    """Return whether a text holds whole elements: if it can be read from its first byte on, no element is cut."""
    try:
        Run(text).others()
    except ArrayError:
        return False
    return True


def _last_comma(document: bytes, start: int, end: int) -> int:
    """The last comma between elements within a run's size; where an element is longer, the first one behind it."""
    depth, last = 0, -1
    for token in _TOKEN.finditer(document, start, end):
        if last >= 0 and token.start() - start > RUN_BYTES:
            return last
        first = token[0][:1]
        if first in _OPENING:
            depth += 1
        elif first in _CLOSING:
            depth -= 1
        elif first == b"," and not depth:
            last = token.start()
            if last - start > RUN_BYTES:
                return last
    return last if last >= 0 else end
