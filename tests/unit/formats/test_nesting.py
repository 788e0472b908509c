"""The bound on nesting is the same on every interpreter, and the same for one line and for many."""

import json

import pytest

from logboom.formats.nesting import NESTING_MAX, is_too_deep
from logboom.model import Verdict
from logboom.receivers.collector.protocol import CollectorProtocol
from logboom.receivers.device.protocol import DeviceProtocol
from logboom.receivers.gateway.protocol import GatewayProtocol
from logboom.testing.protocol_kit import run_protocol
from logboom.web.messages import judge

FLAT = b'{"a":1}'


def nested(levels: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    """An object with so many levels, its own brackets among them."""
    return b'{"x":' + opening * (levels - 1) + b"1" + closing * (levels - 1) + b"}"


@pytest.mark.parametrize(
    ("opening", "closing"), [(b"[", b"]"), (b'{"k":', b"}"), (b'{"":', b"}"), (b' [ "]", ', b"] ")]
)
def test_the_bound_is_exact(opening: bytes, closing: bytes) -> None:
    assert not is_too_deep(nested(NESTING_MAX, opening, closing))
    assert is_too_deep(nested(NESTING_MAX + 1, opening, closing))


def test_a_line_is_found_wherever_it_stands() -> None:
    deep, long = nested(NESTING_MAX + 1), b'{"a":"%b"}' % (b"x" * 5000)
    for before in (b"", FLAT, long, b"\n".join([FLAT] * 300), b"\n" * 1001, b"\n" * 1002):
        for after in (b"", FLAT, long):
            assert is_too_deep(b"\n".join([before, deep, after]))
            assert not is_too_deep(b"\n".join([before, nested(NESTING_MAX), after]))


def test_many_brackets_are_not_many_levels() -> None:
    wide = json.dumps({"rows": [[number, {"n": number}] for number in range(2000)]}).encode()
    assert not is_too_deep(wide)
    assert not is_too_deep(b"\n".join([b'{"a":[[{}]]}'] * 2000))


@pytest.mark.parametrize("text", ["[" * 2000, "\\" * 2000 + "[" * 2000, '"' * 999 + "{" * 2000])
def test_brackets_in_a_text_are_text(text: str) -> None:
    assert not is_too_deep(json.dumps({"message": text}).encode())


@pytest.mark.parametrize("line", [b'{"a":"' + b"[" * 2000, b'"' + b"\\" * 1999 + b"[" * 600])
def test_a_text_without_an_end_is_no_levels(line: bytes) -> None:
    assert not is_too_deep(line)


DEVICE = b'{"boot_seq":1,"uptime_ms":2,"x":%b}'
GATEWAY = b'{"time":"t","temp":1,"rh":2,"lux":3,"x":%b}'
COLLECTOR = b'{"level":"INFO","message":"m","x":%b}'


@pytest.mark.parametrize(
    ("protocol", "shape"),
    [(DeviceProtocol, DEVICE), (GatewayProtocol, GATEWAY), (CollectorProtocol, COLLECTOR)],
)
def test_each_protocol_takes_the_bound_and_refuses_more(protocol: type, shape: bytes) -> None:
    good, bad = (shape % nested(levels) for levels in (NESTING_MAX - 1, NESTING_MAX))
    plain = shape % b"1"
    for lines in ([good], [plain, good, plain]):
        assert set(run_protocol(protocol, [b"\n".join([*lines, b""])]).verdicts) == {Verdict.ACCEPTED}
    outcome = run_protocol(protocol, [b"\n".join([plain, bad, plain, b""])])
    assert outcome.verdicts == [Verdict.ACCEPTED, Verdict.NOT_JSON, Verdict.ACCEPTED]
    assert outcome.entries == [plain, plain]


def test_a_websocket_takes_the_bound_and_refuses_more() -> None:
    good, bad = (b'{"message":"m","x":%b}' % nested(levels) for levels in (NESTING_MAX - 1, NESTING_MAX))
    batch = judge([good, bad], 1 << 20)
    assert list(batch.verdicts) == [Verdict.ACCEPTED, Verdict.NOT_JSON]
    assert batch.reasons == (f"not JSON: nested deeper than {NESTING_MAX} levels",)
