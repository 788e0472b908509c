"""The frames of an HTTP/2 connection, as a client sends them: watched for heads that do not end. Pure.

A head is a HEADERS frame and the CONTINUATION frames behind it (RFC 9113, section 6.10). gRPC's core keeps all of it
until its end comes, however long it gets.
"""

from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""The first bytes of each client."""

HEAD_BYTES_MAX: Final = 64 << 10
"""Bytes of one head, as it is sent: four times what the core accepts of metadata; up to here, it answers with a status.
No client of ours needs a kilobyte."""

HEAD_FRAMES_MAX: Final = 64
"""Frames of one head: empty ones would go on without an end, too."""

_FRAME_BYTES: Final = 9
_HEADERS, _PUSH_PROMISE, _CONTINUATION = 1, 5, 9
_BEGINS_HEAD: Final = frozenset({_HEADERS, _PUSH_PROMISE})
_END_HEADERS: Final = 4


class HeadError(ValueError):
    """The connection can't go on; the text says why."""


class HeadWatch:
    """Follows the frames of one connection, in whatever pieces they come, and keeps none of them."""

    __slots__ = ("_bytes", "_frames", "_left", "_open", "_part", "_preface", "heads", "in_head")

    def __init__(self) -> None:
        self.in_head = False
        """A head has begun, and is not complete."""
        self.heads = 0
        """The number of heads that have begun."""
        self._open = False  # further frames of the head must follow
        self._preface = PREFACE  # what is still to come of it
        self._part = b""  # of a frame's own header
        self._left = 0  # bytes of the current frame that are still to come
        self._bytes = self._frames = 0  # of the current head

    @property
    def begun(self) -> bool:
        """True: the preface has come."""
        return not self._preface

    def feed(self, data: bytes) -> None:
        """Look at the next bytes. Raises `HeadError`."""
        position, end = self._take_preface(data) if self._preface else 0, len(data)
        while position < end:
            if self._left:
                step = min(self._left, end - position)
                position += step
                self._left -= step
                self.in_head = self._open or (self.in_head and self._left > 0)
                continue
            begin, position = position, position + _FRAME_BYTES - len(self._part)
            header = (
                self._part + data[begin:position] if self._part or position > end else data[begin:position]
            )
            self._part = header if position > end else b""
            if position <= end:
                self._enter(header)

    def _take_preface(self, data: bytes) -> int:
        begin = data[: len(self._preface)]
        if not self._preface.startswith(begin):
            raise HeadError("does not speak HTTP/2")
        self._preface = self._preface[len(begin) :]
        return len(begin)

    def _enter(self, header: bytes) -> None:
        """Begin with the next frame."""
        size = header[0] << 16 | header[1] << 8 | header[2]
        kind = header[3]
        self._left = size
        if self._open:
            if kind != _CONTINUATION:
                raise HeadError("sends another frame within a head")
        elif kind in _BEGINS_HEAD:
            self._bytes = self._frames = 0
            self.heads += 1
        else:
            return
        self._bytes += size
        self._frames += 1
        if self._bytes > HEAD_BYTES_MAX or self._frames > HEAD_FRAMES_MAX:
            raise HeadError(f"sends a head of more than {HEAD_BYTES_MAX} bytes or {HEAD_FRAMES_MAX} frames")
        self._open = not header[4] & _END_HEADERS
        self.in_head = self._open or size > 0
