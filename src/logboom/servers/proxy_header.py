"""The PROXY protocol's header, versions 1 and 2: the client that a proxy connects for. Pure.

Source: https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt
"""

import struct
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from typing import Final

SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
"""The first bytes of version 2."""

V1_BYTES_MAX: Final = 107
"""The longest line of version 1, with its end."""

V2_BYTES_MAX: Final = 4096
"""The longest header of version 2: addresses of 52 bytes, and extensions, such as the name in a certificate."""

_BEGIN: Final = b"PROXY "
_UNKNOWN: Final = b"PROXY UNKNOWN"
_FIRST_BYTES: Final = 15
"""No header is shorter."""
_V2_HEAD: Final = struct.Struct("!12sBBH")
_VERSION, _LOCAL, _PROXY = 0x20, 0, 1
_TCP4, _TCP6 = 0x11, 0x21
_FAMILIES: Final[dict[str, Callable[[str], IPv4Address | IPv6Address]]] = {
    "TCP4": IPv4Address,
    "TCP6": IPv6Address,
}
_ADDRESS_BYTES: Final = {_TCP4: 12, _TCP6: 36}
_DATAGRAM: Final = 2
_PORT_MAX: Final = 65535

Client = tuple[str, int] | None
"""Address and port of the client; None: the proxy connects for itself, or does not know."""


class HeaderError(ValueError):
    """The bytes are no header; the text gives the reason."""


def bytes_wanted(header: bytes) -> int:
    """Return how many more bytes surely belong to the header; 0: it is complete.

    Args:
        header: what has come so far.

    Raises:
        HeaderError: it is none, or too long.
    """
    beginning = header[: len(SIGNATURE)]
    if not (SIGNATURE.startswith(beginning) or _BEGIN.startswith(header[: len(_BEGIN)])):
        raise HeaderError("it does not begin with a PROXY header")
    if len(header) < _FIRST_BYTES:
        return _FIRST_BYTES - len(header)
    return _v2_wanted(header) if beginning == SIGNATURE else _v1_wanted(header)


def _v1_wanted(header: bytes) -> int:
    if header.endswith(b"\r\n"):
        return 0
    if len(header) >= V1_BYTES_MAX:
        raise HeaderError(f"its PROXY line has more than {V1_BYTES_MAX} bytes")
    return 1  # its end is known only when it is there


def _v2_wanted(header: bytes) -> int:
    if len(header) < _V2_HEAD.size:
        return _V2_HEAD.size - len(header)
    size = _V2_HEAD.size + int(_V2_HEAD.unpack_from(header)[3])
    if size > V2_BYTES_MAX:
        raise HeaderError(f"its PROXY header has {size} bytes, the limit is {V2_BYTES_MAX}")
    return size - len(header)


def client_of(header: bytes) -> Client:
    """The client that a complete header names. Raises `HeaderError`."""
    return _v2_client(header) if header.startswith(SIGNATURE) else _v1_client(header)


def _v1_client(header: bytes) -> Client:
    line = header.removesuffix(b"\r\n")
    if line == _UNKNOWN or line.startswith(_UNKNOWN + b" "):
        return None
    try:
        _, family, source, target, port, target_port = line.decode("ascii").split(" ")
        make = _FAMILIES[family]
        make(target)
        _port(target_port)
        return _shown(make(source)), _port(port)
    except (ValueError, KeyError):
        raise HeaderError(f"its PROXY line can't be read: {line[:V1_BYTES_MAX]!r}") from None


def _port(text: str) -> int:
    if not (text.isdecimal() and text.isascii() and int(text) <= _PORT_MAX):
        raise ValueError(text)
    return int(text)


def _v2_client(header: bytes) -> Client:
    _, version, family, _ = _V2_HEAD.unpack_from(header)
    if version not in (_VERSION | _LOCAL, _VERSION | _PROXY):
        raise HeaderError(f"its PROXY header has an unknown version or command: {version:#x}")
    if version == _VERSION | _LOCAL:
        return None
    if family & 0xF == _DATAGRAM:
        raise HeaderError("its PROXY header is for datagrams")
    size = _ADDRESS_BYTES.get(family)
    if size is None:  # a Unix socket, or a family of the future
        return None
    addresses = header[_V2_HEAD.size : _V2_HEAD.size + size]
    if len(addresses) < size:
        raise HeaderError("its PROXY header is too short for its addresses")
    if family == _TCP4:
        return _shown(IPv4Address(addresses[:4])), int.from_bytes(addresses[8:10], "big")
    return _shown(IPv6Address(addresses[:16])), int.from_bytes(addresses[32:34], "big")


def _shown(address: IPv4Address | IPv6Address) -> str:
    """One spelling per client: limits count by it."""
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            raise ValueError(str(address))
        return str(address.ipv4_mapped or address)
    return str(address)
