"""Any bytes, any split: the same syslog messages, in bounded memory; the fast way reads what the careful one reads."""

import json
import random
import zlib
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logboom.receivers.syslog import syslog_frames
from logboom.receivers.syslog.message import read_message
from logboom.receivers.syslog.message_columns import read_messages
from logboom.receivers.syslog.protocol import UNPACKED_BYTES_MAX, SyslogProtocol
from logboom.receivers.syslog.stamps import Stamps
from logboom.testing.protocol_kit import Outcome, cut, run_protocol
from tests.kit.captures import streams

LIMIT = 120
NOW = datetime(2026, 11, 30, 16, tzinfo=UTC).timestamp()
SIZES = st.lists(st.integers(1, 120), min_size=1, max_size=5)

PARTS = [
    "<13>", "<134>", "<191>", "<192>", "<007>", "1 ", "Nov 30 15:18:45", "Nov  5 15:18:45", "Feb 31 10:00:00",
    "2026-11-30T15:18:45.123Z", "2026-11-30T15:18:45+01:00", "-", "- ", " ", "  ", "host", " host ", "2026", "tag",
    "tag: ", "tag[12]: ", "tag[12]:", "[12]", "]", '[x@1 y="1"]', '[x y="a\\"b\\]"]', "[x", '"', ": ", ":", "\ufeff",
    '{"a":1}', "{", "@cee:", '@cee: {"a":1}', "123: ", "*", "UTC:", "ä", "\u2028", "\x85", "\x0b", "\r", "\x00",
    "a1 b2 c3 d4 e5", "\\",
]  # fmt: skip
SHAPES = [
    "<13>1 2026-11-30T15:18:45.123Z h a p m - text", '<13>1 2026-11-30T15:18:45Z - - - - [x y="1"] text',
    "<13>Nov 30 15:18:45 h t[1]: text", "<13>Nov 30 15:18:45 t: text", "<13>t: text", "<13>text", "text",
]  # fmt: skip
MESSAGE = st.one_of(
    st.sampled_from(SHAPES),
    st.lists(st.sampled_from(PARTS), min_size=1, max_size=12).map("".join),
    st.tuples(st.sampled_from(SHAPES), st.integers(0, 45), st.sampled_from(PARTS)).map(
        lambda found: found[0][: found[1]] + found[2] + found[0][found[1] :]
    ),
    st.text(max_size=30),
).map(lambda text: text.encode(errors="replace"))


def protocol() -> SyslogProtocol:
    return SyslogProtocol(lambda: NOW, line_bytes_max=LIMIT)


def check(data: bytes, sizes: list[int]) -> Outcome:
    whole = run_protocol(protocol, [data])
    assert run_protocol(protocol, cut(data, sizes)) == whole
    assert run_protocol(protocol, cut(data, [1])) == whole
    assert whole.replies == b""
    for entry in whole.entries:
        assert b"\n" not in entry
        assert "message" in json.loads(entry)
    one = protocol()
    for piece in cut(data, sizes):
        one.receive_data(piece)
        while one.next_batch() is not None:
            pass
        assert one.buffered_bytes() <= LIMIT + 20
    return whole


@given(st.lists(MESSAGE.filter(lambda one: one.strip(b"\0\r\n")), min_size=1, max_size=8))
def test_the_fast_way_reads_what_the_careful_one_reads(messages: list[bytes]) -> None:
    stamps = Stamps(lambda: NOW)
    together = msgspec.json.encode(read_messages(messages, stamps))
    apart = msgspec.json.encode([read_message(one, stamps) for one in messages])
    assert together == apart


@given(
    st.lists(
        st.one_of(
            st.tuples(MESSAGE, st.sampled_from([b"\n", b"\0", b"\r\n", b"", b"\n\n"])).map(b"".join),
            MESSAGE.map(lambda one: b"%d %s" % (len(one), one)),
            st.sampled_from([b"12 <", b"130 <13>", b"1", b"99", b"x" * 121, b"<13>" + b"y" * 200]),
            st.binary(max_size=30),
        ),
        max_size=10,
    ).map(b"".join),
    SIZES,
)
def test_any_split_of_any_frames_is_the_same(data: bytes, sizes: list[int]) -> None:
    check(data, sizes)


@given(st.binary(max_size=60), st.binary(max_size=20), SIZES)
def test_any_split_of_a_damaged_zlib_stream_is_the_same(
    inner: bytes, damage: bytes, sizes: list[int]
) -> None:
    check(zlib.compress(b"<13>a\n" + inner + b"\n<13>b") + damage, sizes)
    check(zlib.compress(b"<13>a\n")[:-5] + damage, sizes)


def test_damaged_streams_of_real_clients() -> None:
    chance = random.Random("syslog")
    for data in streams("syslog").values():
        for _ in range(20):
            damaged = bytearray(data)
            for _ in range(chance.randrange(1, 5)):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            check(bytes(damaged), [chance.randrange(1, 60)])


@pytest.mark.parametrize("content", [b"\0", b"\n", b" ", b"<13>"])
def test_a_zlib_bomb_ends_its_connection(content: bytes) -> None:
    one = protocol()
    one.receive_data(zlib.compress(content * (64 << 20)))
    count = 0
    while (found := one.next_batch()) is not None:
        count += len(found[0].verdicts)
    assert one.fatal is not None
    assert f"more than {UNPACKED_BYTES_MAX} bytes without a message" in one.fatal
    assert count <= 1
    assert one.buffered_bytes() <= LIMIT + 20
    one.receive_data(b"<13>more\n")
    assert one.next_batch() is None


COUNTED = st.binary(max_size=40).map(lambda text: b"<13>" + text) | st.just(b"<13>" + b"x" * 1200)
BROKEN = st.sampled_from([b"2 <", b"05 <13>x", b"9 x", b"<13>line\n", b"130000 <13>"])


@given(
    st.lists(COUNTED.map(lambda one: b"%d %b" % (len(one), one)) | BROKEN, max_size=8).map(b"".join),
    SIZES,
)
def test_counts_that_come_again_are_read_as_new_ones(data: bytes, sizes: list[int]) -> None:
    def framed(pieces: list[bytes]) -> list[object]:
        framer, found = syslog_frames.SyslogFramer(2000), list[object]()
        for piece in pieces:
            framer.feed(piece)
            while (one := framer.take()) is not None:
                found += one.messages if isinstance(one, syslog_frames.Messages) else [one.size_bytes]
        framer.end()
        while (one := framer.take()) is not None:
            found += one.messages if isinstance(one, syslog_frames.Messages) else [one.size_bytes]
        return [*found, len(framer)]

    fast = framed([data]), framed(cut(data, sizes))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(syslog_frames, "HEAD_BYTES", 0)
        assert (framed([data]), framed(cut(data, sizes))) == fast
