"""Limit for the nesting of an entry's arrays and objects, the same for every interpreter.

Decoders have different limits: the recursion limit up to Python 3.11, ten thousand levels in 3.13, the size of the
thread's stack from 3.14 on. An entry near the limit would be stored, and then be unreadable for other programs.
"""

import re
from itertools import accumulate
from typing import Final

NESTING_MAX: Final = 500
"""Most levels of an entry: far more than entries have, and half of the strictest decoder's limit."""

_BYTES_MIN: Final = 2 * (NESTING_MAX + 1)
"""Length of the shortest line that is too deep: two bytes per array."""

_OBJECTS_BYTES_MIN: Final = 5 * NESTING_MAX
"""The same without arrays: five bytes per object that contains another one, as in `{"":{}}`."""

_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_OTHERS: Final = bytes(set(range(256)) - set(b"[]{}"))
_STEPS: Final = tuple(1 if code in b"[{" else -1 for code in range(256))


def is_too_deep(chunk: bytes) -> bool:
    """Return true if a line is nested deeper than `NESTING_MAX`. Examines long lines only, in steps of their length.

    A false is certain for valid JSON only: decoders reject other lines, however long.
    """
    start, end = 0, len(chunk)
    size_min = _BYTES_MIN if b"[" in chunk else _OBJECTS_BYTES_MIN
    while end - start >= size_min:
        stop = chunk.rfind(b"\n", start, start + size_min)
        if stop < 0:
            stop = chunk.find(b"\n", start)
            stop = end if stop < 0 else stop
            if _is_deep(chunk, start, stop):
                return True
        start = stop + 1
    return False


def _is_deep(chunk: bytes, start: int, stop: int) -> bool:
    """Return true if one line is too deep; brackets are followed only if there are enough of them."""
    if chunk.count(b"[", start, stop) + chunk.count(b"{", start, stop) <= NESTING_MAX:
        return False
    brackets = _STRING.sub(b"", chunk[start:stop]).translate(None, _OTHERS)
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > NESTING_MAX
