"""Fluent Forward: many records at once are read as one by one."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logboom.receivers.forward.fluent_records import RecordMapping
from logboom.receivers.forward.payload import PayloadEntries

encode = msgspec.msgpack.encode
TEXTS = st.sampled_from(["", "m", "info", "WARN", "t", "stdout", "/web-1", "ä\u2028", "x" * 40])
VALUES = TEXTS | st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats()
    | st.binary(max_size=3)
    | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["level", "a"]), inner, max_size=2)
    ),
    max_leaves=3,
)
NAMES = st.sampled_from(
    ["log", "message", "msg", "level", "severity", "type", "severity_number", "host", "hostname", "container_name",
     "container_id", "source", "x"]
)  # fmt: skip
DOCKER = st.fixed_dictionaries(
    {
        "log": TEXTS,
        "container_name": TEXTS,
        "container_id": TEXTS,
        "source": st.sampled_from(["stdout", "stderr", ""]),
    },
    optional={"level": TEXTS, "x": VALUES},
)
RECORDS = DOCKER | st.dictionaries(NAMES, TEXTS, max_size=5) | st.dictionaries(NAMES, VALUES, max_size=5)
MOMENT = st.sampled_from([bytes(8), b"\x6b\x0c\x7b\x00\x00\x00\x00\x01", b"\x69\x14\xdc\xaa\x31\xf7\x9e\xb0"])
STAMPS = MOMENT.map(lambda data: msgspec.msgpack.Ext(0, data))
TIMES = STAMPS | st.sampled_from([1_796_000_000, 1_796_000_000.25, None, 0, "x", 1 << 40])
HEADS = st.one_of(
    TIMES, st.tuples(TIMES, st.dictionaries(st.sampled_from(["a", "metadata"]), TEXTS, max_size=1))
)


def entries(times: st.SearchStrategy[Any], records: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.tuples(times, records), max_size=6)


PAYLOADS = st.one_of(
    entries(STAMPS, DOCKER),
    entries(STAMPS, RECORDS),
    entries(st.tuples(STAMPS, st.just({}) | st.just({"a": "b"})), RECORDS),
    entries(HEADS, RECORDS),
)


def outcome(data: bytes) -> Any:
    payload = PayloadEntries("docker.web", data)
    found, verdicts = [], b""
    while (one := payload.take()) is not None:
        found += [msgspec.json.encode(entry) for entry in one.entries]
        verdicts += one.verdicts
    return found, verdicts


@given(PAYLOADS, st.none() | st.tuples(st.integers(0, 200), st.binary(max_size=3)))
def test_usual_records_are_read_as_all_others(entries: list[Any], change: tuple[int, bytes] | None) -> None:
    data = b"".join(map(encode, entries))
    if change is not None:
        place, piece = change
        data = data[:place] + piece + data[place + 1 :]
    fast = outcome(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RecordMapping, "_by_column", lambda *_: None)
        assert outcome(data) == fast
        patch.setattr(PayloadEntries, "_fast", lambda _: None)
        assert outcome(data) == fast
