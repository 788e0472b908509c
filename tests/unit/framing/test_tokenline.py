"""The first line of a connection that must say who it is."""

import pytest

from logboom.framing.tokenline import LINE_BYTES_MAX, TokenLine
from logboom.receivers.device.protocol import DeviceProtocol
from logboom.testing.protocol_kit import check_protocol, run_protocol

LINE = b'{"boot_seq":3,"uptime_ms":1,"msg":"x"}\n'


def make() -> TokenLine:
    inner = DeviceProtocol()
    return TokenLine(inner, lambda token: None if token == "good" else "a wrong token")


@pytest.mark.parametrize("first", [b"AUTH good\n", b"AUTH good\r\n", b"AUTH  good \n"])
def test_what_follows_a_good_token_is_the_protocol(first: bytes) -> None:
    outcome = check_protocol(make, first + LINE * 2)
    assert outcome.entries == [LINE.strip()] * 2
    assert outcome.replies == b'{"ack":1}\n' * 2
    assert not outcome.fatal


@pytest.mark.parametrize(
    "data",
    [
        b"AUTH bad\n" + LINE,
        b"AUTH \n" + LINE,
        LINE,
        b"auth good\n" + LINE,
        b"\n" + LINE,
        b"A" * 10_000,
        b"AUTH " + b"x" * LINE_BYTES_MAX + b"\n" + LINE,
        b"\x00\x00\x00\x05hello",
        b"AUTH \xff\xfe\n" + LINE,
    ],
)
def test_anything_else_stores_nothing_and_ends_the_connection(data: bytes) -> None:
    outcome = check_protocol(make, data)
    assert outcome.entries == []
    assert outcome.replies == b""
    assert outcome.fatal


def test_who_says_nothing_is_not_judged() -> None:
    assert not run_protocol(make, [b"AUTH go"]).fatal
    assert not run_protocol(make, []).fatal


def test_a_peer_that_never_ends_its_line_takes_no_memory() -> None:
    protocol = make()
    for _ in range(100):
        protocol.receive_data(b"AUTH " + b"x" * 1000)
    assert protocol.buffered_bytes() < 2 * LINE_BYTES_MAX
