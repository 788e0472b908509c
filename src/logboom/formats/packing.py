"""Unpacking of Cap'n Proto's packed format in Python, for messages that pycapnp can't handle safely.

pycapnp terminates the process when a packed message of several segments ends after the first one: the error occurs
in a destructor. Specification: https://capnproto.org/encoding.html#packing.
"""

from operator import itemgetter
from typing import Final

WORD_BYTES: Final = 8
_ALL_ZERO: Final = 0x00
_NO_ZERO: Final = 0xFF

# For each tag: picks a word's bytes from a zero byte and the packed bytes after it.
_PICK: Final = tuple(
    itemgetter(*((tag >> bit & 1) * (tag & ((2 << bit) - 1)).bit_count() for bit in range(8)))
    for tag in range(256)
)
_TAKEN: Final = tuple(tag.bit_count() for tag in range(256))


def unpack(packed: bytes, words_max: int) -> bytes | str:
    """Unpack a message; returns its words, or the reason of an error: it is truncated, or has too many words."""
    out = bytearray()
    position, end, size_max = 0, len(packed), words_max * WORD_BYTES
    while position < end:
        tag = packed[position]
        stop = position + 1 + _TAKEN[tag]
        run = stop + 1 if tag in (_ALL_ZERO, _NO_ZERO) else stop
        if run > end:
            return "it breaks off inside a word"
        out += bytes(_PICK[tag](b"\0" + packed[position + 1 : stop]))
        position = run
        if tag == _ALL_ZERO:
            out += bytes(WORD_BYTES * packed[stop])
        elif tag == _NO_ZERO:
            position += WORD_BYTES * packed[stop]
            if position > end:
                return "it breaks off inside a run of words"
            out += packed[run:position]
        if len(out) > size_max:
            return f"{end} bytes unpack to more than {size_max}"
    return bytes(out)
