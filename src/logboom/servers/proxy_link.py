"""Connections that come through a proxy: its PROXY header is read, and then the client's address takes its place."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final, cast

from logboom.model import Report
from logboom.pipeline.door import Networks, Refused
from logboom.pipeline.intake import Counters, Limit
from logboom.servers.complaints import Complaints
from logboom.servers.proxy_header import HeaderError, bytes_wanted, client_of

HEADER_S_MAX: Final = 10.0
"""A proxy sends the header at once; a connection without one only takes a place."""


class ProxyGate:
    """The state that the connections through proxies of one listener share.

    Args:
        name: of the listener.
        make_protocol: makes the protocol behind the header.
        room: how many more connections may be open now; those whose header is awaited count, too.
        counters: of the listener.
        report: of headers that are wrong or missing.
    """

    def __init__(
        self,
        name: str,
        make_protocol: Callable[[], asyncio.BaseProtocol],
        *,
        room: Callable[[], int],
        counters: Counters,
        report: Report,
    ) -> None:
        self.make_protocol = make_protocol
        self.proxies = Networks(())
        """The networks whose connections begin with a header."""
        self.counters = counters
        self.failures = Complaints(name, report, "connections from proxies had no good PROXY header")
        self._room = room
        self._waiting: set[ProxyLink] = set()

    def __call__(self) -> "ProxyLink":
        """The protocol of a new socket."""
        return ProxyLink(self)

    def enter(self, link: "ProxyLink") -> bool:
        """Return whether there is room for another connection whose header is to come."""
        if len(self._waiting) >= self._room():
            self.counters.turned_away(Refused.FULL)
            return False
        self._waiting.add(link)
        self.counters.shaking += 1
        return True

    def leave(self, link: "ProxyLink") -> None:
        """A header has come, or will not. Idempotent."""
        if link in self._waiting:
            self._waiting.discard(link)
            self.counters.shaking -= 1

    def failed(self, proxy: str, reason: str) -> None:
        """Count a connection without a good header, and report it, unless there are too many."""
        self.counters.limit_reached(Limit.PROXY_HEADER)
        self.failures.tell(f"{proxy}: {reason}; closed")

    def stop(self) -> None:
        """Drop those whose header has not come. Idempotent."""
        for link in list(self._waiting):
            link.abort()


class ProxyLink(asyncio.BufferedProtocol):
    """Reads one connection's header to its last byte and no further, then leaves the connection to its protocol.

    Args:
        gate: what it shares with others.
    """

    def __init__(self, gate: ProxyGate) -> None:
        self._gate = gate
        self._header = bytearray()
        self._buffer = bytearray()
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the header, where the connection comes from a proxy."""
        self._transport = cast("asyncio.Transport", transport)
        if not self._gate.proxies.have(self._peer):
            self._hand_over(self._transport)
        elif self._gate.enter(self):
            self._timer = asyncio.get_running_loop().call_later(HEADER_S_MAX, self._time_out)
        else:
            self._transport.abort()

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002 - asyncio's signature
        """Room for bytes that surely belong to the header: what comes behind it is not for this reader."""
        self._buffer = bytearray(bytes_wanted(bytes(self._header)) or 1)
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Some of the header has come."""
        if self._transport.is_closing():
            return
        self._header += self._buffer[:nbytes]
        try:
            if bytes_wanted(bytes(self._header)):
                return
            client = client_of(bytes(self._header))
        except HeaderError as error:
            self._gate.failed(self._peer, str(error))
            self.abort()
            return
        self._done()
        if client is None:  # the proxy's own connection, such as its health check
            self._hand_over(self._transport)
        else:
            self._hand_over(ProxiedTransport(self._transport, client))

    def eof_received(self) -> bool:
        """The connection ends without a header, as a proxy's look at the port does."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """It is gone."""
        self._done()

    def abort(self) -> None:
        """End the connection at once."""
        self._done()
        self._transport.abort()

    @property
    def _peer(self) -> str:
        address = self._transport.get_extra_info("peername")
        return address[0] if address else "unknown"

    def _hand_over(self, transport: asyncio.Transport) -> None:
        """Give the connection to its protocol; reading is restarted, since the protocol may read in another way."""
        protocol = self._gate.make_protocol()
        if self._timer is not None:
            self._transport.pause_reading()
        self._transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if self._timer is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def _time_out(self) -> None:
        self._gate.counters.slow_closed += 1
        self._gate.failed(self._peer, f"no PROXY header came within {HEADER_S_MAX:g} s")
        self.abort()

    def _done(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._gate.leave(self)


class ProxiedTransport(asyncio.Transport):
    """A connection's transport, but for the address of its other end.

    Args:
        transport: of the connection from the proxy.
        client: address and port of the client that the proxy connects for.
    """

    def __init__(self, transport: asyncio.Transport, client: tuple[str, int]) -> None:
        super().__init__()
        self._transport = transport
        self._client = client

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """See `asyncio.BaseTransport`; `proxy` is the address of the proxy."""
        if name == "peername":
            return self._client
        return self._transport.get_extra_info("peername" if name == "proxy" else name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """See `asyncio.WriteTransport`."""
        self._transport.write(data)

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """See `asyncio.WriteTransport`."""
        self._transport.writelines(list_of_data)

    def write_eof(self) -> None:
        """See `asyncio.WriteTransport`."""
        self._transport.write_eof()

    def can_write_eof(self) -> bool:
        """See `asyncio.WriteTransport`."""
        return self._transport.can_write_eof()

    def close(self) -> None:
        """See `asyncio.BaseTransport`."""
        self._transport.close()

    def abort(self) -> None:
        """See `asyncio.WriteTransport`."""
        self._transport.abort()

    def is_closing(self) -> bool:
        """See `asyncio.BaseTransport`."""
        return self._transport.is_closing()

    def pause_reading(self) -> None:
        """See `asyncio.ReadTransport`."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """See `asyncio.ReadTransport`."""
        self._transport.resume_reading()

    def is_reading(self) -> bool:
        """See `asyncio.ReadTransport`."""
        return self._transport.is_reading()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """See `asyncio.BaseTransport`."""
        self._transport.set_protocol(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """See `asyncio.BaseTransport`."""
        return self._transport.get_protocol()

    def get_write_buffer_size(self) -> int:
        """See `asyncio.WriteTransport`."""
        return self._transport.get_write_buffer_size()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """See `asyncio.WriteTransport`."""
        return self._transport.get_write_buffer_limits()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """See `asyncio.WriteTransport`."""
        self._transport.set_write_buffer_limits(high, low)
