"""The addresses at which a browser finds the page of a listener, for the line at the start."""

import socket
from typing import Final

from logboom.settings import ListenerSettings

_ANY: Final = frozenset({"", "*", "0.0.0.0", "::"})
_FAR_AWAY: Final = ("198.51.100.1", 9)
"""An address for documentation (RFC 5737): the system's choice of a way there is looked up, nothing is sent."""


def page_urls(settings: ListenerSettings, port: int) -> list[str]:
    """The URLs of a listener's page; for one that is bound to every address, one for here and one for elsewhere.

    Args:
        settings: of the listener.
        port: the port that is bound.
    """
    scheme = "https" if settings.tls_cert else "http"
    hosts: list[str] = []
    for host in (part.strip().strip("[]") for part in settings.host.split(",")):
        hosts += ["127.0.0.1", outer_address()] if host in _ANY else [host]
    return [f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/" for host in dict.fromkeys(hosts)]


def outer_address() -> str:
    """This machine's address as others see it; its name where it has no network."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(_FAR_AWAY)
            return str(probe.getsockname()[0])
    except OSError:
        return socket.gethostname()
