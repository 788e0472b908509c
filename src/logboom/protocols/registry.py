"""Every protocol that a TCP listener can speak: the one place to register a new one."""

from collections.abc import Callable
from typing import Final

from logboom.model import WireProtocol
from logboom.protocols.collector import CollectorProtocol
from logboom.protocols.device import DeviceProtocol
from logboom.protocols.gateway import GatewayProtocol

PROTOCOLS: Final[dict[str, Callable[..., WireProtocol]]] = {
    "device": DeviceProtocol,
    "gateway": GatewayProtocol,
    "collector": CollectorProtocol,
}
"""Each is called with `line_bytes_max=` once a connection."""
