import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logboom.model import Batch, Receipt, Verdict
from logboom.web.messages import judge, one_line, replies

GOOD = b'{"timestamp":"2024-01-01T12:00:00.000000","message":["a","b"],"source":"w-1","type":"log","line_count":2}'
CASES = [
    (GOOD, Verdict.ACCEPTED),
    (b'{"message":"x"}', Verdict.ACCEPTED),
    (b'{"message":"x","level":3,"type":null}', Verdict.ACCEPTED),
    (b' {"message" :\r\n "x"}\n', Verdict.ACCEPTED),
    (b"", Verdict.NOT_JSON),
    (b"\n", Verdict.NOT_JSON),
    (b"hello", Verdict.NOT_JSON),
    (b'{"message":"x"} {"message":"y"}', Verdict.NOT_JSON),
    (b'{"message":"x"}\n{"message":"y"}', Verdict.NOT_JSON),
    (b'{"message":"a\nb"}', Verdict.NOT_JSON),
    (b'{"message":"\xff"}', Verdict.NOT_JSON),
    (b"[]", Verdict.NOT_OBJECT),
    (b"null", Verdict.NOT_OBJECT),
    (b'"message"', Verdict.NOT_OBJECT),
    (b"{}", Verdict.MISSING_FIELD),
    (b'{"message":1}', Verdict.MISSING_FIELD),
    (b'{"message":["a",1]}', Verdict.MISSING_FIELD),
    (b'{"message":null}', Verdict.MISSING_FIELD),
    (b'{"message":"' + b"x" * 2000 + b'"}', Verdict.TOO_LONG),
]


def judge_all(messages: list[bytes]) -> Batch:
    return judge(messages, 1000)


@pytest.mark.parametrize(("message", "verdict"), CASES)
def test_each_message_gets_its_verdict(message: bytes, verdict: Verdict) -> None:
    batch = judge_all([message])
    assert list(batch.verdicts) == [verdict]
    assert bool(batch.reasons) == (verdict is not Verdict.ACCEPTED)


@given(st.lists(st.sampled_from(CASES), min_size=1, max_size=30))
def test_messages_do_not_disturb_each_other(chosen: list[tuple[bytes, Verdict]]) -> None:
    batch = judge_all([message for message, _ in chosen])
    assert list(batch.verdicts) == [verdict for _, verdict in chosen]
    good = [json.loads(message) for message, verdict in chosen if verdict is Verdict.ACCEPTED]
    assert [json.loads(line) for line in batch.entries.split(b"\n") if line] == good
    assert len(batch.entries.split(b"\n")) == max(1, len(good))


def test_entries_are_the_messages_byte_for_byte() -> None:
    assert judge_all([GOOD, b"bad", GOOD]).entries == GOOD + b"\n" + GOOD


def test_white_space_lines_become_one_line() -> None:
    assert judge_all([b'{\r\n  "message": "x\\n"\n}\n']).entries == b'{    "message": "x\\n" }'
    assert one_line(GOOD) is GOOD


def test_levels_come_with_the_batch_when_they_are_wanted() -> None:
    batch = judge([b'{"message":"x","level":"INFO"}', b"bad", b'{"message":"y"}'], 1000, wants_levels=True)
    assert batch.levels == ["INFO", None]


def payloads(frames: bytes) -> list[dict[str, object]]:
    found = []
    while frames:
        assert frames[0] == 0x81
        size, start = frames[1], 2
        if size == 126:
            size, start = int.from_bytes(frames[2:4], "big"), 4
        found.append(json.loads(frames[start : start + size]))
        frames = frames[start + size :]
    return found


MOMENT = "2024-01-01T12:00:00.000000"


@pytest.mark.parametrize(("first", "count"), [(1, 1), (8, 5), (95, 10), (999_999, 2), (10**17, 3)])
def test_good_messages_are_numbered_on(first: int, count: int) -> None:
    answers = payloads(replies(Receipt(first - 1, bytes(count)), first, MOMENT))
    assert answers == [
        {"timestamp": MOMENT, "status": "received", "message_id": first + number} for number in range(count)
    ]


def test_each_verdict_has_its_reply_in_order() -> None:
    verdicts = [
        Verdict.NOT_JSON,
        Verdict.ACCEPTED,
        Verdict.NOT_OBJECT,
        Verdict.MISSING_FIELD,
        Verdict.TOO_LONG,
    ]
    verdicts += [Verdict.FAILED, Verdict.FILTERED, Verdict.ACCEPTED, Verdict.LIMITED]
    answers = payloads(replies(Receipt(41, bytes(verdicts), 2.3), 42, MOMENT))
    assert [answer["status"] for answer in answers] == [
        *("error", "received", "error", "error", "error", "error", "filtered", "received", "error")
    ]
    assert [answer.get("message_id") for answer in answers] == [None, 42, *[None] * 5, 43, None]
    assert answers[-1]["retry_after_s"] == 3
    assert all(answer["timestamp"] == MOMENT for answer in answers)
    assert len({answer.get("message") for answer in answers}) == 7
