"""Bodies of JSON documents: many at once are read as one by one."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logboom.formats.json_fields import entries_of, entry_of, fields_of
from logboom.model import Receipt, Verdict
from logboom.receivers.elasticsearch import bulk
from logboom.receivers.elasticsearch.bulk import BulkCodec
from logboom.receivers.http_push import BodyError, HttpRequest
from logboom.receivers.splunk import events as splunk_events
from logboom.receivers.splunk.events import EventCodec

NAMES = st.sampled_from(
    [
        "@timestamp",
        "time",
        "level",
        "log.level",
        "priority",
        "message",
        "msg",
        "log",
        "service",
        "service.name",
        "host",
        "hostname",
        "agent",
        "pid",
        "x",
        "ä",
        "lineno",
        "v",
    ]
)
TEXTS = st.text(max_size=6) | st.sampled_from(["", "info", "30", "3", "٣", "1" * 5000, 'a"b', "\u2028"])
VALUES = TEXTS | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["name", "level", "a"]), inner, max_size=2)
    ),
    max_leaves=3,
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=6)
USUAL = st.fixed_dictionaries({"@timestamp": TEXTS, "message": TEXTS, "log.level": TEXTS, "n": st.integers()})


def as_json(value: Any) -> st.SearchStrategy[bytes]:
    return st.sampled_from(
        [json.dumps(value).encode(), json.dumps(value, ensure_ascii=False).encode(errors="replace")]
    )


DOCUMENTS = st.one_of(
    USUAL.flatmap(as_json),
    USUAL.flatmap(as_json),
    OBJECTS.flatmap(as_json),
    st.sampled_from(
        [
            b"null",
            b"1",
            b"[]",
            b"{",
            b"{},{}",
            b"{} ",
            b'{"level":"a","level":"b"}',
            b'{"message":"","message":"m"}',
            b'{"message":"\\ud800"}',
            b'{"n":1.50,"message":"m"}',
            b'{"level":12345678901234567890}',
            b'{"message":1e400}',
        ]
    ),
)


@given(st.lists(DOCUMENTS, min_size=1, max_size=6))
def test_many_documents_are_read_as_each_alone(documents: list[bytes]) -> None:
    together = msgspec.json.encode(entries_of(documents))
    fields = [fields_of(one) for one in documents]
    apart = msgspec.json.encode([None if one is None else entry_of(one) for one in fields])
    assert together == apart


ACTIONS = st.sampled_from(
    [
        b'{"create":{"_index":"logs-web"}}',
        b'{"create":{}}',
        b'{"index":{"_index":"50%d \\u00e4\\"_id\\":"}}',
        b'{"create":{"_index":"a","_id":"1"}}',
        b'{"index":{"_index":"a","_id":2}}',
        b'{"delete":{"_index":"a","_id":"1"}}',
        b'{"update":{"_id":"1"}}',
        b"",
        b" ",
        b'{"create":1}',
        b"{",
        b'{"x":1}',
        b'{"create":{"_id":"%b%d"}}',
    ]
)
COMMON = st.sampled_from([b'{"create":{"_index":"logs-web"}}', b'{"index":{"_index":"50%"}}'])
VERDICTS = st.lists(st.sampled_from([0, 0, 0, 1, 6, 8]), min_size=20, max_size=20)


def outcome(body: bytes, verdicts: list[int]) -> Any:
    codec = BulkCodec(HttpRequest("POST", "/_bulk", {}, {}, {}, "application/json"), 1 << 20)
    try:
        batch = codec.decode(body)
    except BodyError as error:
        return str(error)
    if batch is None:
        return None
    given = bytes(
        new if old == Verdict.ACCEPTED else old
        for old, new in zip(batch.verdicts, verdicts * 9, strict=False)
    )
    answers = [codec.answer(Receipt(0, one)).body for one in (batch.verdicts, given)]
    return batch.entries, batch.verdicts, batch.levels, batch.reasons, batch.keys, answers


@given(
    st.lists(st.tuples(COMMON | ACTIONS, DOCUMENTS), max_size=6)
    | st.lists(st.tuples(COMMON, USUAL.flatmap(as_json)), max_size=6),
    VERDICTS,
    st.sampled_from([b"\n", b"", b"\n\n", b"\xff\n"]),
)
def test_usual_bulk_requests_are_read_and_answered_as_all_others(
    pairs: list[tuple[bytes, bytes]], verdicts: list[int], end: bytes
) -> None:
    body = b"\n".join([b"\n".join(pair) for pair in pairs]) + end
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bulk, "token_hex", lambda _size: "00")
        fast = outcome(body, verdicts)
        patch.setattr(BulkCodec, "_read_pairs", lambda *_: [])
        patch.setattr(bulk, "_created", lambda actions: bulk._answer(actions, bytes(len(actions))))
        assert outcome(body, verdicts) == fast


EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "event": USUAL
        | OBJECTS
        | st.fixed_dictionaries({"line": TEXTS, "level": TEXTS, "a": VALUES})
        | VALUES,
        "time": st.sampled_from([None, 1_762_974_538.837, "1796051350.875", "x", 5, True]),
        "host": st.sampled_from([None, "", "web-1", 7]),
        "source": st.sampled_from([None, "", "nginx"]),
        "sourcetype": st.sampled_from([None, "", "access"]),
        "fields": st.dictionaries(
            st.sampled_from(["index", "a"]), st.none() | st.integers() | TEXTS, max_size=2
        ),
    },
)
LIKELY = st.fixed_dictionaries({"event": USUAL, "sourcetype": st.sampled_from(["access", "error"])})


def events_in(body: bytes) -> Any:
    codec = EventCodec(
        HttpRequest("POST", "/services/collector/event", {}, {}, {}, "application/json"), 1 << 20
    )
    try:
        batch = codec.decode(body)
    except BodyError as error:
        return codec.refuse(error)
    return batch and (batch.entries, batch.verdicts, batch.levels)


@given(
    st.lists(LIKELY.flatmap(as_json), max_size=5)
    | st.lists((EVENTS | LIKELY).flatmap(as_json) | DOCUMENTS, max_size=5),
    st.sampled_from([b"", b"\n", b" ", b",", b"\x00", b"}{"]),
)
def test_usual_events_of_splunk_are_read_as_all_others(events: list[bytes], gap: bytes) -> None:
    body = gap.join(events)
    fast = events_in(body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(splunk_events, "usual_entries", lambda _body: [])
        assert events_in(body) == fast
