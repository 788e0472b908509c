"""`any`: one port for all stream protocols, distinguished by their first bytes. Contract: docs/contracts/any.md."""

import re
from collections.abc import Callable
from typing import Final

from logboom.model import Acker, Batch, WireProtocol
from logboom.receivers.any.detection import FIRST_BYTES_MAX, detected

_SHOWN_BYTES: Final = 16
_UNFINISHED_BYTES: Final = 32
"""Bytes after which only the end of an object or of a line can decide."""
_ENDS: Final = re.compile(rb"[}\n]")


class AnyProtocol:
    """One connection; it becomes that of the protocol that its first bytes show.

    Args:
        make: makes the protocol of a connection, by name; None for a name that this port does not take.
        understood: the names that it takes, for the operational log.
    """

    __slots__ = ("_eof", "_first", "_inner", "_make", "_refused", "_understood")

    def __init__(self, make: Callable[[str], WireProtocol | None], understood: str) -> None:
        self._make = make
        self._understood = understood
        self._first = bytearray()
        self._inner: WireProtocol | None = None
        self._refused: str | None = None
        self._eof = False

    @property
    def name(self) -> str:
        """See `model.WireProtocol`."""
        return self._inner.name if self._inner else "any"

    @property
    def identity(self) -> str | None:
        """See `model.WireProtocol`."""
        return self._inner.identity if self._inner else None

    @property
    def fatal(self) -> str | None:
        """See `model.WireProtocol`."""
        return self._inner.fatal if self._inner else self._refused

    def receive_data(self, data: bytes | memoryview) -> None:
        """See `model.WireProtocol`."""
        if self._inner is not None:
            self._inner.receive_data(data)
        elif self._refused is None:
            waits = len(self._first) >= _UNFINISHED_BYTES
            self._first += data
            if not waits or len(self._first) >= FIRST_BYTES_MAX or _ENDS.search(data):
                self._detect()

    def receive_eof(self) -> None:
        """See `model.WireProtocol`."""
        self._eof = True
        if self._inner is None and self._first and self._refused is None:
            self._detect()
        if self._inner is not None:
            self._inner.receive_eof()

    def _detect(self) -> None:
        name = detected(bytes(self._first[:FIRST_BYTES_MAX]), eof=self._eof)
        if name is None:
            return
        self._inner = self._make(name) if name else None
        if self._inner is None:
            shown = bytes(self._first[:_SHOWN_BYTES])
            self._refused = f"begins with {shown!r}, which is none of {self._understood}"
        else:
            self._inner.receive_data(bytes(self._first))
        self._first = bytearray()

    def next_batch(self) -> tuple[Batch, Acker] | None:
        """See `model.WireProtocol`."""
        return self._inner.next_batch() if self._inner else None

    def data_to_send(self) -> bytes:
        """See `model.WireProtocol`."""
        return self._inner.data_to_send() if self._inner else b""

    def buffered_bytes(self) -> int:
        """See `model.WireProtocol`."""
        return len(self._first) + (self._inner.buffered_bytes() if self._inner else 0)
