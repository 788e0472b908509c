"""`syslog`: RFC 5424, RFC 3164 and what devices really send. Contract: docs/contracts/syslog.md."""

from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from msgspec import Meta

from logboom.formats.asked_times import zone_of
from logboom.model import DatagramProtocol, WireProtocol
from logboom.receivers.base import Endpoint, ReceiverType, Refusal, Transport
from logboom.receivers.datagram_settings import check_transport
from logboom.receivers.syslog.protocol import MESSAGE_BYTES_MAX, SyslogProtocol
from logboom.receivers.syslog.syslog_udp import SyslogDatagrams
from logboom.settings import LineBytes, TcpSettings

PORT: Final = 514

Zone = Annotated[
    str,
    Meta(
        description="Time zone of times that name none (RFC 3164), such as `Europe/Berlin` or `+02:00`; "
        "`local` is that of this machine."
    ),
]


class SyslogSettings(TcpSettings, kw_only=True, forbid_unknown_fields=True):
    """`[listeners.NAME]` with `protocol = "syslog"`."""

    transport: Annotated[
        Literal["tcp", "udp"],
        Meta(description="`tcp`, with `tls_cert` TLS, or `udp`; each needs a listener of its own."),
    ] = "tcp"
    line_bytes_max: LineBytes = MESSAGE_BYTES_MAX
    zone: Zone = "UTC"

    def __post_init__(self) -> None:
        super().__post_init__()
        zone_of(self.zone)
        check_transport(self, self.transport)


def now() -> float:
    """Return the current time, seconds since the epoch."""
    return datetime.now(UTC).timestamp()


def _make(settings: SyslogSettings) -> WireProtocol:
    return SyslogProtocol(now, zone_of(settings.zone), line_bytes_max=settings.line_bytes_max)


def _make_datagrams(settings: SyslogSettings) -> DatagramProtocol:
    return SyslogDatagrams(now, zone_of(settings.zone), line_bytes_max=settings.line_bytes_max)


RECEIVER: Final = ReceiverType(
    name="syslog",
    summary="Syslog of RFC 5424 and RFC 3164, never answered",
    settings=SyslogSettings,
    transports={Transport.TCP: Endpoint(PORT, _make), Transport.UDP: Endpoint(PORT, _make_datagrams)},
    refusal=Refusal.HOLD,
)
