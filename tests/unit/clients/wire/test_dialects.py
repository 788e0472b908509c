"""Lines into wire form, and replies out of it."""

import json

import pytest

from logboom.clients.wire.collector_dialect import CollectorDialect
from logboom.clients.wire.device_dialect import DeviceDialect
from logboom.clients.wire.dialect import Dialect, Outcome, Reply, UnfitLineError
from logboom.clients.wire.dialect_registry import DIALECTS
from logboom.clients.wire.gateway_dialect import GatewayDialect
from logboom.clients.wire.websocket_dialect import WebSocketDialect
from logboom.formats.proto_schema import load_schema
from logboom.receivers.capnp.protocol import CapnpProtocol
from logboom.receivers.collector import protocol as collector
from logboom.receivers.device import protocol as device

JSON_DIALECTS = ["device", "collector", "gateway"]
OBJECT = b'{"boot_seq": 1,  "uptime_ms":2,"x":"\xc3\xa4"}'


@pytest.mark.parametrize("name", JSON_DIALECTS)
def test_objects_are_sent_as_they_are(name: str) -> None:
    assert DIALECTS[name]().encode(OBJECT) == OBJECT + b"\n"


@pytest.mark.parametrize("name", JSON_DIALECTS)
def test_an_object_never_takes_two_lines(name: str) -> None:
    assert DIALECTS[name]().encode(b'{\n"a": 1\n}') == b'{ "a": 1 }\n'


@pytest.mark.parametrize(
    "text", ["plain", "[1]", "42", "{broken", '{"a":1} {"b":2}', 'with "quotes" and \\', "ä\tö"]
)
def test_text_is_wrapped(text: str) -> None:
    line = text.encode()
    assert json.loads(CollectorDialect().encode(line)) == {"level": "INFO", "message": text}
    entry = json.loads(DeviceDialect(7).encode(line))
    assert entry.pop("uptime_ms") >= 0
    assert entry == {"boot_seq": 7, "seq": 1, "level": "info", "msg": text}
    with pytest.raises(UnfitLineError, match="not a JSON object"):
        GatewayDialect().encode(line)


def test_wrapped_lines_are_what_the_server_takes() -> None:
    text = b"not utf-8: \xff, nul: \x00"
    for dialect, protocol in (
        (DeviceDialect(), device.DeviceProtocol()),
        (CollectorDialect(), collector.CollectorProtocol()),
    ):
        protocol.receive_data(dialect.encode(text))
        found = protocol.next_batch()
        assert found is not None
        assert found[0].count == 1


def test_device_lines_are_numbered_within_their_boot() -> None:
    dialect = DeviceDialect()
    first, second = (json.loads(dialect.encode(b"x")) for _ in range(2))
    assert (first["seq"], second["seq"]) == (1, 2)
    assert first["boot_seq"] == second["boot_seq"]


def test_the_servers_replies_are_understood() -> None:
    assert DeviceDialect.parse(device.ACK.strip()) == Reply(Outcome.ACKNOWLEDGED)
    outcomes = [CollectorDialect.parse(reply.strip()) for reply in collector.REPLIES.values()]
    assert None not in outcomes
    assert [reply.outcome for reply in outcomes if reply] == [
        Outcome.ACKNOWLEDGED,
        Outcome.ACKNOWLEDGED,
        Outcome.FILTERED,
        Outcome.REFUSED,
        Outcome.REFUSED,
        Outcome.REFUSED,
        Outcome.REFUSED,
        Outcome.BUSY,
    ]


def test_the_rate_limit_says_when() -> None:
    line = b'{"status":"error","message":"rate limit exceeded","retry_after_s":42}'
    assert CollectorDialect.parse(line) == Reply(Outcome.LIMITED, "rate limit exceeded", 42)
    bare = CollectorDialect.parse(b'{"status":"error","message":"rate limit exceeded"}')
    assert bare == Reply(Outcome.LIMITED, "rate limit exceeded", 0)


@pytest.mark.parametrize("dialect", [DeviceDialect(), CollectorDialect(), GatewayDialect()])
@pytest.mark.parametrize(
    "line", [b"", b"220 ready", b"[]", b"null", b"\xff", b'{"ack":0}', b'{"ack":"1"}', b'{"status":1}']
)
def test_other_lines_are_no_replies(dialect: Dialect, line: bytes) -> None:
    assert dialect.parse(line) is None  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", [name for name in DIALECTS if name != "ws"])
def test_an_object_that_is_followed_goes_out_as_one_that_is_sent(name: str) -> None:
    """Also over binary protocols, whose payloads do not show that it was one."""
    dialect = DIALECTS[name]()
    dialect.source = "app"
    line = b'{"message":"m","timestamp":"2025-01-01T00:00:00","temp":1}'
    assert dialect.encode_text(line, 1) == dialect.encode_list(line, 1) == dialect.encode(line)


@pytest.mark.parametrize("name", ["device", "collector"])
def test_text_that_is_followed_says_where_it_is_from(name: str) -> None:
    dialect = DIALECTS[name]()
    dialect.source = "app"
    entry = json.loads(dialect.encode_text(b"plain", fields={"stream": "stderr"}))
    assert (entry["source"], entry["stream"]) == ("app", "stderr")
    assert "plain" in entry.values()


@pytest.mark.parametrize("name", ["capnp", "grpc"])
def test_fields_of_binary_protocols_hold_the_same(name: str) -> None:
    dialect = DIALECTS[name]()
    dialect.source = "my-app"
    payload = dialect.encode_text(b"plain", fields={"stream": "stderr"})
    assert all(word in payload for word in (b"my-app", b"stderr", b"plain"))


@pytest.mark.parametrize("name", ["capnp", "grpc"])
@pytest.mark.parametrize(
    ("line", "named"),
    [
        (b'{"message":"m"}', "my-app"),
        (b'{"message":"m","service_name":"own"}', "own"),
        (b'{"message":"m","service":"own","more":1}', "own"),
        (b'{"message":"m","more":1}', "my-app"),
    ],
)
def test_objects_over_binary_protocols_have_a_name(name: str, line: bytes, named: str) -> None:
    dialect = DIALECTS[name]()
    dialect.source = "my-app"
    payload = dialect.encode_text(line)
    if name == "capnp":
        protocol = CapnpProtocol()
        protocol.receive_data(payload)
        found = protocol.next_batch()
        assert found is not None
        assert json.loads(found[0].entries)["serviceName"] == named
    else:
        batch = load_schema("logservice.proto").messages["LogBatch"].FromString(payload)
        assert [entry.service_name for entry in batch.entries] == [named]


def test_a_lone_line_is_a_list_where_there_are_lists() -> None:
    dialect = WebSocketDialect("app")
    assert json.loads(dialect.encode_list(b"one"))["message"] == ["one"]
    assert json.loads(dialect.encode_text(b"one"))["message"] == "one"


@pytest.mark.parametrize("name", list(DIALECTS))
def test_where_the_server_is_asked_every_message_has_a_time_of_its_own(name: str) -> None:
    dialect = DIALECTS[name]()
    times = [dialect.stamp_us(7), dialect.stamp_us(7)]
    assert times == ([7, 8] if dialect.asks else [7, 7])


@pytest.mark.parametrize("name", ["forward", "beats", "http"])
def test_an_object_of_a_spool_is_the_same_when_it_is_encoded_again(name: str) -> None:
    """Otherwise the server would not know it again under its key."""
    dialect = DIALECTS[name]()
    assert dialect.encode_object(b'{"message":"m"}') == dialect.encode_object(b'{"message":"m"}')


@pytest.mark.parametrize(
    ("name", "line", "reason"),
    [
        ("relp", b"x" * (128 << 10), "RELP has room for 131072"),
        ("forward", b'{"message":"m","number":%d}' % (1 << 70), "a number with more than 64 bits"),
    ],
)
def test_what_a_protocol_has_no_form_for(name: str, line: bytes, reason: str) -> None:
    with pytest.raises(UnfitLineError, match=reason):
        DIALECTS[name]().encode(line)
