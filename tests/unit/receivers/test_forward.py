"""docs/contracts/forward.md: modes, acknowledgements, times, and records as they come."""

import gzip
import json
import struct
from base64 import b64decode
from hashlib import sha512
from pathlib import Path
from typing import Any

import msgspec
import pytest
from backports import zstd

from logboom.formats.compressed import Compressed
from logboom.formats.messagepack import MalformedError
from logboom.model import Receipt, Verdict
from logboom.receivers.forward.handshake import Handshake
from logboom.receivers.forward.protocol import ForwardProtocol
from logboom.testing.protocol_kit import Outcome, check_protocol, run_protocol

CAPTURES = Path(__file__).parents[2] / "captures"
NONCE = b"0123456789abcdef"

encode = msgspec.msgpack.Encoder().encode


def event_time(seconds: int, nanoseconds: int) -> msgspec.msgpack.Ext:
    return msgspec.msgpack.Ext(0, struct.pack(">II", seconds, nanoseconds))


def entries_of(outcome: Outcome) -> list[dict[str, Any]]:
    return [json.loads(entry) for entry in outcome.entries]


def entries_from(*messages: Any) -> list[dict[str, Any]]:
    """Send messages, and return their entries."""
    return entries_of(check_protocol(ForwardProtocol, b"".join(map(encode, messages))))


def with_key(**more: Any) -> ForwardProtocol:
    return ForwardProtocol(handshake=Handshake("s3cret", more, "logs.example", NONCE, b"salt"))


CAPTURED = {
    "forward/docker-fluentd.bin": (4, 0),
    "forward/docker-fluentd-ack.bin": (4, 4),
    "forward/js-fluent-logger-gzip.bin": (3, 1),
    "forward/js-fluent-logger-message-ack.bin": (3, 3),
    "forward/js-fluent-logger-packed.bin": (3, 1),
    "forward/js-fluent-org-CompressedPackedForward.bin": (3, 1),
    "forward/js-fluent-org-Forward.bin": (3, 1),
    "forward/js-fluent-org-Message.bin": (3, 3),
    "forward/js-fluent-org-PackedForward.bin": (3, 1),
    "forward/py-fluent-logger.bin": (3, 0),
    "fluentbit/forward.c1.bin": (1, 0),
    "fluentbit/forward.c2.bin": (2, 0),
    "fluentbit/forward-ack.c1.bin": (1, 1),
    "fluentbit/forward-ack.c2.bin": (2, 1),
    "fluentbit/forward-gzip.c1.bin": (2, 1),
    "fluentbit/forward-gzip.c2.bin": (1, 1),
}


@pytest.mark.parametrize("name", CAPTURED)
def test_what_real_clients_send_is_stored_and_acknowledged(name: str) -> None:
    data = (CAPTURES / name).read_bytes()
    outcome = check_protocol(ForwardProtocol, data)
    stored, acked = CAPTURED[name]
    assert outcome.verdicts == [Verdict.ACCEPTED] * stored
    assert not outcome.fatal
    assert outcome.replies.count(b"\x81\xa3ack") == acked
    chunks = [part[1:25] for part in data.split(b"chunk")[1:]]
    assert [part[1:25] for part in outcome.replies.split(b"ack")[1:]] == chunks
    for entry in entries_of(outcome):
        assert "message" in entry
        assert entry["labels"]["tag"] == entry["source"]
        assert 1_796_051_000 * 10**9 < entry["time"] < 1_796_053_000 * 10**9


@pytest.mark.parametrize(
    "name",
    ["forward/js-fluent-logger-auth.bin", "forward/js-fluent-org-auth.bin", "fluentbit/forward-auth.bin"],
)
def test_real_clients_prove_that_they_know_the_shared_key(name: str) -> None:
    data = (CAPTURES / name).read_bytes()
    outcome = check_protocol(
        lambda: ForwardProtocol(handshake=Handshake("s3cret", {}, "logs.example", NONCE, b"")), data
    )
    assert not outcome.fatal
    assert outcome.replies.count(b"\x81\xa3ack") == 1
    refused = check_protocol(
        lambda: ForwardProtocol(handshake=Handshake("other", {}, "logs.example", NONCE, b"")), data
    )
    assert refused.fatal
    assert not refused.entries


def test_dockers_fields_are_labels() -> None:
    outcome = check_protocol(ForwardProtocol, (CAPTURES / "forward/docker-fluentd-ack.bin").read_bytes())
    first = entries_of(outcome)[0]
    identifier = first["labels"].pop("container_id")
    assert len(identifier) == 64
    assert first == {
        "time": 1796051927021403820,
        "message": "valve stuck",
        "source": "11d8fab58481",
        "labels": {"tag": "11d8fab58481", "container_name": "pumps-24909", "stream": "stderr"},
    }


def test_fluent_bits_metadata_is_kept() -> None:
    [entry] = entries_of(
        check_protocol(ForwardProtocol, (CAPTURES / "fluentbit/forward.c1.bin").read_bytes())
    )
    assert entry["level"] == "WARNING"
    assert entry["attributes"] == {"device": "esp-7", "n": 1, "metadata": {"trace": "abc"}}


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (event_time(1796051342, 5), 1796051342000000005),
        (1796051342, 1796051342000000000),
        (1796051342.25, 1796051342250000000),
        (0, None),
        (None, None),
        (event_time(0, 0), None),
        ("soon", None),
        (msgspec.msgpack.Ext(7, b"x"), None),
        (float("nan"), None),
        ([event_time(1796051342, 5), {}], 1796051342000000005),
        ([], None),
    ],
)
def test_times(time: object, expected: int | None) -> None:
    [packed] = entries_from(["app", encode([time, {"message": "m"}])])
    assert packed.get("time") == expected
    assert entries_from(["app", [[time, {"message": "m"}]]]) == [packed]
    if not isinstance(time, str | list):
        assert entries_from(["app", time, {"message": "m"}]) == [packed]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"log": "a", "message": "b"}, {"message": "a", "attributes": {"message": "b"}}),
        ({"msg": "a"}, {"message": "a"}),
        ({"message": {"x": 1}}, {"message": '{"x":1}', "attributes": {"message": {"x": 1}}}),
        ({"cpu": 0.5}, {"attributes": {"cpu": 0.5}}),
        ({"message": "m", "level": "warn"}, {"message": "m", "level": "WARNING"}),
        ({"message": "m", "severity": "ERROR"}, {"message": "m", "level": "ERROR"}),
        ({"message": "m", "type": "syslog"}, {"message": "m", "attributes": {"type": "syslog"}}),
        ({"message": "m", "type": "INFO"}, {"message": "m", "level": "INFO"}),
        (
            {"msg": "m", "level": 50, "pid": 1, "hostname": "pi"},
            {"message": "m", "level": "ERROR", "host": "pi", "attributes": {"level": 50, "pid": 1}},
        ),
        ({"message": b"bytes"}, {"message": "bytes"}),
        ({b"message": "m", 7: 1}, {"message": "m", "attributes": {"7": 1}}),
        ({"message": "m", "x": float("nan")}, {"message": "m", "attributes": {"x": "nan"}}),
        ({"message": "m", "x": float("-inf")}, {"message": "m", "attributes": {"x": "-inf"}}),
        ({"message": "m", "x": 2**63}, {"message": "m", "attributes": {"x": 2**63}}),
        ({"message": "m", "x": [[[[["deep"]]]]]}, {"message": "m", "attributes": {"x": [[[[["deep"]]]]]}}),
        (
            {"message": "m", "x": msgspec.msgpack.Ext(5, b"abc")},
            {"message": "m", "attributes": {"x": {"type": 5, "data": "YWJj"}}},
        ),
        ("text", {"message": "text"}),
        (None, {"attributes": {"message": None}}),
    ],
)
def test_records_keep_all_that_they_hold(record: object, expected: dict[str, Any]) -> None:
    [entry] = entries_from(["app", 1796051342, record])
    assert entry == {"time": 1796051342 * 10**9, "source": "app", "labels": {"tag": "app"}, **expected}


def test_bytes_that_are_no_text_are_kept_as_they_came() -> None:
    message = b"\x92\xa3app\x91\x92\xce\x6b\x0d\x92\x30\x81\xa3log\xa3p\xfcp"
    [entry] = entries_of(check_protocol(ForwardProtocol, message))
    assert entry["message"] == "p\ufffdp"
    assert b"p\xfcp" in b64decode(entry["raw"])


@pytest.mark.parametrize("head", [b"\xc5", b"\xda"])
def test_packed_entries_may_be_binary_or_text(head: bytes) -> None:
    packed = b"".join(encode([number, {"n": number}]) for number in range(1, 100))
    message = b"\x93\xa3app" + head + len(packed).to_bytes(2) + packed + encode({"chunk": "c"})
    entries = entries_of(check_protocol(ForwardProtocol, message))
    assert [entry["attributes"]["n"] for entry in entries] == list(range(1, 100))


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("gzip", gzip.compress(encode([1, {"log": "a"}])) + gzip.compress(encode([2, {"log": "b"}]))),
        ("zstd", zstd.compress(encode([1, {"log": "a"}])) + zstd.compress(encode([2, {"log": "b"}]))),
        ("text", encode([1, {"log": "a"}]) + encode([2, {"log": "b"}])),
    ],
    ids=["gzip", "zstd", "text"],
)
def test_compressed_entries(kind: str, data: bytes) -> None:
    entries = entries_from(["app", data, {"compressed": kind}])
    assert [entry["message"] for entry in entries] == ["a", "b"]


def test_a_large_chunk_is_acknowledged_once_after_its_last_batch() -> None:
    packed = b"".join(encode([event_time(1796051342, n), {"log": f"line {n}"}]) for n in range(20_000))
    for data, options in ((packed, {}), (gzip.compress(packed), {"compressed": "gzip"})):
        protocol = ForwardProtocol()
        protocol.receive_data(encode(["app", data, {"chunk": "c1", **options}]))
        batches = []
        while (item := protocol.next_batch()) is not None:
            batches.append(item)
        assert len(batches) > 3
        assert sum(batch.count for batch, _ in batches) == 20_000
        replies = [acker(Receipt(0, batch.verdicts)) for batch, acker in batches]
        assert replies[:-1] == [b""] * (len(batches) - 1)
        assert replies[-1] == encode({"ack": "c1"})
        keys = [key for batch, _ in batches for key in batch.keys or ()]
        assert keys[0] == b'"forward:c1:0"'
        assert len(set(keys)) == 20_000


def test_a_chunk_that_could_not_be_stored_whole_is_not_acknowledged() -> None:
    packed = b"".join(encode([event_time(1796051342, n), {"log": f"line {n}"}]) for n in range(20_000))
    protocol = ForwardProtocol()
    protocol.receive_data(encode(["app", packed, {"chunk": "c1"}]) + encode(["app", 1, {}, {"chunk": "c2"}]))
    replies = b""
    number = 0
    while (item := protocol.next_batch()) is not None:
        batch, acker = item
        replies += acker(batch.failed_receipt() if number == 1 else batch.receipt(0))
        number += 1
    assert replies == encode({"ack": "c2"})


def test_chunks_without_entries_are_acknowledged_in_their_place() -> None:
    messages = [
        ["app", 1, {"log": "a"}, {"chunk": "c1"}],
        ["app", [], {"chunk": "c2"}],
        ["app", b"", {"chunk": "c3"}],
    ]
    outcome = check_protocol(ForwardProtocol, b"".join(map(encode, messages)))
    assert outcome.replies == b"".join(encode({"ack": chunk}) for chunk in ("c1", "c2", "c3"))


def test_metrics_are_refused_and_acknowledged() -> None:
    outcome = check_protocol(ForwardProtocol, encode(["app", b"\x80", {"fluent_signal": 1, "chunk": "m"}]))
    assert outcome.verdicts == [Verdict.NOT_OBJECT]
    assert outcome.replies == encode({"ack": "m"})


def test_an_entry_that_cannot_be_read_costs_no_other() -> None:
    packed = encode([1, {"log": "a"}]) + b"\x92\x02\x81\xc1" + encode([3, {"log": "b"}])
    outcome = check_protocol(ForwardProtocol, encode(["app", packed, {"chunk": "c"}]))
    first, rest = entries_of(outcome)
    assert first["message"] == "a"
    assert b64decode(rest["raw"]).startswith(b"\x92\x02\x81\xc1")
    assert outcome.replies == encode({"ack": "c"})


def test_deep_nesting_is_kept_as_bytes() -> None:
    deep = b"\x92\x01\x81\xa1x" + b"\x91" * 30_000 + b"\xc0"
    entries = entries_of(
        check_protocol(ForwardProtocol, encode(["app", deep + encode([2, {"log": "b"}])]), rounds=1)
    )
    assert b64decode(entries[0]["raw"]) == deep
    assert entries[1]["message"] == "b"


def test_a_bomb_is_bounded() -> None:
    compressed = Compressed("gzip", gzip.compress(bytes(65 << 20), 9), 1 << 20)
    for _ in range(64):
        compressed.take()
    with pytest.raises(MalformedError, match="more than 67108864 bytes when unpacked"):
        compressed.take()


def test_a_head_that_promises_too_much_is_kept_as_bytes() -> None:
    head = gzip.compress(b"\xdd\xff\xff\xff\xff")
    [entry] = entries_from(["app", head, {"compressed": "gzip"}])
    assert b64decode(entry["raw"]) == b"\xdd\xff\xff\xff\xff"


@pytest.mark.parametrize(
    ("data", "entries"),
    [
        (b'["app", 1, {}] {"log": "a"}', 1),
        (b'["app", 1, {}}', 0),
        (b'["app", 1, {}] x', 1),
        (b'["app", 1, {"log": "' + b"x" * 4096, 0),
        (b'["app", 1, {"x": ' + b"[" * 501 + b"]" * 501 + b"}]", 0),
        (b"GET / HTTP/1.1\r\n", 0),
        (encode(["app", 1, {"log": "a"}]) + b"\x01", 1),
        (encode(["app"]), 0),
        (encode([1, 2, {}]), 0),
        (encode(["app", 1]), 0),
        (encode({"a": 1}), 0),
        (b"\x93\xa3app\xdd\xff\xff\xff\xff" + b"\xc0" * 5000, 0),
        (encode(["app", b"x" * 5000]), 0),
    ],
)
def test_what_is_no_forward_ends_the_connection_behind_what_was_good(data: bytes, entries: int) -> None:
    outcome = check_protocol(lambda: ForwardProtocol(message_bytes_max=4096), data)
    assert outcome.fatal
    assert len(outcome.entries) == entries


def test_heartbeats_are_ignored() -> None:
    assert len(entries_from(None, None, ["app", 1, {"log": "a"}], None)) == 1


def test_the_handshake_checks_users() -> None:
    def ping(password: str) -> bytes:
        proof = sha512(b"xyz" + b"pi4" + NONCE + b"s3cret").hexdigest()
        return encode(
            ["PING", "pi4", b"xyz", proof, "ann", sha512(b"saltann" + password.encode()).hexdigest()]
        )

    hello = encode(["HELO", {"nonce": NONCE, "auth": b"salt", "keepalive": True}])
    expected = sha512(b"xyz" + b"logs.example" + NONCE + b"s3cret").hexdigest()
    entry = encode(["app", 1, {"log": "a"}])
    good = check_protocol(lambda: with_key(ann="right"), ping("right") + entry)
    assert good.replies == hello + encode(["PONG", True, "", "logs.example", expected])
    assert len(good.entries) == 1

    bad = check_protocol(lambda: with_key(ann="right"), ping("wrong") + entry)
    assert bad.replies == hello + encode(["PONG", False, "username/password mismatch", "", ""])
    assert bad.fatal
    assert not bad.entries


def test_a_client_without_the_key_is_turned_away() -> None:
    outcome = run_protocol(with_key, [encode(["app", 1, {"log": "a"}])])
    assert outcome.fatal
    assert not outcome.entries
