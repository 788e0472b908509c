"""docs/contracts/gelf.md: messages of all clients, packed and in chunks, under the common names."""

import gzip
import json
import random
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logboom.model import Receipt, Verdict
from logboom.receivers.gelf.gelf_packets import (
    CHUNK_MARK,
    CHUNKS_S_MAX,
    PENDING_BYTES_MAX,
    PENDING_MAX,
    GelfDatagrams,
)
from logboom.receivers.gelf.protocol import GelfBody, GelfProtocol
from logboom.receivers.http_push import BodyError, HttpRequest
from logboom.testing.protocol_kit import check_protocol, cut, run_protocol
from tests.kit.captures import datagrams, streams

EXPECTED = json.loads(Path(__file__).with_name("gelf_entries.json").read_text())
LIMIT = 64 << 10


def protocol() -> GelfProtocol:
    return GelfProtocol(line_bytes_max=LIMIT)


def read(*sent: bytes, limit: int = LIMIT) -> list[dict[str, Any]]:
    batch = GelfDatagrams(limit).read(list(sent), "10.0.0.1", 0.0)
    return [] if batch is None else [json.loads(entry) for entry in batch.entries.split(b"\n") if entry]


def chunks(data: bytes, size: int = 10, number: bytes = b"12345678") -> list[bytes]:
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    return [CHUNK_MARK + number + bytes([place, len(pieces)]) + one for place, one in enumerate(pieces)]


@pytest.mark.parametrize(("folder", "pattern"), [("gelf", "*"), ("fluentbit", "gelf*")])
def test_what_real_clients_send(folder: str, pattern: str) -> None:
    for name, data in streams(folder, pattern).items():
        if "http" not in name:
            outcome = check_protocol(protocol, data, rounds=2)
            assert [json.loads(entry) for entry in outcome.entries] == EXPECTED[f"{folder}/{name}"], name
            assert (set(outcome.verdicts), outcome.replies) == ({Verdict.ACCEPTED}, b"")
    for name, sent in datagrams(folder, pattern).items():
        assert read(*sent) == EXPECTED[f"{folder}/{name}"], name


@pytest.mark.parametrize("name", ["py-graypy-http", "py-pygelf-http"])
def test_what_real_clients_post(name: str) -> None:
    for data in (one for key, one in streams("gelf").items() if key.startswith(name)):
        body = GelfBody(HttpRequest("POST", "/gelf", {}, {}, {}, "application/octet-stream"), LIMIT)
        body.feed(zlib.decompress(data.partition(b"\r\n\r\n")[2]))
        body.end()
        batch = body.take()
        assert batch is not None
        assert batch.count == 1
        body.settle(batch, Receipt(0, batch.verdicts))
        assert body.reply().status == 202


def test_a_body_that_is_no_message_is_refused_with_the_reason() -> None:
    body = GelfBody(HttpRequest("POST", "/gelf", {}, {}, {}, ""), LIMIT)
    body.feed(b"hello")
    with pytest.raises(BodyError, match="not JSON") as refused:
        body.end()
    assert body.refuse(refused.value).status == 400


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b'{"short_message":"m"}', {"message": "m", "level": "INFO"}),
        (b'{"short_message":"","host":"h"}', {"message": "", "level": "INFO", "host": "h"}),
        (b'{"message":"m","level":"3"}', {"message": "m", "level": "ERROR"}),
        (b'{"_n":1}', {"message": '{"_n":1}', "level": "INFO", "attributes": {"n": 1}}),
        (b'{"short_message":"m","level":"warn"}', {"message": "m", "level": "WARNING"}),
        (
            b'{"short_message":"m","timestamp":0.5,"_x":1.10,"x":2}',
            {"message": "m", "level": "INFO", "time": 500000000, "attributes": {"_x": 1.1, "x": 2}},
        ),
        (
            b'{"short_message":"m","timestamp":"soon","_":null}',
            {"message": "m", "level": "INFO", "attributes": {"timestamp": "soon", "_": None}},
        ),
        (
            b'{"short_message":"m","timestamp":1.5e9}',
            {"message": "m", "level": "INFO", "time": 1500000000000000000},
        ),
        (b'{"short_message":"m","timestamp":1e999}', None),
        (
            b'{\n"short_message":"m",\r\n"_a":[1,\n2]}',
            {"message": "m", "level": "INFO", "attributes": {"a": [1, 2]}},
        ),
        (b'{"short_message":"m","_v":NaN}', {"message": "m", "level": "INFO", "attributes": {"v": "NaN"}}),
    ],
)
def test_messages(message: bytes, expected: dict[str, Any] | None) -> None:
    found = read(message)
    assert found == [expected] or expected is None


def test_digits_of_numbers_are_kept() -> None:
    batch = GelfDatagrams(LIMIT).read(
        [b'{"short_message":"m","_n":1.10,"timestamp":1796051330.8208591}'], "p", 0.0
    )
    assert batch is not None
    assert (
        batch.entries == b'{"time":1796051330820859100,"level":"INFO","message":"m","attributes":{"n":1.10}}'
    )


def test_bytes_that_are_not_utf8_are_kept() -> None:
    [entry] = read(b'{"short_message":"\xff"}')
    assert (entry["message"], entry["raw"]) == ("\ufffd", "eyJzaG9ydF9tZXNzYWdlIjoi/yJ9")


def test_chunks_in_any_order_twice_and_mixed() -> None:
    one = zlib.compress(b'{"short_message":"one"}')
    two = gzip.compress(b'{"short_message":"two"}')
    sent = [*chunks(one, number=b"aaaaaaaa"), *chunks(two, number=b"bbbbbbbb")] * 2
    random.Random(1).shuffle(sent)
    found = {entry["message"] for entry in read(*sent)}
    assert found == {"one", "two"}


def test_chunks_belong_to_their_sender() -> None:
    reader = GelfDatagrams(LIMIT)
    first, second, third = chunks(b'{"short_message":"one"}')
    assert reader.read([first, second], "10.0.0.1", 0.0) is None
    assert reader.read([third], "10.0.0.2", 0.0) is None
    batch = reader.read([third], "10.0.0.1", 0.0)
    assert batch is not None
    assert b'"one"' in batch.entries


def test_messages_whose_chunks_do_not_all_come_are_given_up_and_counted() -> None:
    reader = GelfDatagrams(LIMIT)
    reader.read(chunks(b'{"short_message":"one"}')[:2], "10.0.0.1", 0.0)
    assert reader.expire(CHUNKS_S_MAX) is None
    batch = reader.expire(CHUNKS_S_MAX + 0.1)
    assert batch is not None
    assert batch.verdicts == bytes([Verdict.NOT_JSON])
    assert "did not all come" in batch.reasons[0]
    assert reader.pending_bytes == 0


def test_chunks_that_wait_are_bounded() -> None:
    reader = GelfDatagrams(LIMIT)
    part = CHUNK_MARK + b"%08d" + bytes([0, 2])
    for number in range(PENDING_MAX + 10):
        reader.read([part % number + b"x" * 50_000], "10.0.0.1", 0.0)
        assert reader.pending_bytes <= PENDING_BYTES_MAX
    given_up = reader.expire(0.0)
    assert given_up is not None
    assert len(given_up.verdicts) > PENDING_MAX // 2


@pytest.mark.parametrize(
    ("datagram", "reason"),
    [
        (b"hello", "not a JSON object"),
        (b"[1]", "not a JSON object"),
        (b"", "not a JSON object"),
        (CHUNK_MARK + b"123", "a chunk of 5 bytes"),
        (CHUNK_MARK + b"12345678\x00\x00", "chunk 0 of 0"),
        (CHUNK_MARK + b"12345678\x02\x02x", "chunk 2 of 2"),
        (zlib.compress(b"{}")[:-6], "the packing ends too early"),
        (b"\x78\x9c\xff\xff\xff", "damaged packing"),
        (zlib.compress(b" " * (64 << 20)), "a message of more than 65536 bytes"),
        (b'{"a":' * 600 + b"1" + b"}" * 600, "nested too deeply"),
    ],
)
def test_what_is_no_message_is_refused_and_costs_nothing_else(datagram: bytes, reason: str) -> None:
    batch = GelfDatagrams(LIMIT).read([datagram, b'{"short_message":"m"}'], "10.0.0.1", 0.0)
    assert batch is not None
    assert batch.verdicts == bytes([Verdict.NOT_JSON, Verdict.ACCEPTED])
    assert reason in batch.reasons[0]


@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                [b'{"short_message":"m"}', b'{"a":{"b":1}}', b"\0", b"\n", b"{", b"}", b"x", b'{"a":"']
            )
        ),
        max_size=10,
    ).map(b"".join),
    st.lists(st.integers(1, 30), min_size=1, max_size=4),
)
def test_any_split_is_the_same(data: bytes, sizes: list[int]) -> None:
    whole = run_protocol(protocol, [data])
    assert run_protocol(protocol, cut(data, sizes)) == whole


@given(
    st.lists(
        st.one_of(st.binary(max_size=40), st.binary(max_size=20).map(lambda rest: CHUNK_MARK + rest)),
        max_size=8,
    )
)
def test_any_datagrams_are_read(sent: list[bytes]) -> None:
    reader = GelfDatagrams(LIMIT)
    reader.read(sent, "10.0.0.1", 0.0)
    reader.expire(10.0)
    assert reader.pending_bytes == 0
