"""RELP, Forward, Beats, GELF and the port for all: any bytes and any split give the same, in bounded memory."""

import json
import random
import struct
import time
import zlib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logboom.formats import compressed
from logboom.model import Verdict, WireProtocol
from logboom.receivers.any import RECEIVER as ANY
from logboom.receivers.base import Transport
from logboom.receivers.beats.protocol import BeatsProtocol
from logboom.receivers.forward.protocol import ForwardProtocol
from logboom.receivers.gelf.gelf_packets import CHUNK_MARK, GelfDatagrams
from logboom.receivers.gelf.protocol import GelfProtocol
from logboom.receivers.relp.protocol import RelpProtocol
from logboom.testing.protocol_kit import cut, run_protocol
from tests.kit.captures import streams

LIMIT = 4096
MAKERS: dict[str, Callable[[], WireProtocol]] = {
    "relp": lambda: RelpProtocol(time.time, frame_bytes_max=LIMIT),
    "forward": lambda: ForwardProtocol(message_bytes_max=LIMIT),
    "forward-json": lambda: ForwardProtocol(message_bytes_max=LIMIT),
    "gelf": lambda: GelfProtocol(line_bytes_max=LIMIT),
    "beats": lambda: BeatsProtocol(event_bytes_max=LIMIT, frame_bytes_max=LIMIT),
}
encode = msgspec.msgpack.encode
SIZES = st.lists(st.integers(1, 120), min_size=1, max_size=5)

TIMES = st.sampled_from(
    [0, 1796000000, 1.5, None, msgspec.msgpack.Ext(0, b"\x6b\x0c\x7b\x00" + bytes(4)), [1, {}]]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats()
    | st.text(max_size=9)
    | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
RECORDS = st.dictionaries(
    st.sampled_from(["log", "level", "message", "container_name", "x"]), VALUES, max_size=4
)
OPTIONS = st.sampled_from([{}, {"chunk": "abc"}, {"chunk": "d", "compressed": "gzip"}, {"fluent_signal": 1}])


def forward_message(tag: str, entries: list[object], options: dict[str, object], mode: int) -> bytes:
    if mode == 0:
        return b"".join(encode([tag, *entry, options]) for entry in entries)  # type: ignore[misc]
    packed = b"".join(map(encode, entries))
    if options.get("compressed"):
        compressor = zlib.compressobj(wbits=31)
        packed = compressor.compress(packed) + compressor.flush()
    return encode([tag, entries if mode == 1 else packed, options])


FORWARD = st.builds(
    forward_message,
    st.sampled_from(["app", "docker.a", ""]),
    st.lists(st.tuples(TIMES, RECORDS).map(list), max_size=4),
    OPTIONS,
    st.integers(0, 2),
)
EVENTS = st.lists(
    st.sampled_from(
        [b'{"message":"m"}', b'{"log":{"level":"error"}}', b"[]", b"nope", b"\xff", b'{"host":{"name":"h"}}']
    ),
    min_size=1,
    max_size=4,
)


def window(events: list[bytes], *, packed: bool) -> bytes:
    frames = b"".join(
        b"2J" + struct.pack(">II", number, len(one)) + one for number, one in enumerate(events, 1)
    )
    if packed:
        data = zlib.compress(frames)
        frames = b"2C" + struct.pack(">I", len(data)) + data
    return b"2W" + struct.pack(">I", len(events)) + frames


def _plain(record: dict[str, Any]) -> dict[str, str]:
    return {key: repr(value) for key, value in record.items()}


STREAMS = {
    "relp": st.lists(st.binary(max_size=30).filter(bool), max_size=5).map(
        lambda texts: (
            b"1 open 0\n" + b"".join(b"%d syslog %d %s\n" % (n, len(t), t) for n, t in enumerate(texts, 2))
        )
    ),
    "forward": st.lists(FORWARD, max_size=3).map(b"".join),
    "forward-json": st.lists(
        st.tuples(st.sampled_from(["app", ']\\"[']), RECORDS.map(_plain), OPTIONS), max_size=3
    ).map(lambda found: b" ".join([json.dumps([tag, 1, *rest]).encode() for tag, *rest in found])),
    "gelf": st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from(["short_message", "host", "level", "_x"]), st.text(max_size=5)),
            st.sampled_from([b"\0", b"\n", b""]),
        ).map(lambda found: json.dumps(found[0]).encode() + found[1]),
        max_size=4,
    ).map(b"".join),
    "beats": st.lists(st.builds(window, EVENTS, packed=st.booleans()), max_size=3).map(b"".join),
}


@pytest.mark.parametrize("name", sorted(MAKERS))
@given(data=st.data(), noise=st.binary(max_size=40), sizes=SIZES)
def test_any_split_gives_the_same(name: str, data: st.DataObject, noise: bytes, sizes: list[int]) -> None:
    stream = data.draw(STREAMS[name]) + noise
    whole = run_protocol(MAKERS[name], [stream])
    apart = run_protocol(MAKERS[name], cut(stream, sizes))
    assert (apart.entries, apart.verdicts, apart.replies, apart.fatal) == (
        whole.entries,
        whole.verdicts,
        whole.replies,
        whole.fatal,
    )
    assert len(whole.entries) == whole.verdicts.count(Verdict.ACCEPTED)
    for entry in whole.entries:
        assert isinstance(msgspec.json.decode(entry), dict)


@pytest.mark.parametrize("name", sorted(MAKERS))
@given(noise=st.binary(max_size=300), sizes=SIZES)
def test_noise_ends_in_a_reason_or_waits_in_bounded_memory(name: str, noise: bytes, sizes: list[int]) -> None:
    protocol = MAKERS[name]()
    for part in cut(noise * 40, sizes):
        protocol.receive_data(part)
        while protocol.next_batch() is not None:
            pass
        if protocol.fatal is not None:
            return
        assert protocol.buffered_bytes() <= LIMIT + sum(sizes) + len(noise)


def on_any_port() -> WireProtocol:
    settings = msgspec.convert({"protocol": "any", "port": 0}, ANY.settings)
    protocol: WireProtocol = ANY.transports[Transport.TCP].make(settings)
    return protocol


@given(data=st.data(), noise=st.binary(max_size=40), sizes=SIZES)
def test_any_split_gives_the_same_on_the_port_for_all(
    data: st.DataObject, noise: bytes, sizes: list[int]
) -> None:
    stream = data.draw(st.one_of(*STREAMS.values())) + noise
    whole = run_protocol(on_any_port, [stream])
    assert run_protocol(on_any_port, cut(stream, sizes)) == whole


@pytest.mark.parametrize("name", ["relp", "forward", "beats", "gelf"])
def test_damaged_streams_of_real_clients(name: str) -> None:
    chance = random.Random(name)
    for data in streams(name).values():
        for make in (MAKERS[name], on_any_port):
            for _ in range(5):
                damaged = bytearray(data[:LIMIT])
                for _ in range(chance.randrange(1, 5)):
                    damaged[chance.randrange(len(damaged))] = chance.randrange(256)
                whole = run_protocol(make, [bytes(damaged)])
                assert run_protocol(make, cut(bytes(damaged), [chance.randrange(1, 60)])) == whole


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=60),
            st.tuples(
                st.binary(min_size=8, max_size=8), st.binary(min_size=2, max_size=2), st.binary(max_size=40)
            ).map(lambda found: CHUNK_MARK + b"".join(found)),
            st.binary(max_size=60).map(zlib.compress),
        ),
        max_size=20,
    )
)
def test_any_datagrams_of_gelf(sent: list[bytes]) -> None:
    datagrams = GelfDatagrams(LIMIT)
    for batch in (datagrams.read(sent, "10.0.0.1", 0.0), datagrams.expire(1e9)):
        if batch is not None:
            entries = batch.entries.split(b"\n") if batch.entries else []
            assert len(entries) == batch.count
            assert all(isinstance(msgspec.json.decode(entry), dict) for entry in entries)
    assert datagrams.expire(2e9) is None


@pytest.mark.parametrize("name", ["forward", "beats"])
def test_a_bomb_is_unpacked_in_steps_up_to_a_limit(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty entries of a quarter MiB, packed into a few KiB; unpacking ends behind the limit."""
    monkeypatch.setattr(compressed, "UNPACKED_BYTES_MAX", 5 << 20)
    text = "x" * (256 << 10)
    if name == "forward":
        packed = _packed([encode([0, {"log": text}])] * 40, wbits=31)
        stream = encode(["bomb", packed, {"compressed": "gzip", "chunk": "c"}])
        protocol: WireProtocol = ForwardProtocol()
    else:
        event = b'{"message":"%b"}' % text.encode()
        packed = _packed([b"2J" + struct.pack(">II", n, len(event)) + event for n in range(1, 41)], wbits=15)
        stream = b"2W" + struct.pack(">I", 40) + b"2C" + struct.pack(">I", len(packed)) + packed
        protocol = BeatsProtocol()
    protocol.receive_data(stream)
    count = 0
    while (item := protocol.next_batch()) is not None:
        count += item[0].count
        assert protocol.buffered_bytes() < 2 << 20
    assert count in {19, 20}
    assert (protocol.fatal is None) == (name == "forward")  # its chunk was read: the rest of it is refused


def _packed(parts: list[bytes], wbits: int) -> bytes:
    packer = zlib.compressobj(wbits=wbits)
    return b"".join(map(packer.compress, parts)) + packer.flush()
