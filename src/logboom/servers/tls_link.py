"""TLS between a socket and a connection's protocol.

asyncio's own TLS closes a connection when its peer ends its side, and answers that wait for the disk are lost. Here the
protocol learns of the end, answers, then closes (RFC 8446, section 6.1). Failed handshakes are logged, too.
"""

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final, cast

from logboom.model import Report
from logboom.pipeline.door import Door, Refused
from logboom.pipeline.intake import Counters
from logboom.servers.complaints import Complaints
from logboom.servers.tls import Tls
from logboom.servers.tls_peer import CLIENT_HELLO, reason_of

RECEIVE_BUFFER_BYTES: Final = 256 << 10
"""The shared receive buffer; as large as that for plain text."""

STREAM_READ_BYTES: Final = 64 << 10
"""Most plain text that a protocol without a buffer of its own gets at once."""

HANDSHAKE_S_MAX: Final = 10.0
"""Time limit of a handshake, seconds; a device on a bad radio link needs two."""


class TlsGate:
    """State that the TLS connections of one listener share.

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

    def __call__(self) -> "TlsLink":
        """The protocol of a new socket."""
        return TlsLink(self)

    def stop(self) -> None:
        """Drop those that have not shaken hands yet. Idempotent."""
        for link in list(self._shaking):
            link.abort()

    def enter(self, link: "TlsLink") -> bool:
        """Return whether a new connection may shake hands."""
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

    def leave(self, link: "TlsLink") -> None:
        """A handshake is over, one way or the other. Idempotent."""
        if link not in self._shaking:
            return
        self._shaking.discard(link)
        self.counters.shaking -= 1
        self._shaking_from[link.peer] -= 1
        if not self._shaking_from[link.peer]:
            del self._shaking_from[link.peer]

    def failed(self, peer: str, reason: str) -> None:
        """Count a failed handshake, and log it, unless there are too many."""
        self.counters.handshakes_failed += 1
        self.failures.tell(f"{peer}: TLS handshake failed: {reason}")


class TlsLink(asyncio.BufferedProtocol, asyncio.Transport):
    """One connection: to the socket's transport it is the protocol, to the connection's protocol the transport.

    Args:
        gate: what it shares with others.
    """

    def __init__(self, gate: TlsGate) -> None:
        super().__init__()
        self._gate = gate
        self._loop = asyncio.get_running_loop()
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls: ssl.SSLObject
        self._socket: asyncio.Transport
        self._timer: asyncio.TimerHandle
        self._app: Any = None  # asyncio.Protocol or BufferedProtocol, once the handshake is done
        self._fresh = True
        self._paused = self._closed = False
        self._cut = False  # the socket has ended
        self._ended = False  # all of what the peer has sent was delivered
        self._error: Exception | None = None

    # --- called by the event loop ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake, unless there is no room."""
        self._socket = cast("asyncio.Transport", transport)
        self._tls = self._gate.tls.context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._timer = self._loop.call_later(HANDSHAKE_S_MAX, self._time_out)
        if not self._gate.enter(self):
            self.abort()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """One buffer for all connections; as much of it as the protocol behind would take at once."""
        if isinstance(self._app, asyncio.BufferedProtocol):
            return self._gate.buffer[: len(cast("memoryview", self._app.get_buffer(-1)))]
        return self._gate.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes have come."""
        if self._ended or self._closed:
            return  # it has said before that nothing would come
        data = self._gate.buffer[:nbytes]
        if self._fresh:
            self._fresh = False
            if not CLIENT_HELLO.startswith(bytes(data[:2])):
                if self._gate.takes_plain_text:
                    self._leave_to_plain_text(bytes(data))
                    return
                self._fail_handshake("it sends plain text, and this port speaks TLS only")
                return
        self._incoming.write(data)
        if self._app is not None or self._shake_hands():
            self._deliver()

    def eof_received(self) -> bool:
        """Handle the socket's end, announced in TLS or, as often with devices, not; answers can still be written."""
        if self._app is None:
            return False
        self._cut = True
        self._deliver()
        return True

    def pause_writing(self) -> None:
        """The peer does not read."""
        if self._app is not None:
            self._app.pause_writing()

    def resume_writing(self) -> None:
        """The peer reads again."""
        if self._app is not None:
            self._app.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone; what had come before still counts."""
        self._timer.cancel()
        self._gate.leave(self)
        if self._app is None:
            if not (self._fresh or self._closed):
                self._gate.failed(self.peer, "it hung up")
            self._closed = True
            return
        self._paused = False
        if not self._ended:
            self._deliver()
        self._closed = True
        # In the next turn: bytes that end the handshake may come with the end of the connection, and aiohttp takes
        # it for a fault of its own when it loses one that it was given in the same turn.
        self._loop.call_soon(self._app.connection_lost, self._error or exc)

    # --- the handshake ---

    @property
    def peer(self) -> str:
        """The other end's address."""
        address = self._socket.get_extra_info("peername")
        return address[0] if address else "unknown"

    def _shake_hands(self) -> bool:
        """Go on with it; True when it is done."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return False
        except ssl.SSLError as error:
            self._fail_handshake(reason_of(error))
            return False
        self._timer.cancel()
        self._gate.leave(self)
        self._flush()
        self._app = self._gate.make_protocol()
        self._app.connection_made(self)
        return True

    def _fail_handshake(self, reason: str) -> None:
        self._gate.failed(self.peer, reason)
        self._closed = True
        self._flush()  # the alert for the peer
        self._socket.close()

    def _leave_to_plain_text(self, data: bytes) -> None:
        """Give the connection to its protocol as it is, with what was received; reading is restarted for that."""
        self._timer.cancel()
        self._gate.leave(self)
        protocol = self._gate.make_protocol()
        self._socket.pause_reading()
        self._socket.set_protocol(protocol)
        self._socket.resume_reading()
        protocol.connection_made(self._socket)
        while data and not self._socket.is_closing():
            protocol = self._socket.get_protocol()  # a protocol may hand over to another
            if not isinstance(protocol, asyncio.BufferedProtocol):
                cast("asyncio.Protocol", protocol).data_received(data)
                break
            buffer = memoryview(protocol.get_buffer(-1))
            size = min(len(data), len(buffer))
            buffer[:size], data = data[:size], data[size:]
            protocol.buffer_updated(size)

    def _time_out(self) -> None:
        self._gate.counters.slow_closed += 1
        if self._fresh:
            self._gate.counters.handshakes_failed += 1  # silence is not logged
        else:
            self._gate.failed(self.peer, f"not done within {HANDSHAKE_S_MAX:g} s")
        self.abort()

    # --- plain text to the protocol ---

    def _deliver(self) -> None:
        """Hand on what has come, until there is no more, or the protocol wants a pause."""
        while not (self._paused or self._closed or self._ended):
            buffered = isinstance(self._app, asyncio.BufferedProtocol)  # a protocol may hand over to another
            buffer = self._app.get_buffer(-1) if buffered else self._gate.plain
            size = self._decrypt(buffer)
            if size and buffered:
                self._app.buffer_updated(size)
            elif size:
                self._app.data_received(bytes(buffer[:size]))
            self._follow_end()
            if not size:
                break
        self._flush()  # what TLS itself has to say

    def _follow_end(self) -> None:
        """Act on the end of the peer's bytes, or on an error in them."""
        if self._closed:
            return
        if self._error is not None:
            self._flush()  # the alert for the peer
            self._closed = True
            self._socket.close()
        elif self._ended and not self._app.eof_received():
            self.close()

    def _decrypt(self, buffer: memoryview) -> int:
        """Fill the buffer; returns the number of bytes. Notes the peer's end, and what is wrong with its bytes."""
        filled, size = 0, len(buffer)
        try:
            while filled < size:
                count = self._tls.read(size - filled, cast("Any", buffer[filled:]))
                if not count:
                    self._ended = True
                    break
                filled += cast("int", count)
        except ssl.SSLWantReadError:
            self._ended = self._cut
        except ssl.SSLZeroReturnError:
            self._ended = True
        except ssl.SSLError as error:
            self._error = ConnectionAbortedError(f"TLS: {reason_of(error)}")
        return filled

    def _flush(self) -> None:
        if self._outgoing.pending and not self._socket.is_closing():
            self._socket.write(self._outgoing.read())

    # --- called by the protocol: `asyncio.Transport` ---

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """See `asyncio.WriteTransport`."""
        if self._closed or self._error is not None:
            return
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._tls.write(cast("bytes", rest)) :]
        except ssl.SSLError as error:
            self._error = ConnectionAbortedError(f"TLS: {reason_of(error)}")
            self.abort()
            return
        self._flush()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """See `asyncio.WriteTransport`."""
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        """Say that nothing more will come, and close once it is written."""
        if self._closed:
            return
        self._closed = True
        with suppress(ssl.SSLError):  # it would like to wait for the peer's own farewell
            self._tls.unwrap()
        self._flush()
        self._socket.close()

    def abort(self) -> None:
        """See `asyncio.WriteTransport`."""
        self._closed = True
        self._timer.cancel()
        self._gate.leave(self)
        self._socket.abort()

    def is_closing(self) -> bool:
        """See `asyncio.BaseTransport`."""
        return self._closed or self._socket.is_closing()

    def pause_reading(self) -> None:
        """See `asyncio.ReadTransport`."""
        self._paused = True
        if not self._socket.is_closing():
            self._socket.pause_reading()

    def resume_reading(self) -> None:
        """See `asyncio.ReadTransport`. What was decrypted already comes first, in the loop's next turn."""
        if not self._paused or self._closed:
            return
        self._paused = False
        self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        if self._paused or self._closed:
            return
        self._deliver()
        if not (self._paused or self._socket.is_closing()):
            self._socket.resume_reading()

    def is_reading(self) -> bool:
        """See `asyncio.ReadTransport`."""
        return not (self._paused or self._closed)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """See `asyncio.BaseTransport`; with `sslcontext` and `ssl_object`, as asyncio's own TLS has them."""
        if name == "sslcontext":
            return self._tls.context
        return self._tls if name == "ssl_object" else self._socket.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """See `asyncio.BaseTransport`."""
        self._app = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """See `asyncio.BaseTransport`."""
        return cast("asyncio.BaseProtocol", self._app)

    def get_write_buffer_size(self) -> int:
        """See `asyncio.WriteTransport`."""
        return self._socket.get_write_buffer_size()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """See `asyncio.WriteTransport`."""
        return self._socket.get_write_buffer_limits()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """See `asyncio.WriteTransport`."""
        self._socket.set_write_buffer_limits(high, low)

    def can_write_eof(self) -> bool:
        """See `asyncio.WriteTransport`."""
        return False
