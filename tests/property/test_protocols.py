"""Every protocol, any bytes, any split: the same lines and replies, no exception, bounded memory."""

import gzip
import json
import random
from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logboom.model import Verdict, WireProtocol
from logboom.receivers.collector.protocol import REPLIES, CollectorProtocol
from logboom.receivers.device.protocol import ACK, DeviceProtocol
from logboom.receivers.gateway.protocol import GatewayProtocol
from logboom.testing.protocol_kit import Outcome, cut, run_protocol

LIMIT = 90
FRAME_LIMIT = 400

DEVICE_LINE = b'{"boot_seq":1,"uptime_ms":2,"msg":"x"}'
READING = b'{"time":"t","temp":1,"rh":"2","lux":3}'
COLLECTOR_LINE = b'{"level":"INFO","message":"m"}'
BAD_LINES = [b"nope", b"{}", b"[]", b"null", b"null null", b"\xff", b"{" * 40, b'"', b"\0", b"}{", b"1 2"]


def framed(payload: bytes) -> bytes:
    return len(payload).to_bytes(4, "big") + payload


class Kind(NamedTuple):
    """A protocol, what its clients send, and what an entry of it needs."""

    make: Callable[[], WireProtocol]
    good: bytes
    needs: set[str]
    held_max: int


KINDS = {
    "device": Kind(
        lambda: DeviceProtocol(line_bytes_max=LIMIT), DEVICE_LINE, {"boot_seq", "uptime_ms"}, LIMIT + 1
    ),
    "gateway": Kind(
        lambda: GatewayProtocol(line_bytes_max=LIMIT), READING, {"time", "temp", "rh", "lux"}, LIMIT + 1
    ),
    "collector": Kind(
        lambda: CollectorProtocol(line_bytes_max=LIMIT, frame_bytes_max=FRAME_LIMIT),
        COLLECTOR_LINE,
        {"level", "message"},
        FRAME_LIMIT + 4 + LIMIT + 1,
    ),
}
NAMES = sorted(KINDS)


def lines(good: bytes) -> st.SearchStrategy[bytes]:
    """Good, bad, blank and long lines with either line end, sometimes without the last one."""
    padded = [
        good[:-1] + b',"p":"' + b"x" * (size - len(good) - 7) + b'"}' for size in (LIMIT, LIMIT + 1, 300)
    ]
    line = st.sampled_from(
        [good, good, good, *padded, *BAD_LINES, b"", b" ", good + good, good[:-3], good + b"\r"]
    )
    ended = st.tuples(line, st.sampled_from([b"\n", b"\n", b"\r\n", b""])).map(b"".join)
    return st.lists(ended, max_size=12).map(b"".join)


SIZES = st.lists(st.integers(1, 120), min_size=1, max_size=5)
NOISE = st.binary(max_size=200)


def check(kind: Kind, data: bytes, sizes: list[int]) -> Outcome:
    """Hold one stream to everything that is true for all protocols."""
    whole = run_protocol(kind.make, [data])
    assert run_protocol(kind.make, cut(data, sizes)) == whole
    assert run_protocol(kind.make, cut(data, [1])) == whole
    assert not whole.fatal
    assert len(whole.entries) == whole.verdicts.count(Verdict.ACCEPTED)
    for entry in whole.entries:
        assert b"\n" not in entry
        assert kind.needs <= json.loads(entry).keys()
    check_memory(kind, data, sizes)
    return whole


def check_memory(kind: Kind, data: bytes, sizes: list[int]) -> None:
    protocol = kind.make()
    for piece in cut(data, sizes):
        protocol.receive_data(piece)
        while protocol.next_batch() is not None:
            pass
        assert protocol.buffered_bytes() <= kind.held_max


def wire_lines(data: bytes) -> list[Verdict | None]:
    """What each line of a newline-delimited stream is, as far as its frame tells; None is left to judge."""
    *whole, rest = data.split(b"\n")
    found: list[Verdict | None] = []
    for line, terminated in [*((line, True) for line in whole), (rest, False)]:
        size = len(line.removesuffix(b"\r")) if terminated else len(line)
        if size > LIMIT:
            found.append(Verdict.TOO_LONG)
        elif line and not line.isspace():
            found.append(None)
    return found


@pytest.mark.parametrize("name", NAMES)
@given(st.data())
def test_any_split_of_a_mixed_stream_is_the_same(name: str, data: st.DataObject) -> None:
    kind = KINDS[name]
    outcome = check(kind, data.draw(lines(kind.good)), data.draw(SIZES))
    assert len(outcome.replies) == len(expected_replies(name, outcome.verdicts))


@pytest.mark.parametrize("name", NAMES)
@given(NOISE, SIZES)
def test_any_split_of_noise_is_the_same(name: str, data: bytes, sizes: list[int]) -> None:
    check(KINDS[name], data, sizes)


def expected_replies(name: str, verdicts: list[Verdict]) -> bytes:
    if name == "device":
        return ACK * verdicts.count(Verdict.ACCEPTED)
    return b"".join(REPLIES[verdict] for verdict in verdicts) if name == "collector" else b""


@pytest.mark.parametrize("name", ["device", "collector"])
@given(st.data())
def test_one_verdict_and_one_reply_a_line_in_order(name: str, data: st.DataObject) -> None:
    kind = KINDS[name]
    stream = data.draw(lines(kind.good))
    outcome = run_protocol(kind.make, cut(stream, data.draw(SIZES)))
    if not stream.startswith(b"\0"):
        expected = wire_lines(stream)
        assert len(outcome.verdicts) == len(expected)
        for found, framing in zip(outcome.verdicts, expected, strict=True):
            assert (found is Verdict.TOO_LONG) == (framing is Verdict.TOO_LONG)
    assert outcome.replies == expected_replies(name, outcome.verdicts)


@given(
    st.lists(
        st.one_of(
            st.lists(st.sampled_from([COLLECTOR_LINE, b"nope", b"", b"x" * 200]), max_size=4).map(
                lambda lines: framed(gzip.compress(b"\n".join(lines), mtime=0))
            ),
            st.binary(max_size=30).map(framed),
            st.binary(max_size=30).map(lambda tail: framed(gzip.compress(COLLECTOR_LINE, mtime=0) + tail)),
            st.just(framed(bytes(FRAME_LIMIT + 1))),
        ),
        max_size=5,
    ).map(b"".join),
    SIZES,
)
def test_gzip_frames_in_any_split(frames: bytes, sizes: list[int]) -> None:
    start = framed(gzip.compress(COLLECTOR_LINE, mtime=0))
    outcome = check(KINDS["collector"], start + frames, sizes)
    assert outcome.entries[0] == COLLECTOR_LINE
    assert outcome.replies == expected_replies("collector", outcome.verdicts)


@given(
    st.lists(st.sampled_from([b"", b" ", b"\n", b"\r\n", b"\n\n", b"\t"]), min_size=1, max_size=8),
    st.sampled_from([READING[:1], READING[:9], READING[:-1], b'{"a":"\\', b'{"a":{"b":[']),
    SIZES,
)
def test_good_readings_survive_any_separator_and_a_torn_neighbour(
    separators: list[bytes], torn: bytes, sizes: list[int]
) -> None:
    stream = b"".join(READING + separator for separator in separators)
    kind = KINDS["gateway"]
    assert run_protocol(kind.make, cut(stream, sizes)).entries == [READING] * len(separators)
    outcome = run_protocol(kind.make, cut(stream + torn + b"\n" + stream, sizes))
    assert outcome.entries == [READING] * (2 * len(separators))
    assert outcome.verdicts.count(Verdict.NOT_JSON) == 1


def mutated(data: bytes, chance: random.Random) -> bytes:
    """The same with a few bytes flipped, cut out, doubled or put in."""
    bytes_ = bytearray(data)
    for _ in range(chance.randrange(1, 8)):
        start = chance.randrange(len(bytes_) + 1)
        size = chance.choice((1, 1, 2, 5, 60))
        match chance.randrange(4):
            case 0 if start < len(bytes_):
                bytes_[start] ^= 1 << chance.randrange(8)
            case 1:
                del bytes_[start : start + size]
            case 2:
                bytes_[start:start] = bytes_[start : start + size]
            case _:
                bytes_[start:start] = chance.choice(
                    (chance.randbytes(size), b"\n", b'"', b"{", b"}", b"\\", b"\0")
                )
    return bytes(bytes_)


def seeds_of(name: str, chance: random.Random) -> bytes:
    kind = KINDS[name]
    if name == "collector" and chance.random() < 0.5:
        text = b"\n".join([kind.good] * chance.randrange(1, 6))
        return b"".join(framed(gzip.compress(text, mtime=0)) for _ in range(3))
    parts = [kind.good, kind.good, *BAD_LINES]
    return b"".join(chance.choice(parts) + chance.choice((b"\n", b"\r\n", b"")) for _ in range(12))


@pytest.mark.parametrize("name", NAMES)
def test_fuzz(name: str) -> None:
    """Bounded and always the same: streams of clients, damaged."""
    chance = random.Random(f"fuzz {name}")
    for _ in range(2000):
        data = mutated(seeds_of(name, chance), chance)
        outcome = check(KINDS[name], data, [chance.randrange(1, 50) for _ in range(4)])
        assert len(outcome.replies) == len(expected_replies(name, outcome.verdicts))
