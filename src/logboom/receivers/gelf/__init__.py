"""`gelf`: Graylog's log format over UDP, TCP and HTTP. Contract: docs/contracts/gelf.md."""

from collections.abc import Sequence
from typing import Annotated, Final, Literal

from msgspec import Meta

from logboom.model import DatagramProtocol, WireProtocol
from logboom.receivers.base import Endpoint, ReceiverType, Refusal, Transport
from logboom.receivers.datagram_settings import check_transport
from logboom.receivers.gelf.gelf_packets import GelfDatagrams
from logboom.receivers.gelf.protocol import GelfBody, GelfProtocol
from logboom.receivers.http_push import HttpRequest, HttpRoute
from logboom.settings import LineBytes, TcpSettings

PORT: Final = 12201
MESSAGE_BYTES_MAX: Final = 256 << 10
"""Longest message by default: 128 chunks of 1420 bytes, and room for what is packed."""


class GelfSettings(TcpSettings, kw_only=True, forbid_unknown_fields=True):
    """`[listeners.NAME]` with `protocol = "gelf"`."""

    transport: Annotated[
        Literal["tcp", "udp", "http"],
        Meta(description="`tcp`, with `tls_cert` TLS, `udp` or `http`; each needs a listener of its own."),
    ] = "tcp"
    line_bytes_max: LineBytes = MESSAGE_BYTES_MAX

    def __post_init__(self) -> None:
        super().__post_init__()
        check_transport(self, self.transport)


def _make(settings: GelfSettings) -> WireProtocol:
    return GelfProtocol(line_bytes_max=settings.line_bytes_max)


def _make_datagrams(settings: GelfSettings) -> DatagramProtocol:
    return GelfDatagrams(settings.line_bytes_max)


def _body(request: HttpRequest, settings: GelfSettings) -> GelfBody:
    return GelfBody(request, settings.line_bytes_max)


def _make_routes(_settings: GelfSettings) -> Sequence[HttpRoute]:
    return [HttpRoute("POST", "/gelf", _body)]


RECEIVER: Final = ReceiverType(
    name="gelf",
    summary="Graylog's log format over UDP, TCP and HTTP",
    settings=GelfSettings,
    transports={
        Transport.TCP: Endpoint(PORT, _make),
        Transport.UDP: Endpoint(PORT, _make_datagrams),
        Transport.HTTP: Endpoint(PORT, _make_routes),
    },
    refusal=Refusal.HOLD,
)
