"""Who has come to the wrong port."""

import pytest

from logboom.servers.strangers import HEAD_BYTES_MAX, stranger

POST = b"POST / HTTP/1.1\r\nHost: x:5000\r\n"
CURL = b"User-Agent: curl/8\r\nAccept: */*\r\n"


@pytest.mark.parametrize(
    ("sent", "speaks"),
    [
        (POST + b"Origin: http://evil.example\r\n", "HTTP"),
        (POST + b"origin: null\r\n\r\n{}", "HTTP"),
        (POST + b"User-Agent: Mozilla/5.0 (X11)\r\n", "HTTP"),
        (POST + CURL + b"Accept-Language: de\r\n", "HTTP"),
        (b"GET /x?y HTTP/1.1\r\nSec-Fetch-Mode: no-cors\r\n", "HTTP"),
        (b"OPTIONS /x HTTP/1.1\nReferer: http://evil.example/\n", "HTTP"),
        (b"POST /" + b"a" * HEAD_BYTES_MAX, "HTTP"),
        (POST + b"X: " + b"a" * HEAD_BYTES_MAX, "HTTP"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP"),
        (b"\x16\x03\x01\x02\x00\x01", "TLS"),
        (POST + CURL + b"\r\nOrigin: http://evil.example\r\n", ""),
        (b"GET / HTTP/1.1\r\n\r\n", ""),
        (b"GET / HTTP/1.1\r\nGET / HTTP/1.1\r\n", ""),
        (b'GET / HTTP/1.1\n{"boot_seq":1}\n', ""),
        (b"GET /started\n", ""),
        (b'{"message":"POST / HTTP/1.1"}\n', ""),
        (b"AUTH lb_0123456789\n", ""),
        (b"GETTING / started", ""),
        (b"POSTED", ""),
        (b"\n{}", ""),
        (b"\x00\x00\x01\x00", ""),
        (POST + CURL, None),
        (POST + b"Orig", None),
        (b"POST ", None),
        (b"P", None),
        (b"\x16", None),
    ],
)
def test_the_first_bytes_tell(sent: bytes, speaks: str | None) -> None:
    assert stranger(sent) == speaks
    decided = [stranger(sent[:length]) for length in range(1, min(len(sent), HEAD_BYTES_MAX) + 1)]
    assert decided[-1] == speaks
    assert set(decided) <= {None, speaks}
