"""TLS between a socket and a connection's protocol.

asyncio's own TLS closes a connection as soon as its peer says that it sends no more. Here, answers come when the
disk has taken the entries: they would be lost. TLS allows what plain TCP does, so it is done the same way: the
peer's end is told to the protocol, which answers and then closes. (RFC 8446, section 6.1: `close_notify` ends one
direction only.) And asyncio keeps quiet about handshakes that fail, of which an operator has to know.
"""

import asyncio
import ssl
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from logboom.servers.tls_gate import TlsGate

HANDSHAKE_S_MAX: Final = 10.0
"""A device on a bad radio link needs two seconds; whoever takes longer only holds a place."""

CLIENT_HELLO: Final = b"\x16\x03"
"""What every TLS connection begins with: a handshake's record, of a version 3.x."""

_REASONS: Final = {
    "UNSUPPORTED_PROTOCOL": "it offers nothing newer than TLS 1.1",
    "NO_SHARED_CIPHER": "it offers no cipher that is allowed here",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "it shows no client certificate",
    "TLSV1_ALERT_UNKNOWN_CA": "it does not trust this server's certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": "it refuses this server's certificate",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "it refuses this server's certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "to it, this server's certificate has expired",
}
"""What OpenSSL calls it, and what it means to an operator."""


class TlsLink(asyncio.BufferedProtocol, asyncio.Transport):
    """One connection: to the socket's transport it is the protocol, to the connection's protocol the transport.

    Args:
        gate: what it shares with others.
    """

    def __init__(self, gate: "TlsGate") -> None:
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
        if self._app is None and not self._shake_hands():
            return
        self._deliver()

    def eof_received(self) -> bool:
        """The socket's end, with or without the peer having said so in TLS; answers can still be written.

        Devices often leave out the word. What somebody on the way cuts off is an unfinished line at worst.
        """
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
        self._flush()  # the alert, which tells the peer
        self._socket.close()

    def _leave_to_plain_text(self, data: bytes) -> None:
        """Give the connection to its protocol as it is, with what was received; reading is restarted for that."""
        self._timer.cancel()
        self._gate.leave(self)
        protocol = cast("asyncio.BufferedProtocol", self._gate.make_protocol())
        self._socket.pause_reading()
        self._socket.set_protocol(protocol)
        self._socket.resume_reading()
        protocol.connection_made(self._socket)
        while data and not self._socket.is_closing():
            buffer = memoryview(protocol.get_buffer(-1))
            size = min(len(data), len(buffer))
            buffer[:size] = data[:size]
            protocol.buffer_updated(size)
            data = data[size:]

    def _time_out(self) -> None:
        self._gate.counters.slow_closed += 1
        if self._fresh:
            self._gate.counters.handshakes_failed += 1  # silence is nothing to tell
        else:
            self._gate.failed(self.peer, f"not done within {HANDSHAKE_S_MAX:g} s")
        self.abort()

    # --- plain text to the protocol ---

    def _deliver(self) -> None:
        """Hand on what has come, until there is no more, or the protocol wants a pause."""
        buffered = isinstance(self._app, asyncio.BufferedProtocol)
        while not (self._paused or self._closed or self._ended):
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
        """What the last look at the peer's bytes has shown: its end, or garbage."""
        if self._closed:
            return
        if self._error is not None:
            self._flush()  # the alert, which tells the peer
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


def begins_tls(data: memoryview) -> bool:
    """Whether a connection's first bytes are TLS. No line and no frame of ours begins like that."""
    return bytes(data[:2]) == CLIENT_HELLO


def reason_of(error: ssl.SSLError) -> str:
    """What is wrong, in few words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    name = error.reason or type(error).__name__
    return _REASONS.get(name, name.lower().replace("_", " "))


def client_name(transport: asyncio.BaseTransport) -> str:
    """The common name of the client's certificate; empty: it has shown none."""
    tls = transport.get_extra_info("ssl_object")
    certificate = tls.getpeercert() if tls is not None else None
    subject = (certificate or {}).get("subject", ())
    return next((value for part in subject for key, value in part if key == "commonName"), "")
