r"""A first line that says who the peer is, `AUTH <token>\n`, before whatever protocol follows it.

For listeners that ask for a token. Nothing is answered to it: devices read the reply to their first entry.
"""

from collections.abc import Callable
from typing import Final

from logboom.model import Acker, Batch, WireProtocol

WORD: Final = b"AUTH "
LINE_BYTES_MAX: Final = 512
"""Longest first line, bytes; a token has 46."""


class TokenLine:
    """Hands bytes on once the first line was good; else the connection can't go on.

    Args:
        inner: the protocol that follows.
        admit: whether a token may write; gives the reason why not, None when it may.
    """

    __slots__ = ("_admit", "_first_line", "_inner", "_refused", "_token")

    def __init__(self, inner: WireProtocol, admit: Callable[[str], str | None]) -> None:
        self._inner = inner
        self._admit = admit
        self._first_line: bytearray | None = bytearray()  # None: it was good
        self._refused: str | None = None
        self._token = ""

    @property
    def is_open(self) -> bool:
        """True once a good first line has come."""
        return self._first_line is None

    def look_again(self) -> str | None:
        """Reason why the token is no longer valid; None: it is valid."""
        return self._admit(self._token)

    @property
    def inner(self) -> WireProtocol:
        """The protocol that follows."""
        return self._inner

    @property
    def name(self) -> str:
        """The inner protocol's."""
        return self._inner.name

    @property
    def identity(self) -> str | None:
        """See `WireProtocol`."""
        return self._inner.identity

    @property
    def fatal(self) -> str | None:
        """See `WireProtocol`."""
        return self._refused or self._inner.fatal

    def receive_data(self, data: bytes | memoryview) -> None:
        """See `WireProtocol`."""
        if self._first_line is None:
            self._inner.receive_data(data)
        elif self._refused is None:
            self._first_line += data
            self._judge(self._first_line)

    def _judge(self, received: bytearray) -> None:
        end = received.find(b"\n", 0, LINE_BYTES_MAX + 1)
        if end < 0:
            if len(received) > LINE_BYTES_MAX or not WORD.startswith(received[: len(WORD)]):
                self._refuse("no token line came first")
            return
        line = bytes(received[:end]).rstrip(b"\r")
        if not line.startswith(WORD):
            self._refuse("no token line came first")
            return
        self._token = line.removeprefix(WORD).strip().decode("ascii", "replace")
        trouble = self._admit(self._token)
        if trouble is not None:
            self._refuse(trouble)
            return
        self._first_line = None
        rest = bytes(received[end + 1 :])
        if rest:
            self._inner.receive_data(rest)

    def _refuse(self, reason: str) -> None:
        self._refused = reason
        self._first_line = bytearray()

    def receive_eof(self) -> None:
        """See `WireProtocol`."""
        if self._first_line is None:
            self._inner.receive_eof()

    def next_batch(self) -> tuple[Batch, Acker] | None:
        """See `WireProtocol`."""
        return self._inner.next_batch()

    def data_to_send(self) -> bytes:
        """See `WireProtocol`."""
        return self._inner.data_to_send()

    def buffered_bytes(self) -> int:
        """See `WireProtocol`."""
        return len(self._first_line or b"") + self._inner.buffered_bytes()
