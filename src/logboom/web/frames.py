"""Server-side WebSocket frames, made many at a time (RFC 6455, section 5.2).

They are written between aiohttp's own frames, never inside one. They are not compressed: where
permessage-deflate was agreed upon, each message may still choose (RFC 7692, section 6).
"""

import struct
from typing import Final

_TEXT: Final = 0x81  # FIN, opcode 1
_SHORT_MAX: Final = 125
_MEDIUM_MAX: Final = 0xFFFF
_MEDIUM: Final = struct.Struct("!BBH").pack
_LONG: Final = struct.Struct("!BBQ").pack
_SHORT_HEADS: Final = [bytes([_TEXT, size]) for size in range(_SHORT_MAX + 1)]


def text_frame(payload: bytes) -> bytes:
    """One unmasked text frame."""
    return text_head(len(payload)) + payload


def text_head(size: int) -> bytes:
    """The header of a text frame whose payload has `size` bytes."""
    if size <= _SHORT_MAX:
        return _SHORT_HEADS[size]
    if size <= _MEDIUM_MAX:
        return _MEDIUM(_TEXT, 126, size)
    return _LONG(_TEXT, 127, size)


def text_frames(payloads: list[bytes]) -> bytes:
    """One text frame a payload, joined."""
    pieces = [b""] * (2 * len(payloads))
    pieces[::2] = [text_head(len(payload)) for payload in payloads]
    pieces[1::2] = payloads
    return b"".join(pieces)
