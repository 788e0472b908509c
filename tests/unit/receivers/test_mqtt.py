"""docs/contracts/mqtt.md: messages of a broker as entries."""

import json
from base64 import b64decode
from typing import Any

import pytest

from logboom.model import Verdict
from logboom.receivers.mqtt.topic_entries import Published, batch_of_messages, source_of

TOPICS = ["devices/+/log", "+/debug", "stat/+/LOGGING", "site/#"]


def entry_of(topic: str, payload: bytes) -> dict[str, Any]:
    batch = batch_of_messages([Published(topic, payload)], TOPICS, 1000)
    found: dict[str, Any] = json.loads(batch.entries)
    assert found.pop("labels") == {"topic": topic}
    return found


@pytest.mark.parametrize(
    ("topic", "source"),
    [
        ("devices/esp-7/log", "esp-7"),
        ("pump/debug", "pump"),
        ("stat/kitchen/LOGGING", "kitchen"),
        ("site/hall/door", "site"),
        ("/leading", "leading"),
        ("", ""),
    ],
)
def test_the_source_is_the_level_at_the_plus(topic: str, source: str) -> None:
    assert source_of(topic, TOPICS) == source


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"pump started\r\n", {"message": "pump started"}),
        (b"\x1b[0;31m[E][wifi:100]: lost\x1b[0m", {"message": "[E][wifi:100]: lost", "level": "ERROR"}),
        (b"[12:00:01][C][logger:1]: x", {"message": "[12:00:01][C][logger:1]: x", "level": "DEBUG"}),
        (b"[VV][api:1]: x", {"message": "[VV][api:1]: x", "level": "TRACE"}),
        (b'{"msg":"a","level":"warn","t":1}', {"message": "a", "level": "WARNING", "attributes": {"t": 1}}),
        (b'{"message":"a","time":"2026-11-21T04:12:09Z"}', {"message": "a", "time": "2026-11-21T04:12:09Z"}),
        (b'{"device":"esp-9","temp":20.5}', {"source": "esp-9", "attributes": {"temp": 20.5}}),
        (b'{"msg":"a","x":NaN}', {"message": "a", "attributes": {"x": "NaN"}}),
        (b"{not JSON", {"message": "{not JSON"}),
        (b"[1]", {"message": "[1]"}),
        (b"", {"message": ""}),
    ],
)
def test_payloads(payload: bytes, expected: dict[str, Any]) -> None:
    assert entry_of("devices/esp-7/log", payload) == {"source": "esp-7", **expected}


def test_bytes_that_are_no_text_are_kept_as_they_came() -> None:
    entry = entry_of("devices/esp-7/log", b"p\xfcp")
    assert entry["message"] == "p\ufffdp"
    assert b64decode(entry["raw"]) == b"p\xfcp"


def test_a_long_payload_costs_no_other() -> None:
    messages = [Published("a/log", b"x" * 2000), Published("a/log", b"short")]
    batch = batch_of_messages(messages, TOPICS, 1000)
    assert list(batch.verdicts) == [Verdict.TOO_LONG, Verdict.ACCEPTED]
    assert batch.reasons == ("message on a/log of 2000 bytes, the limit is 1000",)
