"""docs/contracts/device.md: one `{"ack":1}` per stored line, silence for all else."""

import json

import pytest

from logboom.model import Acker, Batch, Receipt, Verdict
from logboom.receivers.device.protocol import ACK, DeviceProtocol
from logboom.testing.protocol_kit import Outcome, check_protocol, run_protocol

LIMIT = 120
GOOD = b'{"seq":1,"ts":"2025-11-12T19:08:58Z","boot_seq":3,"uptime_ms":1500,"level":"INFO","msg":"hi"}'
BARE = b'{"boot_seq":3,"uptime_ms":1}'


def check(data: bytes) -> Outcome:
    return check_protocol(lambda: DeviceProtocol(line_bytes_max=LIMIT), data)


def padded(size: int) -> bytes:
    """A good line of exactly `size` bytes."""
    line = b'{"boot_seq":3,"uptime_ms":1,"msg":"' + b"x" * (size - len(BARE) - len(b',"msg":""')) + b'"}'
    assert len(line) == size
    return line


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_line_gets_one_ack_and_is_kept_as_sent(end: bytes) -> None:
    outcome = check(GOOD + end)
    assert outcome == Outcome([GOOD], [Verdict.ACCEPTED], b'{"ack":1}\n')
    json.loads(outcome.replies)  # what the device does with its one recv()


def test_pipelined_lines_get_one_ack_each() -> None:
    lines = [b'{"boot_seq":1,"uptime_ms":%d}' % number for number in range(50)]
    outcome = check(b"\n".join(lines) + b"\n")
    assert outcome.entries == lines
    assert outcome.replies == ACK * 50


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b'{"type":"heartbeat","boot_seq":2,"uptime_ms":60000,"free_heap":1}', id="heartbeat"),
        pytest.param(
            b'{"boot_seq":2,"uptime_ms":1,"level":"ERROR","msg":"Corrupted log entry"}', id="no seq"
        ),
        pytest.param(b'{"seq":1,"ts":null,"boot_seq":2,"uptime_ms":1,"msg":"no NTP yet"}', id="ts null"),
        pytest.param(b'{"boot_seq":2,"uptime_ms":1,"new":{"a":[1,{"b":null}]}}', id="unknown fields"),
        pytest.param(b'  {"boot_seq" : 2 ,\t"uptime_ms":1}  ', id="white space"),
        pytest.param(b'{"uptime_ms":-1,"boot_seq":18446744073709551616}', id="any integer"),
        pytest.param('{"boot_seq":2,"uptime_ms":1,"msg":"Grüße 🚀"}'.encode(), id="UTF-8"),
        pytest.param(b'{"boot_seq":2,"uptime_ms":1,"msg":"} \\" {\\n"}', id="escapes"),
        pytest.param(b'{"boot_seq":1,"uptime_ms":1,"boot_seq":2}', id="a key twice"),
        *(
            pytest.param(b'{"boot_seq":%b,"uptime_ms":%b}' % (value, value), id=f"value {value.decode()}")
            for value in (b"null", b"true", b'"1"', b"1.5", b"1e400", b"{}", b'[[],{"a":1}]', b'""', b"-0")
        ),
    ],
)
def test_takes_every_shape_of_entry(line: bytes) -> None:
    assert check(line + b"\n") == Outcome([line], [Verdict.ACCEPTED], ACK)


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        pytest.param(b"hello", Verdict.NOT_JSON, id="text"),
        pytest.param(b'{"boot_seq":1,"uptime_ms":2', Verdict.NOT_JSON, id="cut off"),
        pytest.param(b"{'boot_seq':1,'uptime_ms':2}", Verdict.NOT_JSON, id="python's quotes"),
        pytest.param(b'{"boot_seq":1,"uptime_ms":2,"msg":"\xff\xfe"}', Verdict.NOT_JSON, id="not UTF-8"),
        pytest.param(b"\xef\xbb\xbf" + BARE, Verdict.NOT_JSON, id="byte order mark"),
        pytest.param(b'{"boot_seq":1,"uptime_ms":2,"msg":"a\tb"}', Verdict.NOT_JSON, id="control character"),
        pytest.param(b'{"boot_seq":1,"uptime_ms":2,"msg":"\\x41"}', Verdict.NOT_JSON, id="unknown escape"),
        pytest.param(BARE + BARE, Verdict.NOT_JSON, id="two objects"),
        pytest.param(BARE + b" " + BARE, Verdict.NOT_JSON, id="two objects and a blank"),
        pytest.param(BARE + b"\r" + BARE, Verdict.NOT_JSON, id="two objects and a carriage return"),
        pytest.param(BARE + b",", Verdict.NOT_JSON, id="something behind"),
        pytest.param(BARE + b"\x00", Verdict.NOT_JSON, id="zero byte behind"),
        pytest.param(b"[" + BARE + b"]", Verdict.NOT_OBJECT, id="array"),
        pytest.param(b"null", Verdict.NOT_OBJECT, id="null"),
        pytest.param(b"null null", Verdict.NOT_JSON, id="the marker of the decoder"),
        pytest.param(b"42", Verdict.NOT_OBJECT, id="number"),
        pytest.param(b'"text"', Verdict.NOT_OBJECT, id="string"),
        pytest.param(b"{}", Verdict.MISSING_FIELD, id="empty object"),
        pytest.param(b'{"uptime_ms":2}', Verdict.MISSING_FIELD, id="no boot_seq"),
        pytest.param(b'{"boot_seq":2}', Verdict.MISSING_FIELD, id="no uptime_ms"),
    ],
)
def test_a_bad_line_gets_no_ack_and_harms_nobody(line: bytes, verdict: Verdict) -> None:
    outcome = check(GOOD + b"\n" + line + b"\n" + BARE + b"\n")
    assert outcome.entries == [GOOD, BARE]
    assert outcome.verdicts == [Verdict.ACCEPTED, verdict, Verdict.ACCEPTED]
    assert outcome.replies == ACK * 2
    assert not outcome.fatal


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b"[NaN, Infinity,-Infinity]", b'["NaN", "Infinity","-Infinity"]'),
        (b'"NaN \\" Infinity",-1', b'"NaN \\" Infinity",-1'),
        (rb'"half \ud83d, \ud83d\ude80"', rb'"half \\ud83d, \ud83d\ude80"'),
    ],
)
@pytest.mark.parametrize(
    "place", [b'{"boot_seq":1,"uptime_ms":2,"x":[%b]}', b'{"boot_seq":[%b],"uptime_ms":2}']
)
def test_what_is_beyond_json_is_kept_as_text(place: bytes, sent: bytes, kept: bytes) -> None:
    outcome = check(GOOD + b"\n" + place % sent + b"\n" + BARE + b"\n")
    assert outcome == Outcome([GOOD, place % kept, BARE], [Verdict.ACCEPTED] * 3, ACK * 3)


def test_each_bad_line_names_its_reason() -> None:
    protocol = DeviceProtocol(line_bytes_max=LIMIT)
    protocol.receive_data(b"hello\n" + b'{"uptime_ms":2}\n')
    item = protocol.next_batch()
    assert item is not None
    text, field = item[0].reasons
    assert text.startswith("not JSON")
    assert "missing required field `boot_seq`" in field


@pytest.mark.parametrize("blank", [b"\n", b"\r\n", b"   \n", b" \t \r\n"])
def test_blank_lines_are_skipped_in_silence(blank: bytes) -> None:
    outcome = check(blank * 3 + GOOD + b"\n" + blank * 2 + BARE + b"\r\n" + blank)
    assert outcome == Outcome([GOOD, BARE], [Verdict.ACCEPTED] * 2, ACK * 2)


def test_an_object_over_two_lines_is_two_bad_lines() -> None:
    outcome = check(b'{"boot_seq":1,\n"uptime_ms":2}\n' + BARE + b"\n")
    assert outcome.verdicts == [Verdict.NOT_JSON, Verdict.NOT_JSON, Verdict.ACCEPTED]
    assert outcome.entries == [BARE]


def test_a_string_over_two_lines_cannot_smuggle_the_decoders_marker() -> None:
    outcome = check(b'{"boot_seq":1,"uptime_ms":2,"x":"a\nb"}null null' + BARE + b"\n")
    assert outcome.verdicts == [Verdict.NOT_JSON, Verdict.NOT_JSON]
    assert outcome.entries == []


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_line_at_the_limit_is_good_and_one_byte_more_is_not(end: bytes) -> None:
    outcome = check(padded(LIMIT) + end + padded(LIMIT + 1) + end + BARE + end)
    assert outcome.entries == [padded(LIMIT), BARE]
    assert outcome.verdicts == [Verdict.ACCEPTED, Verdict.TOO_LONG, Verdict.ACCEPTED]
    assert outcome.replies == ACK * 2


def test_the_usual_limit_is_16384_bytes() -> None:
    outcome = run_protocol(DeviceProtocol, [padded(16384) + b"\n" + padded(16385) + b"\n"])
    assert outcome.verdicts == [Verdict.ACCEPTED, Verdict.TOO_LONG]


def test_an_over_long_line_takes_bounded_memory_and_ends_at_its_newline() -> None:
    protocol = DeviceProtocol(line_bytes_max=LIMIT)
    held = []
    for _ in range(200):
        protocol.receive_data(b"x" * 1000)
        assert protocol.next_batch() is None
        held.append(protocol.buffered_bytes())
    assert max(held) <= LIMIT
    protocol.receive_data(b"\n" + BARE + b"\n")
    outcomes = [protocol.next_batch(), protocol.next_batch()]
    verdicts = [list(item[0].verdicts) for item in outcomes if item is not None]
    assert verdicts == [[Verdict.TOO_LONG], [Verdict.ACCEPTED]]


def test_the_warning_of_an_over_long_line_tells_its_size_and_the_limit() -> None:
    protocol = DeviceProtocol(line_bytes_max=LIMIT)
    protocol.receive_data(b"x" * 500 + b"\n")
    item = protocol.next_batch()
    assert item is not None
    assert item[0].reasons == ("line of 500 bytes, the limit is 120",)


def test_deep_nesting_is_a_bad_line_not_a_crash() -> None:
    depth = 5000
    line = b'{"boot_seq":1,"uptime_ms":2,"x":' + b"[" * depth + b"]" * depth + b"}"
    outcome = run_protocol(DeviceProtocol, [line + b"\n" + BARE + b"\n"])
    assert outcome.verdicts == [Verdict.NOT_JSON, Verdict.ACCEPTED]


def test_an_unterminated_last_line_counts_at_the_end() -> None:
    assert check(GOOD + b"\n" + BARE) == Outcome([GOOD, BARE], [Verdict.ACCEPTED] * 2, ACK * 2)


def test_an_unterminated_line_is_not_judged_before_the_end() -> None:
    outcome = run_protocol(DeviceProtocol, [GOOD + b"\n" + BARE], eof=False)
    assert outcome.entries == [GOOD]


def test_a_torn_last_line_is_refused() -> None:
    assert check(GOOD + b"\n" + BARE[:-5]).verdicts == [Verdict.ACCEPTED, Verdict.NOT_JSON]


def test_connect_and_close_brings_nothing() -> None:
    assert check(b"") == Outcome()


def test_a_failed_write_gets_no_ack() -> None:
    protocol = DeviceProtocol(line_bytes_max=LIMIT)
    protocol.receive_data(GOOD + b"\n" + BARE + b"\n")
    item = protocol.next_batch()
    assert item is not None
    batch, acker = item
    assert acker(batch.failed_receipt()) == b""
    assert acker(Receipt(0, bytes([Verdict.ACCEPTED, Verdict.FAILED, Verdict.LIMITED]))) == ACK


def test_sends_nothing_of_its_own_accord() -> None:
    assert DeviceProtocol().data_to_send() == b""


class Wire:
    """A device's connection whose disk is as slow as the test says."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.acks = b""
        self.stored: list[bytes] = []
        self._protocol = DeviceProtocol()
        self._waiting: list[tuple[Batch, Acker]] = []

    def send(self, *lines: bytes) -> None:
        self._protocol.receive_data(b"".join(line + b"\n" for line in lines))
        while (item := self._protocol.next_batch()) is not None:
            item[0].received_ns = int(self.now_s * 1e9)
            self._waiting.append(item)

    def sync(self) -> None:
        """The disk takes everything."""
        for batch, acker in self._waiting:
            batch.settled_ns = int(self.now_s * 1e9)
            self.stored += batch.entries.split(b"\n")
            self.acks += acker(batch.receipt(1))
        self._waiting.clear()

    def fail(self) -> None:
        """The disk fails with the first."""
        batch, acker = self._waiting.pop(0)
        batch.settled_ns = int(self.now_s * 1e9)
        self.acks += acker(batch.failed_receipt())


def test_a_line_sent_again_while_the_disk_is_slow_gets_one_ack() -> None:
    wire = Wire()
    for _ in range(3):
        wire.send(GOOD)
        wire.now_s += 2
    wire.sync()
    assert wire.acks == ACK, "a second one would be taken for the next line's"
    wire.send(BARE)
    wire.sync()
    assert (wire.stored, wire.acks) == ([GOOD, GOOD, GOOD, BARE], ACK * 2)


def test_a_line_sent_again_that_crosses_its_ack_gets_one_ack() -> None:
    wire = Wire()
    wire.send(GOOD)
    wire.now_s += 1.9
    wire.sync()
    wire.now_s += 0.4
    wire.send(GOOD)
    wire.sync()
    assert wire.acks == ACK
    wire.now_s += 2
    wire.send(GOOD)  # it never got the first one
    wire.sync()
    assert wire.acks == ACK * 2


def test_a_line_sent_again_gets_its_ack_when_the_first_was_lost() -> None:
    wire = Wire()
    wire.send(GOOD)
    wire.now_s += 2
    wire.send(GOOD)
    wire.fail()
    wire.sync()
    assert (wire.stored, wire.acks) == ([GOOD], ACK)


@pytest.mark.parametrize("pause_s", [0, 0.1, 1, 1.5, 2, 60])
def test_a_line_that_is_repeated_after_its_ack_gets_another(pause_s: float) -> None:
    wire = Wire()
    for _ in range(3):
        wire.send(GOOD)
        wire.now_s += 0.01
        wire.sync()
        wire.now_s += pause_s
    assert wire.acks == ACK * 3


def test_equal_lines_in_quick_succession_are_lines_of_their_own() -> None:
    wire = Wire()
    for lines in ([GOOD], [GOOD], [GOOD, GOOD]):
        wire.send(*lines)
    wire.now_s += 2
    wire.send(BARE)  # not the one before
    wire.sync()
    assert (wire.stored, wire.acks) == ([GOOD] * 4 + [BARE], ACK * 5)
