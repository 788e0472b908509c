"""docs/contracts/collector.md: one status reply per line, in input order."""

import json
import math

import pytest

from logboom.model import Receipt, Verdict
from logboom.receivers.collector.protocol import CollectorProtocol
from logboom.testing.protocol_kit import Outcome, check_protocol, run_protocol

LIMIT = 200
RECEIVED = b'{"status":"ok","message":"received"}\n'
FILTERED = b'{"status":"ok","message":"filtered"}\n'
INVALID = b'{"status":"error","message":"invalid JSON"}\n'
NOT_OBJECT = b'{"status":"error","message":"expected JSON object"}\n'
MISSING = b'{"status":"error","message":"missing required fields: level, message"}\n'
TOO_LONG = b'{"status":"error","message":"line too long"}\n'
UNAVAILABLE = b'{"status":"error","message":"storage unavailable"}\n'

GOOD = b'{"level":"INFO","message":"hello","timestamp":"2025-01-01 00:00:00"}'


def check(data: bytes) -> Outcome:
    return check_protocol(lambda: CollectorProtocol(line_bytes_max=LIMIT), data)


CASES = [
    pytest.param(GOOD, RECEIVED, id="good"),
    pytest.param(b'{"level":"NOISE","message":"m"}', RECEIVED, id="unknown level"),
    pytest.param(b'{"level":30,"message":{"a":[1]}}', RECEIVED, id="any type"),
    pytest.param(b'{"level":null,"message":null}', RECEIVED, id="nulls"),
    pytest.param(b'{"message":"m","level":"x","user":7}', RECEIVED, id="other fields"),
    pytest.param(b"hello", INVALID, id="text"),
    pytest.param(GOOD[:-1], INVALID, id="cut off"),
    pytest.param(GOOD + GOOD, INVALID, id="two objects"),
    pytest.param(b'{"level":"INFO","message":"\xe9"}', INVALID, id="not UTF-8"),
    pytest.param(b'{"level":"INFO","message":"m","x":"\xe9"}', INVALID, id="not UTF-8 where nobody looks"),
    pytest.param(b"[" * 190, INVALID, id="brackets"),
    pytest.param(b"[]", NOT_OBJECT, id="array"),
    pytest.param(b"null", NOT_OBJECT, id="null"),
    pytest.param(b"1.5", NOT_OBJECT, id="number"),
    pytest.param(b'"level message"', NOT_OBJECT, id="string"),
    pytest.param(b"true", NOT_OBJECT, id="true"),
    pytest.param(b"{}", MISSING, id="empty object"),
    pytest.param(b'{"message":"m"}', MISSING, id="no level"),
    pytest.param(b'{"level":"INFO"}', MISSING, id="no message"),
    pytest.param(b'{"LEVEL":"INFO","Message":"m"}', MISSING, id="other case"),
    pytest.param(b"x" * (LIMIT + 1), TOO_LONG, id="too long"),
]


@pytest.mark.parametrize(("line", "reply"), CASES)
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_each_check_has_its_reply(line: bytes, reply: bytes, end: bytes) -> None:
    outcome = check(line + end)
    assert outcome.replies == reply
    assert outcome.entries == ([line] if reply == RECEIVED else [])


def test_pipelined_mixed_lines_get_their_replies_in_input_order() -> None:
    lines = [case.values[0] for case in CASES] * 3
    replies = [case.values[1] for case in CASES] * 3
    outcome = check(b"\n".join(map(bytes, lines)) + b"\n")  # type: ignore[arg-type]
    assert outcome.replies == b"".join(map(bytes, replies))  # type: ignore[arg-type]


def test_a_blank_line_gets_no_reply() -> None:
    assert check(b"\n\r\n  \n" + GOOD + b"\n\n").replies == RECEIVED


def test_a_byte_order_mark_before_the_first_line_is_left_out() -> None:
    outcome = check(b"\xef\xbb\xbf" + GOOD + b"\n" + GOOD + b"\n")
    assert (outcome.replies, outcome.entries) == (RECEIVED * 2, [GOOD] * 2)
    assert check(b"\xef\xbb\xbf\n" + GOOD).replies == RECEIVED


def test_an_unterminated_last_line_is_a_line() -> None:
    assert check(GOOD + b"\nnope").replies == RECEIVED + INVALID


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_the_longest_line_is_good(end: bytes) -> None:
    line = b'{"level":"INFO","message":"%b"}' % (b"x" * (LIMIT - 31 + 2))
    assert len(line) == LIMIT
    assert check(line + end + line[:-2] + b'x"}' + end).replies == RECEIVED + TOO_LONG


def test_a_health_probe_that_connects_and_closes_gets_nothing() -> None:
    assert check(b"") == Outcome()


def test_levels_are_handed_on_for_the_filter() -> None:
    protocol = CollectorProtocol()
    protocol.receive_data(b'{"level":"INFO","message":1}\nbad\n{"level":30,"message":2}\n')
    item = protocol.next_batch()
    assert item is not None
    assert item[0].levels == ["INFO", 30]


def replies_to(receipt: Receipt) -> list[dict[str, object]]:
    protocol = CollectorProtocol()
    protocol.receive_data((GOOD + b"\n") * len(receipt.verdicts))
    item = protocol.next_batch()
    assert item is not None
    return [json.loads(line) for line in item[1](receipt).splitlines()]


def test_a_failed_write_is_told() -> None:
    receipt = Receipt(None, bytes([Verdict.FAILED, Verdict.NOT_JSON, Verdict.FILTERED]))
    assert replies_to(receipt) == [
        {"status": "error", "message": "storage unavailable"},
        {"status": "error", "message": "invalid JSON"},
        {"status": "ok", "message": "filtered"},
    ]


@pytest.mark.parametrize("left_s", [0.0, 0.2, 1.0, 12.1, 59.999, 60.0])
def test_limited_lines_learn_when_to_come_back(left_s: float) -> None:
    first, second, third = replies_to(Receipt(0, bytes([Verdict.ACCEPTED, *[Verdict.LIMITED] * 2]), left_s))
    assert first == {"status": "ok", "message": "received"}
    assert second == third
    assert second.pop("retry_after_s") == max(1, math.ceil(left_s))  # never so early that it fails again
    assert second == {"status": "error", "message": "rate limit exceeded"}


def test_only_limited_lines() -> None:
    replies = replies_to(Receipt(0, bytes([Verdict.LIMITED] * 3), 5.0))
    assert [reply["message"] for reply in replies] == ["rate limit exceeded"] * 3


@pytest.mark.parametrize("head", [b"\0", b"\0\0\0", b"\0\0\0\5x", b"\0\0\0\5xyzzy"])
def test_plain_text_that_starts_with_a_zero_byte_is_a_bad_line(head: bytes) -> None:
    assert check(head + b"\n" + GOOD + b"\n").replies == INVALID + RECEIVED
    assert check(head).replies == INVALID


def test_deep_nesting_is_a_bad_line_not_a_crash() -> None:
    line = b'{"level":"INFO","message":' + b"[" * 20_000 + b"]" * 20_000 + b"}"
    outcome = run_protocol(CollectorProtocol, [line + b"\n" + GOOD + b"\n"])
    assert outcome.replies == INVALID + RECEIVED
