"""PROXY headers, as proxies send them."""

import ipaddress
import struct

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def v1(client: str = "192.0.2.7", port: int = 4711) -> bytes:
    family = "TCP6" if ":" in client else "TCP4"
    server = "2001:db8::1" if ":" in client else "192.0.2.1"
    return f"PROXY {family} {client} {server} {port} 5000\r\n".encode()


def v2(client: str = "192.0.2.7", port: int = 4711, more: bytes = b"") -> bytes:
    source = ipaddress.ip_address(client)
    target = ipaddress.ip_address("::1" if source.version == 6 else "127.0.0.1")
    body = source.packed + target.packed + struct.pack("!HH", port, 5000) + more
    return SIGNATURE + struct.pack("!BBH", 0x21, 0x21 if source.version == 6 else 0x11, len(body)) + body


def local(body: bytes = b"") -> bytes:
    """A proxy's own connection, such as its look whether the server is there."""
    return SIGNATURE + struct.pack("!BBH", 0x20, 0, len(body)) + body
