"""The PROXY header is read to its last byte, and no further."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logboom.servers.proxy_header import V1_BYTES_MAX, V2_BYTES_MAX, HeaderError, bytes_wanted, client_of
from tests.kit.proxy_kit import SIGNATURE, local, v1, v2

BEHIND = b'{"boot_seq":1,"uptime_ms":1}\n'


def read(stream: bytes) -> tuple[tuple[str, int] | None, bytes]:
    """The client, and what is left of the stream."""
    header = b""
    while wanted := bytes_wanted(header):
        assert stream, "the header has no end"
        header, stream = header + stream[:wanted], stream[wanted:]
    return client_of(header), stream


@pytest.mark.parametrize(
    ("header", "client"),
    [
        (v1(), ("192.0.2.7", 4711)),
        (v1("2001:db8::7"), ("2001:db8::7", 4711)),
        (v1("2001:0DB8:0:0::7"), ("2001:db8::7", 4711)),
        (v1("::ffff:192.0.2.7"), ("192.0.2.7", 4711)),
        (b"PROXY TCP6 :: :: 0 65535\r\n", ("::", 0)),
        (b"PROXY UNKNOWN\r\n", None),
        (b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", None),
        (v2(), ("192.0.2.7", 4711)),
        (v2("2001:db8::7"), ("2001:db8::7", 4711)),
        (v2("::ffff:192.0.2.7"), ("192.0.2.7", 4711)),
        (v2(more=b"\x01\x00\x02h2" + bytes(500)), ("192.0.2.7", 4711)),
        (local(), None),
        (local(bytes(12)), None),
        (SIGNATURE + b"\x21\x00\x00\x00", None),
        (SIGNATURE + b"\x21\x31\x00\xd8" + bytes(216), None),
    ],
)
def test_the_client_is_the_one_that_the_proxy_names(header: bytes, client: tuple[str, int] | None) -> None:
    assert read(header + BEHIND) == (client, BEHIND)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (BEHIND, "does not begin with"),
        (b"GET / HTTP/1.1\r\n", "does not begin with"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03AAAA", "does not begin with"),
        (b"proxy TCP4 1.1.1.1 2.2.2.2 1 1\r\n", "does not begin with"),
        (b"PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n", "can't be read"),
        (b"PROXY TCP4 1.1.1.1  2.2.2.2 1 1\r\n", "can't be read"),
        (b"PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n", "can't be read"),
        (b"PROXY TCP4 1.1.1.1 2.2.2.2 -1 1\r\n", "can't be read"),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 ² 1\r\n".encode(), "can't be read"),
        (b"PROXY TCP4 1.1.1 2.2.2.2 1 1\r\n", "can't be read"),
        (b"PROXY TCP4 ::1 ::1 1 1\r\n", "can't be read"),
        (b"PROXY TCP6 fe80::1%eth0 ::1 1 1\r\n", "can't be read"),
        (b"PROXY UDP4 1.1.1.1 2.2.2.2 1 1\r\n", "can't be read"),
        (b"PROXY UNKNOWNx\r\n", "can't be read"),
        (b"PROXY TCP4 " + b"1" * 200, f"more than {V1_BYTES_MAX} bytes"),
        (SIGNATURE + b"\x11\x11\x00\x0c" + bytes(12), "unknown version or command"),
        (SIGNATURE + b"\x22\x11\x00\x0c" + bytes(12), "unknown version or command"),
        (SIGNATURE + b"\x21\x12\x00\x0c" + bytes(12), "for datagrams"),
        (SIGNATURE + b"\x21\x11\x00\x0b" + bytes(11), "too short for its addresses"),
        (SIGNATURE + b"\x21\x21\x00\x0c" + bytes(12), "too short for its addresses"),
        (SIGNATURE + struct.pack("!BBH", 0x21, 0x11, V2_BYTES_MAX), f"the limit is {V2_BYTES_MAX}"),
    ],
)
def test_what_is_no_header_is_refused(header: bytes, reason: str) -> None:
    with pytest.raises(HeaderError, match=reason):
        read(header)


@given(
    st.binary(max_size=300), st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"!"])
)
def test_nothing_that_comes_raises_anything_else(rest: bytes, begin: bytes) -> None:
    stream = begin + rest + b"\r\n" * 60
    try:
        _, left = read(stream + bytes(V2_BYTES_MAX))
    except HeaderError:
        return
    assert (stream + bytes(V2_BYTES_MAX)).endswith(left)
