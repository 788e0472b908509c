"""Who has come to the wrong port."""

import pytest

from logboom.servers.strangers import FIRST_BYTES, stranger


@pytest.mark.parametrize(
    ("sent", "speaks"),
    [
        (b"POST / HTTP/1.1\r\n", "HTTP"),
        (b"GET /x?y HTTP/1.1\r\n", "HTTP"),
        (b"OPTIONS /x HTTP/1.1\r\n", "HTTP"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP"),
        (b"\x16\x03\x01\x02\x00\x01", "TLS"),
        (b'{"message":"POST / HTTP/1.1"}\n', ""),
        (b"AUTH lb_0123456789\n", ""),
        (b"GETTING / started", ""),
        (b"POSTED", ""),
        (b"\n{}", ""),
        (b"\x00\x00\x01\x00", ""),
        (b"POST ", None),
        (b"P", None),
        (b"\x16", None),
    ],
)
def test_the_first_bytes_tell(sent: bytes, speaks: str | None) -> None:
    assert stranger(sent) == speaks
    decided = [stranger(sent[:length]) for length in range(1, min(len(sent), FIRST_BYTES) + 1)]
    assert decided[-1] == speaks
    assert set(decided) <= {None, speaks}
