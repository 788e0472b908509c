"""The bound sockets of a listener: those that the service manager has passed, or new ones."""

import errno
import socket
from collections.abc import Callable, Iterable
from typing import Final

from logboom.errors import ListenerError
from logboom.ops.systemd import passed_sockets

KEEPALIVE_IDLE_S: Final = 60
KEEPALIVE_INTERVAL_S: Final = 15
KEEPALIVE_PROBES: Final = 4
"""A peer that has vanished is noticed after two minutes."""

_PRIVILEGED: Final = "Ports below 1024 need a privilege, or a socket unit of systemd. "


def bound_sockets(
    name: str, host: str, port: int, kind: socket.SocketKind = socket.SOCK_STREAM
) -> list[socket.socket]:
    """Return the sockets of a listener: those that the service manager has bound to its port, else new ones.

    Args:
        name: of the listener, for errors.
        host: address, `*`, or several addresses; those of passed sockets count instead.
        port: 0: the system chooses one.
        kind: `SOCK_STREAM` or `SOCK_DGRAM`.

    Raises:
        ListenerError: an address can't be bound; the text has the address, the reason, and what to do.
    """
    sockets = [_taken(name, one) for one in passed_sockets() if one.type == kind and _port(one) == port != 0]
    if not sockets:
        try:
            for address in expand_hosts(host):
                sockets.append(bind(name, address, _port(sockets[0]) if sockets else port, kind))
        except ListenerError:
            for one in sockets:
                one.close()
            raise
    return sockets


def report_unused(ports: Iterable[Iterable[int]], warn: Callable[[str], object]) -> None:
    """Warn of each socket of the service manager whose port is none of `ports`, those of the listeners."""
    used = {port for some in ports for port in some}
    for one in passed_sockets():
        if _port(one) not in used:
            warn(f"systemd has bound {shown_address(one)}, and no listener has that port")


def _taken(name: str, passed: socket.socket) -> socket.socket:
    """Return a copy of a passed socket, which stays open for a restart of the listener."""
    if passed.family == socket.AF_INET6 and not passed.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY):
        raise ListenerError(
            f"listener {name}: the socket of systemd for port {_port(passed)} takes IPv4 over IPv6, which hides "
            "the addresses of senders: set BindIPv6Only=ipv6-only, and list the addresses 0.0.0.0 and [::]"
        )
    found = passed.dup()
    found.setblocking(False)  # noqa: FBT003 - its only argument
    return found


def _port(bound: socket.socket) -> int:
    number: int = bound.getsockname()[1]
    return number


def shown_address(bound: socket.socket) -> str:
    """Return the address of a bound socket for the log."""
    return format_address(*bound.getsockname()[:2])


def expand_hosts(host: str) -> list[str]:
    """The addresses that a configured host stands for; those of IPv6 only where the machine has it."""
    if host == "*":
        return ["0.0.0.0", *_if_there("::")]
    found: list[str] = []
    for part in host.split(","):
        one = part.strip().strip("[]")
        found += ["127.0.0.1", *_if_there("::1")] if one == "localhost" else [one]
    return list(dict.fromkeys(found))


def _if_there(host: str) -> list[str]:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind((host, 0))
    except OSError:
        return []
    return [host]


def format_address(host: str, port: int) -> str:
    """`host:port`, with brackets around IPv6."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def bind(name: str, host: str, port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """Return a bound socket, whose options its connections inherit. Raises ListenerError."""
    try:
        family, _, number, _, address = socket.getaddrinfo(host, port, type=kind, flags=socket.AI_PASSIVE)[0]
        bound = socket.socket(family, kind, number)
    except OSError as error:
        raise ListenerError(f"listener {name}: can't use the address {host!r}: {error.strerror}") from error
    bound.setblocking(False)  # noqa: FBT003 - its only argument
    if kind == socket.SOCK_STREAM:
        _keep_alive(bound)
    if family == socket.AF_INET6:
        bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    try:
        bound.bind(address)
    except OSError as error:
        bound.close()
        where = format_address(host, port) + ("/udp" if kind == socket.SOCK_DGRAM else "")
        hint = _PRIVILEGED if error.errno == errno.EACCES else ""
        raise ListenerError(
            f"listener {name}: can't listen on {where}: {error.strerror}. {hint}"
            f"Choose another with --listen {name}=HOST:PORT, or leave it out with --only"
        ) from error
    return bound


def _keep_alive(bound: socket.socket) -> None:
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        ("TCP_KEEPIDLE", KEEPALIVE_IDLE_S),
        ("TCP_KEEPINTVL", KEEPALIVE_INTERVAL_S),
        ("TCP_KEEPCNT", KEEPALIVE_PROBES),
    ):
        if hasattr(socket, option):
            bound.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
