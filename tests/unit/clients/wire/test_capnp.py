"""Lines as `LoggerMsg` messages, and back."""

import json
import os
import socket
from datetime import datetime

import pytest

from logboom.clients.wire.capnp_dialect import CapnpDialect
from logboom.clients.wire.dialect_registry import choose
from logboom.formats.capnp_entry import TEXTS
from logboom.receivers.capnp.protocol import CapnpProtocol


def sent(line: bytes) -> dict[str, str]:
    """What the server makes of a line."""
    protocol = CapnpProtocol()
    protocol.receive_data(CapnpDialect().encode(line))
    found = protocol.next_batch()
    assert found is not None
    entry = json.loads(found[0].entries)
    assert isinstance(entry, dict)
    return entry


def test_text_becomes_an_info_message_with_time_and_origin() -> None:
    entry = sent(b"not utf-8: \xff, tab:\t")
    assert (entry["level"], entry["message"]) == ("INFO", "not utf-8: \N{REPLACEMENT CHARACTER}, tab:\t")
    assert (entry["hostname"], entry["processId"]) == (socket.gethostname(), str(os.getpid()))
    assert datetime.fromisoformat(entry["timestamp"]).tzinfo is not None


def test_a_stored_entry_is_sent_as_it_was() -> None:
    entry = {**{name: f"{name} äöü" for name in TEXTS}, "level": "LEVEL_99"}
    assert sent(json.dumps(entry).encode()) == entry


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        (b'{"msg":"short"}', "message", "short"),
        (b'{"logger_name":"shop"}', "loggerName", "shop"),
        (b'{"line_number":42}', "lineNumber", "42"),
        (b'{"severity":"warn"}', "level", "WARNING"),
        (b'{"level":40}', "level", "ERROR"),
        (b'{"ts":"2025-01-15"}', "timestamp", "2025-01-15"),
        (b'{"service":"orders","hostname":null}', "serviceName", "orders"),
    ],
)
def test_known_keys_go_to_their_fields(line: bytes, field: str, value: str) -> None:
    assert sent(line)[field] == value


@pytest.mark.parametrize(
    "line",
    [
        b'{"level":"trade","message":"m","user":5}',
        b'{"level":"trade","message":["a","b"]}',
        b'{"level":"trade","message":"m","msg":"n"}',
        b'{"level":"trade","message":true}',
    ],
)
def test_objects_with_more_than_the_fields_can_hold_stay_whole(line: bytes) -> None:
    entry = sent(line)
    assert (entry["level"], entry["message"]) == ("TRADE", line.decode())


def test_an_unknown_level_is_not_lost() -> None:
    line = b'{"level":"loud","message":"m"}'
    assert sent(line)["message"] == line.decode()


@pytest.mark.parametrize("url", ["capnp://127.0.0.1", "tcp://127.0.0.1"])
def test_its_urls(url: str) -> None:
    dialect, target = choose("capnp", url)
    assert isinstance(dialect, CapnpDialect)
    assert (target.host, target.port) == ("127.0.0.1", 9020)
