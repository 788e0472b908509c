"""Every protocol that a TCP listener can speak: the one place to register a new one."""

from collections.abc import Callable
from typing import Final

from logboom.model import WireProtocol
from logboom.protocols.capnp import CapnpProtocol
from logboom.protocols.collector import CollectorProtocol
from logboom.protocols.device import DeviceProtocol
from logboom.protocols.gateway import GatewayProtocol
from logboom.settings import ListenerSettings

PROTOCOLS: Final[dict[str, Callable[[ListenerSettings], WireProtocol]]] = {
    "device": lambda settings: DeviceProtocol(line_bytes_max=settings.line_bytes_max),
    "gateway": lambda settings: GatewayProtocol(line_bytes_max=settings.line_bytes_max),
    "collector": lambda settings: CollectorProtocol(
        line_bytes_max=settings.line_bytes_max, frame_bytes_max=settings.frame_bytes_max
    ),
    "capnp": lambda settings: CapnpProtocol(frame_bytes_max=settings.frame_bytes_max),
}
"""Makes the protocol of a new connection."""
