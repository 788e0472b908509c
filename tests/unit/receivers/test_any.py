"""docs/contracts/any.md: the first bytes decide, however they are split."""

from pathlib import Path

import msgspec
import pytest

from logboom.model import WireProtocol
from logboom.receivers.any import RECEIVER
from logboom.receivers.any.detection import detected
from logboom.receivers.base import Transport
from logboom.testing.protocol_kit import check_protocol

CAPTURES = Path(__file__).parents[2] / "captures"
FIRST = {
    b'{"boot_seq":1,"uptime_ms":2,"msg":"x"}\n': "device",
    b' {"time":"t","temp":1,"rh":2,"lux":3}': "gateway",
    b'{"level":"INFO","message":"m"}\n': "collector",
    b'{"version":"1.1","host":"a","short_message":"m"}\0': "gelf",
    b"{nope\n{}": "collector",
    b"\0\0\0\x20\x1f\x8b\x08": "collector",
    b"\0\0\0\x14\x10\x12": "capnp",
    b"\0\0\0\0": "capnp",
    b"<34>1 2026-11-21T04:12:09Z pi pumps - - - m\n": "syslog",
    b"17 <34>Nov 21 04:12:09": "syslog",
    b"\x78\x5e\x00": "syslog",
    b"1 open 85 relp_version=0\n": "relp",
    b"\n1 open 5 a": "relp",
    b"2W\0\0\0\1": "beats",
    b"1W\0\0\0\1": "beats",
    b"\x93\xa3app\x01\x80": "forward",
    b'["app",1,{}]': "forward",
    b"GET / HTTP/1.1\r\n": "",
    b"\x16\x03\x01": "",
    b"Nov 21 04:12:09 pi m": "",
    b"AB": "",
}


def make() -> WireProtocol:
    settings = msgspec.convert({"protocol": "any", "port": 0}, RECEIVER.settings)
    protocol: WireProtocol = RECEIVER.transports[Transport.TCP].make(settings)
    return protocol


@pytest.mark.parametrize(("first", "name"), FIRST.items())
def test_the_first_bytes_decide_however_many_have_come(first: bytes, name: str) -> None:
    found = [detected(first[:size], eof=size == len(first)) for size in range(1, len(first) + 1)]
    assert {one for one in found if one is not None} == {name}


@pytest.mark.parametrize(
    ("name", "entries", "reply"),
    [
        ("forward/docker-fluentd-ack.bin", 4, b"\x81\xa3ack"),
        ("fluentbit/forward-gzip.c1.bin", 2, b"\x81\xa3ack"),
        ("beats/go-lumber.bin", 4, b"2A"),
        ("relp/rsyslog-omrelp.bin", 3, b"1 rsp"),
        ("syslog/rsyslog-tcp-octet.bin", 3, b""),
        ("gelf/docker-tcp.bin", None, b""),
    ],
)
def test_real_clients_are_understood(name: str, entries: int | None, reply: bytes) -> None:
    path = CAPTURES / name
    if not path.exists():
        pytest.skip(f"{name} is not recorded here")
    outcome = check_protocol(make, path.read_bytes())
    assert not outcome.fatal
    assert len(outcome.entries) == entries if entries is not None else outcome.entries
    assert outcome.replies.startswith(reply)


def test_a_device_gets_its_acknowledgement() -> None:
    assert check_protocol(make, b'{"boot_seq":1,"uptime_ms":2,"msg":"x"}\n').replies == b'{"ack":1}\n'


def test_other_bytes_end_the_connection_with_a_list_of_what_is_understood() -> None:
    protocol = make()
    protocol.receive_data(b"\xff\xfe")
    assert protocol.next_batch() is None
    assert protocol.fatal == (
        r"begins with b'\xff\xfe', which is none of "
        "device, gateway, collector, capnp, syslog, relp, gelf, forward, beats, http"
    )
