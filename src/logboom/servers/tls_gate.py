"""Where TLS connections of one listener begin: they share a buffer, and their failures are counted and told here."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Final

from logboom.model import Report
from logboom.pipeline.door import Door, Refused
from logboom.pipeline.intake import Counters
from logboom.servers.complaints import Complaints
from logboom.servers.tls import Tls
from logboom.servers.tls_link import TlsLink

RECEIVE_BUFFER_BYTES: Final = 256 << 10
"""The shared receive buffer; as large as that for plain text."""

STREAM_READ_BYTES: Final = 64 << 10
"""Most plain text that a protocol without a buffer of its own gets at once."""


class TlsGate:
    """What the TLS connections of one listener share.

    Args:
        name: of the listener.
        tls: its certificates.
        make_protocol: makes the protocol behind a connection, once the handshake is done.
        door: who may connect: half a handshake takes an address's place like a whole connection.
        room: how many more connections may be open now; those that shake hands count, too.
        counters: of the listener.
        report: logs handshakes that fail.
        takes_plain_text: leave connections that begin with anything else than TLS to their protocol.
    """

    def __init__(
        self,
        name: str,
        tls: Tls,
        make_protocol: Callable[[], asyncio.BaseProtocol],
        *,
        door: Door,
        room: Callable[[], int],
        counters: Counters,
        report: Report,
        takes_plain_text: bool = False,
    ) -> None:
        self.tls = tls
        self.takes_plain_text = takes_plain_text
        self.make_protocol = make_protocol
        self.counters = counters
        self.buffer = memoryview(bytearray(RECEIVE_BUFFER_BYTES))
        self.plain = memoryview(bytearray(STREAM_READ_BYTES))
        self.failures = Complaints(name, report, "TLS handshakes failed")
        self._door = door
        self._room = room
        self._shaking: set[TlsLink] = set()
        self._shaking_from: Counter[str] = Counter()

    def __call__(self) -> TlsLink:
        """The protocol of a new socket."""
        return TlsLink(self)

    def stop(self) -> None:
        """Drop those that have not shaken hands yet. Idempotent."""
        for link in list(self._shaking):
            link.abort()

    def enter(self, link: TlsLink) -> bool:
        """Whether a new connection may shake hands."""
        refused = Refused.NETWORK if not self._door.welcomes(link.peer) else None
        if refused is None and len(self._shaking) >= self._room():
            refused = Refused.FULL
        elif refused is None and self._shaking_from[link.peer] >= self._door.room_of(link.peer):
            refused = Refused.ADDRESS
        if refused is not None:
            self.counters.turned_away(refused)
            return False
        self._shaking.add(link)
        self._shaking_from[link.peer] += 1
        self.counters.shaking += 1
        return True

    def leave(self, link: TlsLink) -> None:
        """A handshake is over, one way or the other. Idempotent."""
        if link not in self._shaking:
            return
        self._shaking.discard(link)
        self.counters.shaking -= 1
        left = self._shaking_from[link.peer] - 1
        if left:
            self._shaking_from[link.peer] = left
        else:
            del self._shaking_from[link.peer]

    def failed(self, peer: str, reason: str) -> None:
        """Count a failed handshake, and tell it, unless there are too many."""
        self.counters.handshakes_failed += 1
        self.failures.tell(f"{peer}: TLS handshake failed: {reason}")
