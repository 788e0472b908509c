"""docs/contracts/gateway.md: readings with or without newlines, never a byte back."""

import json

import pytest

from logboom.framing.objects import CHUNK_BYTES_MAX
from logboom.model import REASONS_MAX, Receipt, Verdict
from logboom.receivers.gateway.protocol import GatewayProtocol
from logboom.testing.protocol_kit import Outcome, check_protocol, run_protocol

LIMIT = 200
ACCEPTED, NOT_JSON, MISSING, TOO_LONG = (
    Verdict.ACCEPTED,
    Verdict.NOT_JSON,
    Verdict.MISSING_FIELD,
    Verdict.TOO_LONG,
)
A = b'{"id":"e4643048d7292c2e","time":"2025-10-02 17:58:37","temp":24.10,"rh":50.50,"lux":546.60}'
B = b'{"time":"later","temp":1,"rh":2,"lux":3,"irradiance":4.3}'


def check(data: bytes) -> Outcome:
    outcome = check_protocol(lambda: GatewayProtocol(line_bytes_max=LIMIT), data)
    assert outcome.replies == b""
    assert not outcome.fatal
    return outcome


@pytest.mark.parametrize(
    "separator",
    [b"", b"\n", b"\r\n", b" ", b"\n\n", b"\t\r\n "],
    ids=["none", "lf", "crlf", "blank", "2lf", "mix"],
)
def test_objects_need_no_newline(separator: bytes) -> None:
    outcome = check(separator.join([A, B, A]))
    assert outcome.entries == [A, B, A]
    assert outcome.verdicts == [ACCEPTED] * 3


@pytest.mark.parametrize("tail", [b"", b"\n", b"\r\n"])
def test_one_object_and_the_end(tail: bytes) -> None:
    assert check(A + tail) == Outcome([A], [ACCEPTED])


def test_a_bare_object_is_stored_before_the_end() -> None:
    assert run_protocol(GatewayProtocol, [A], eof=False).entries == [A]


def test_connect_and_close_brings_nothing() -> None:
    assert check(b"") == Outcome()


@pytest.mark.parametrize(
    "reading",
    [
        pytest.param(b'{"time":"t","temp":"24.1","rh":"50","lux":"1e3"}', id="numeric strings"),
        pytest.param(b'{"time":"t","temp":" 24.1 ","rh":"+5","lux":"1_000"}', id="what float() takes"),
        pytest.param(b'{"time":"t","temp":"nan","rh":"inf","lux":-0.0}', id="not a number"),
        pytest.param(b'{"time":null,"temp":1,"rh":2,"lux":3}', id="time of any type"),
        pytest.param(b'{"time":1759427917,"temp":1,"rh":2,"lux":3}', id="time as a number"),
        pytest.param(b'{"time":"t","temp":1,"rh":2,"lux":3,"raw":{"a":[{"b":{}}]}}', id="nested"),
        pytest.param(b'{"time":"}{","temp":1,"rh":2,"lux":3}', id="braces in a string"),
        pytest.param(b'{"time":"\\"}{\\\\","temp":1,"rh":2,"lux":3}', id="escapes"),
        pytest.param(b'{"time":"\\u007d\\\\\\"","temp":1,"rh":2,"lux":3}', id="more escapes"),
        pytest.param('{"time":"Grüße 🚀","temp":1,"rh":2,"lux":3}'.encode(), id="UTF-8"),
    ],
)
def test_takes_every_shape_of_reading(reading: bytes) -> None:
    assert check(A + reading + B).entries == [A, reading, B]


@pytest.mark.parametrize(
    ("piece", "verdict"),
    [
        pytest.param(b"{}", MISSING, id="empty object"),
        pytest.param(b'{"temp":1,"rh":2,"lux":3}', MISSING, id="no time"),
        pytest.param(b'{"time":"t","rh":2,"lux":3}', MISSING, id="no temp"),
        pytest.param(b'{"time":"t","temp":1,"lux":3}', MISSING, id="no rh"),
        pytest.param(b'{"time":"t","temp":1,"rh":2}', MISSING, id="no lux"),
        pytest.param(b'{"time":"t","temp":"warm","rh":2,"lux":3}', MISSING, id="no number"),
        pytest.param(b'{"time":"t","temp":null,"rh":2,"lux":3}', MISSING, id="null"),
        pytest.param(b'{"time":"t","temp":[1],"rh":2,"lux":3}', MISSING, id="list"),
        pytest.param(b'{"time":"t","temp":1%b,"rh":2,"lux":3}' % (b"0" * 90), ACCEPTED, id="large number"),
        pytest.param(b'{"time":1 2}', NOT_JSON, id="no JSON"),
        pytest.param(b"{time:1}", NOT_JSON, id="no quotes"),
        pytest.param(b'{"time":"\xff",temp:1,"rh":2,"lux":3}', NOT_JSON, id="no JSON, not UTF-8"),
        pytest.param(b"hello", NOT_JSON, id="text"),
        pytest.param(b",", NOT_JSON, id="comma"),
        pytest.param(b"}", NOT_JSON, id="closing brace"),
        pytest.param(b'"', NOT_JSON, id="quote"),
        pytest.param(b"\x00\x01\xff", NOT_JSON, id="binary"),
    ],
)
@pytest.mark.parametrize("separator", [b"", b"\n"])
def test_a_bad_piece_is_counted_and_skipped(piece: bytes, verdict: Verdict, separator: bytes) -> None:
    outcome = check(separator.join([A, piece, B]))
    assert outcome.verdicts == [ACCEPTED, verdict, ACCEPTED]
    assert outcome.entries[0] == A
    assert outcome.entries[-1] == B


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (
            b'{"id":"caf\xe9","time":"\xff\xfe","temp":1,"rh":2,"lux":3}',
            ("caf\ufffd", "\ufffd\ufffd", 1, 2, 3),
        ),
        (b'{"id":"\xf0\x9f\x9a","time":"\xc3","temp":"1","rh":2,"lux":3}', ("\ufffd", "\ufffd", "1", 2, 3)),
        (
            b'{"id":"x","time":"t","temp":NaN,"rh":-Infinity,"lux":Infinity}',
            ("x", "t", "NaN", "-Infinity", "Infinity"),
        ),
        (rb'{"id":"\udcff","time":"t","temp":1,"rh":2,"lux":3}', (r"\udcff", "t", 1, 2, 3)),
    ],
)
@pytest.mark.parametrize("separator", [b"", b"\n"])
def test_a_reading_with_what_json_can_not_hold_is_kept(sent: bytes, kept: object, separator: bytes) -> None:
    outcome = check(separator.join([A, sent, B]))
    assert outcome.verdicts == [ACCEPTED] * 3
    found = json.loads(outcome.entries[1])
    assert tuple(found[key] for key in ("id", "time", "temp", "rh", "lux")) == kept
    assert (outcome.entries[0], outcome.entries[2]) == (A, B)


def test_a_number_that_no_float_can_hold_is_refused() -> None:
    reading = b'{"time":"t","temp":%b,"rh":2,"lux":3}' % (b"9" * 400)
    assert run_protocol(GatewayProtocol, [reading + A]).verdicts == [MISSING, ACCEPTED]


@pytest.mark.parametrize(
    "torn",
    [A[:1], A[:5], A[:20], A[:60], A[:-1], b'{"time":"\\', b'{"a":{"b":{'],
    ids=lambda torn: f"{len(torn)} bytes",
)
def test_a_torn_object_costs_only_itself(torn: bytes) -> None:
    outcome = check(A + torn + b"\n" + B + b"\n" + A)
    assert outcome.entries == [A, B, A]
    assert outcome.verdicts == [ACCEPTED, NOT_JSON, ACCEPTED, ACCEPTED]


def test_a_torn_object_at_the_end_is_counted() -> None:
    assert check(A + B[:-4]).verdicts == [ACCEPTED, NOT_JSON]


def test_garbage_is_counted_once_a_line() -> None:
    outcome = check(b"one two\nthree\n\n" + A + b"four" + B + b"five")
    assert outcome.verdicts == [NOT_JSON, NOT_JSON, ACCEPTED, NOT_JSON, ACCEPTED, NOT_JSON]


def test_pretty_printed_readings_are_kept_on_one_line() -> None:
    pretty = json.dumps({"time": "t", "temp": 1, "rh": 2, "lux": 3, "raw": {"a": [1, {"b": 2}]}}, indent=2)
    outcome = check(pretty.encode() + b"\r\n" + pretty.replace("\n", "\r\n").encode() + A)
    assert outcome.verdicts == [ACCEPTED] * 3
    assert all(b"\n" not in entry and b"\r" not in entry for entry in outcome.entries)
    assert json.loads(outcome.entries[0]) == json.loads(outcome.entries[1]) == json.loads(pretty)


def test_an_array_of_readings_is_taken_apart() -> None:
    outcome = check(b"[" + A + b"," + B + b"]")
    assert outcome.entries == [A, B]
    assert outcome.verdicts == [NOT_JSON, ACCEPTED, NOT_JSON, ACCEPTED, NOT_JSON]


def reading_of(size: int) -> bytes:
    reading = b'{"time":"%b","temp":1,"rh":2,"lux":3}' % (b"t" * (size - 35))
    assert len(reading) == size
    return reading


def test_an_object_at_the_limit_is_good_and_one_byte_more_is_not() -> None:
    outcome = check(reading_of(LIMIT) + reading_of(LIMIT + 1) + A)
    assert outcome.verdicts == [ACCEPTED, TOO_LONG, ACCEPTED]


@pytest.mark.parametrize(
    "filler",
    [b"x", b"{", b'{"', b'{}"', b'"', b"\\", b'{"a":', b"[", b" ", b"\n ", b'"\\"'],
    ids=lambda filler: filler.decode(),
)
def test_memory_is_bounded_whatever_comes(filler: bytes) -> None:
    protocol = GatewayProtocol(line_bytes_max=LIMIT)
    protocol.receive_data(b'{"a":')
    data = filler * (10_000 // len(filler))
    for _ in range(100):
        protocol.receive_data(data)
        while protocol.next_batch() is not None:
            pass
        assert protocol.buffered_bytes() <= LIMIT + 1


def test_what_follows_an_over_long_object_is_whole_again() -> None:
    outcome = check(b'{"a":"' + b"x" * 1000 + b"\n" + A + b"\n" + b'{"b":' + b"{" * 1000 + b"\n" + B)
    assert outcome.verdicts == [TOO_LONG, ACCEPTED, TOO_LONG, ACCEPTED]


@pytest.mark.parametrize("nothing", [b"\n", b" ", b"\r\n"])
def test_a_long_silence_in_one_read_hides_nothing(nothing: bytes) -> None:
    outcome = run_protocol(GatewayProtocol, [nothing * (3 * CHUNK_BYTES_MAX) + A], eof=False)
    assert outcome.entries == [A]


def test_an_object_larger_than_what_is_scanned_at_once() -> None:
    size = 5 * CHUNK_BYTES_MAX
    outcome = run_protocol(
        lambda: GatewayProtocol(line_bytes_max=size), [A + reading_of(size) + B], eof=False
    )
    assert [len(entry) for entry in outcome.entries] == [len(A), size, len(B)]


def test_a_stream_of_garbage_does_not_flood_the_operational_log() -> None:
    protocol = GatewayProtocol()
    protocol.receive_data(b"x\n{}" * 4000)
    batches, reasons, verdicts = 0, 0, 0
    while (item := protocol.next_batch()) is not None:
        batches += 1
        reasons += len(item[0].reasons)
        verdicts += len(item[0].verdicts)
        assert len(item[0].reasons) <= REASONS_MAX
    assert verdicts == 8000
    assert batches <= 2
    assert reasons <= batches * REASONS_MAX


def test_deep_nesting_is_a_bad_piece_not_a_crash() -> None:
    deep = b'{"time":"t","temp":1,"rh":2,"lux":3,"x":' + b"[" * 5000 + b"]" * 5000 + b"}"
    assert run_protocol(GatewayProtocol, [deep + A]).verdicts == [NOT_JSON, ACCEPTED]


def test_never_answers_whatever_becomes_of_a_reading() -> None:
    protocol = GatewayProtocol()
    protocol.receive_data(A + b"nope")
    item = protocol.next_batch()
    assert item is not None
    assert item[1](Receipt(0, bytes(Verdict))) == b""
    assert protocol.data_to_send() == b""
