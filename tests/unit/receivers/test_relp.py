"""docs/contracts/relp.md: every message is acknowledged in order, once it is stored."""

import json
import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logboom.model import Receipt, Verdict
from logboom.receivers.relp.protocol import RelpProtocol
from logboom.testing.protocol_kit import Outcome, check_protocol, cut, run_protocol
from tests.kit.captures import capture, streams

NOW = datetime(2026, 11, 30, 16, tzinfo=UTC).timestamp()
OPENED = b"1 rsp 66 200 OK\nrelp_version=%d\nrelp_software=logboom,1,none\ncommands=syslog\n"


def protocol() -> RelpProtocol:
    return RelpProtocol(lambda: NOW, frame_bytes_max=300)


def frame(number: int, data: bytes, command: bytes = b"syslog") -> bytes:
    return b"%d %s %d%s%s\n" % (number, command, len(data), b" " if data else b"", data)


def messages_of(outcome: Outcome) -> list[str]:
    return [json.loads(entry)["message"] for entry in outcome.entries]


def test_rsyslog() -> None:
    outcome = check_protocol(protocol, capture("relp/rsyslog-omrelp"))
    assert messages_of(outcome) == [
        "pump started",
        "valve stuck at 87 %",
        "calculation failed: xxxxxxxxxxxxxxxxxxxx",
    ]
    assert outcome.replies == (
        OPENED % 0
        + b"".join(b"%d rsp 6 200 OK\n" % number for number in (2, 3, 4))
        + b"5 rsp 0\n0 serverclose 0\n"
    )
    assert not outcome.fatal


def test_relppy() -> None:
    outcome = check_protocol(protocol, capture("relp/relppy"))
    assert messages_of(outcome) == ["pump 0", "pump 1", "pump 2"]
    assert outcome.replies.startswith(OPENED % 1 + b"2 rsp 6 200 OK\n")
    assert outcome.replies.endswith(b"5 rsp 0\n0 serverclose 0\n")


def test_numbers_begin_again() -> None:
    outcome = check_protocol(protocol, frame(999999999, b"<13>a") + frame(1, b"<13>b"))
    assert outcome.replies == b"999999999 rsp 6 200 OK\n1 rsp 6 200 OK\n"


def test_blank_messages_are_acknowledged_and_not_stored() -> None:
    outcome = check_protocol(protocol, frame(1, b"") + frame(2, b"\n") + frame(3, b"<13>a"))
    assert messages_of(outcome) == ["a"]
    assert outcome.replies == b"".join(b"%d rsp 6 200 OK\n" % number for number in (1, 2, 3))


def test_data_may_be_anything_of_its_length() -> None:
    outcome = check_protocol(
        protocol, frame(1, b"<13>a\n2 syslog 3 x\n") + frame(2, b"<13>\xff") + frame(3, b"x" * 300)
    )
    assert messages_of(outcome) == ["a\n2 syslog 3 x", "\ufffd", "x" * 300]


def test_an_unknown_command_is_refused_and_costs_nothing_else() -> None:
    outcome = check_protocol(protocol, frame(1, b"x", b"shout") + frame(2, b"<13>a"))
    assert outcome.replies == b"1 rsp 19 500 unknown command\n2 rsp 6 200 OK\n"


@pytest.mark.parametrize(
    ("data", "trouble"),
    [
        (b"GET / HTTP/1.1\r\n", "no RELP frame begins with"),
        (b"<13>hello\n", "no RELP frame begins with"),
        (b"1234567890 syslog 1 a\n", "no RELP frame begins with"),
        (b"1 syslog 301 aaa", "a RELP frame of 301 bytes, the limit is 300"),
        (b"1 syslog 3\n", "a RELP frame of 3 bytes whose data is not there"),
        (b"1 close 0 x\n", "does not end with a newline where its length says"),
        (b"1 syslog 3 abcd\n", "does not end with a newline where its length says"),
    ],
)
def test_what_cannot_be_read_ends_the_connection_unacknowledged(data: bytes, trouble: str) -> None:
    outcome = check_protocol(protocol, frame(1, b"<13>a") + data)
    assert outcome.fatal
    assert (messages_of(outcome), outcome.replies) == (["a"], b"1 rsp 6 200 OK\n")
    one = protocol()
    one.receive_data(data)
    assert one.next_batch() is None
    assert trouble in (one.fatal or "")
    assert one.buffered_bytes() == 0


@pytest.mark.parametrize("verdict", [Verdict.FAILED, Verdict.LIMITED])
def test_nothing_is_acknowledged_from_the_first_message_on_that_was_not_stored(verdict: Verdict) -> None:
    one = protocol()
    ackers = []
    for number in (1, 2, 3):
        one.receive_data(frame(number, b"<13>a"))
        found = one.next_batch()
        assert found is not None
        ackers.append(found[1])
    stored, refused = Receipt(0, bytes([Verdict.ACCEPTED])), Receipt(None, bytes([verdict]))
    assert [acker(receipt) for acker, receipt in zip(ackers, (stored, refused, stored), strict=True)] == [
        b"1 rsp 6 200 OK\n",
        b"",
        b"",
    ]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.integers(1, 999999999), st.binary(max_size=30)).map(lambda found: frame(*found)),
            st.sampled_from([b"1 open 0\n", b"1 close 0\n", b"1 close 0 \n", b"x", b"1 syslog 5 a", b"7 "]),
            st.binary(max_size=12),
        ),
        max_size=6,
    ).map(b"".join),
    st.lists(st.integers(1, 40), min_size=1, max_size=5),
)
def test_any_split_is_the_same(data: bytes, sizes: list[int]) -> None:
    whole = run_protocol(protocol, [data])
    assert run_protocol(protocol, cut(data, sizes)) == whole
    assert run_protocol(protocol, cut(data, [1])) == whole


def test_damaged_streams() -> None:
    chance = random.Random("relp")
    for data in streams("relp").values():
        for _ in range(200):
            damaged = bytearray(data)
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            check_protocol(protocol, bytes(damaged), rounds=1)


def test_a_frame_larger_than_a_chunk() -> None:
    big = frame(1, b"<13>" + b"x" * 500_000)
    outcome = check_protocol_of_any_size(big + frame(2, b"<13>a"))
    assert outcome.replies == b"1 rsp 6 200 OK\n2 rsp 6 200 OK\n"
    assert len(outcome.entries) == 2


def check_protocol_of_any_size(data: bytes) -> Outcome:
    def make() -> RelpProtocol:
        return RelpProtocol(lambda: NOW, frame_bytes_max=1 << 20)

    whole = run_protocol(make, [data])
    assert run_protocol(make, cut(data, [70_000])) == whole
    return whole
