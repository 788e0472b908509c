"""Loki's push: the fast ways of both decoders read what the careful ones read."""

import json
from typing import Any

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logboom.model import Batch
from logboom.receivers.http_push import BodyError, HttpRequest
from logboom.receivers.loki import loki_push, protobuf
from logboom.receivers.loki.loki_push import PushCodec

TEXTS = st.text(max_size=12) | st.sampled_from(
    [
        "",
        "valve stuck",
        "x" * 127,
        "y" * 128,
        "z" * 300,
        "w" * 16_500,
        '{"msg":"m","level":"warn","n":1.50}',
        "{",
        "{}",
    ]
)
LABELS = st.dictionaries(
    st.sampled_from(["app", "level", "host", "x"]),
    st.sampled_from(["", "shop", "warn", "$level", 'a"b', "ä"]),
)
MOMENTS = st.integers(0, 1 << 62) | st.integers(1_762_974_538 * 10**9, 1_762_974_540 * 10**9)


def outcome(body: bytes, kind: str) -> Any:
    codec = PushCodec(HttpRequest("POST", "/loki/api/v1/push", {}, {}, {}, kind), 1 << 20)
    try:
        batch = codec.decode(body)
    except BodyError as error:
        return str(error)
    return batch and shown(batch)


def shown(batch: Batch) -> Any:
    return batch.entries, batch.verdicts, batch.levels, batch.keys


def varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def field(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2]) + varint(len(data)) + data


def number_field(number: int, value: int) -> bytes:
    return bytes([number << 3]) + varint(value)


@st.composite
def moments(draw: st.DrawFn) -> bytes:
    seconds, nanos = divmod(draw(MOMENTS), 10**9)
    parts = [number_field(1, seconds), number_field(2, nanos)]
    form = draw(st.sampled_from(["usual"] * 6 + ["turned", "no nanos", "twice", "huge", "long zero"]))
    return {
        "usual": b"".join(parts),
        "turned": parts[1] + parts[0],
        "no nanos": parts[0],
        "twice": parts[0] * 2 + parts[1],
        "huge": parts[0] + number_field(2, (1 << 60) + nanos),
        "long zero": parts[0] + b"\x10\x80\x80\x80\x80\x00",
    }[form]


@st.composite
def entries(draw: st.DrawFn) -> bytes:
    moment, line = (
        field(1, draw(moments())),
        field(2, draw(TEXTS).encode(errors="replace") + draw(st.sampled_from([b"", b"\xff"]))),
    )
    pair = field(3, field(1, draw(TEXTS).encode(errors="replace")[:20]) + field(2, b"v"))
    parts = draw(
        st.sampled_from(
            [[moment, line]] * 6
            + [[line, moment], [moment], [line], [moment, line, pair], [moment, line, b"\x20\x07"], []]
        )
    )
    return field(2, b"".join(parts))


def quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    text = "{" + ", ".join(f"{name}={quoted(value)}" for name, value in draw(LABELS).items()) + "}"
    lines = draw(st.lists(entries(), max_size=6))
    return field(
        1, field(1, text.encode()) + b"".join(lines) + draw(st.sampled_from([b"", number_field(3, 1 << 40)]))
    )


@given(
    st.lists(streams(), min_size=1, max_size=3).map(b"".join),
    st.none() | st.tuples(st.integers(0, 400), st.integers(0, 255)),
    st.booleans(),
)
def test_usual_entries_of_protobuf_are_read_as_all_others(
    data: bytes, change: tuple[int, int] | None, is_cut: bool
) -> None:
    if change is not None and change[0] < len(data):
        place, byte = change
        data = data[:place] if is_cut else data[:place] + bytes([byte]) + data[place + 1 :]
    body = bytes(cramjam.snappy.compress_raw(data))
    fast = outcome(body, "application/x-protobuf")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protobuf, "_usual_lines", lambda _data, at, _times, _texts: at)
        assert outcome(body, "application/x-protobuf") == fast


def test_usual_entries_of_protobuf_take_the_fast_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_arguments: object) -> None:
        raise AssertionError("a usual entry was read the slow way")

    monkeypatch.setattr(protobuf, "_add_line", never)
    moment = field(1, number_field(1, 1_762_974_538) + number_field(2, 837_902_000))
    lines = [field(2, moment + field(2, text.encode())) for text in ("a", "ä" * 90, "x" * 9_000)]
    body = bytes(cramjam.snappy.compress_raw(field(1, field(1, b'{app="shop"}') + b"".join(lines))))
    found = outcome(body, "application/x-protobuf")
    assert [json.loads(line)["time"] for line in found[0].split(b"\n")] == [1_762_974_538_837_902_000] * 3


VALUES = st.one_of(
    st.tuples(MOMENTS.map(str), TEXTS).map(list),
    st.tuples(MOMENTS, TEXTS).map(list),
    st.tuples(MOMENTS.map(str), TEXTS, st.dictionaries(st.sampled_from(["level", "a"]), TEXTS)).map(list),
    st.tuples(st.sampled_from(["", " 5", "1_000", "-3", "x", "1" * 40]), TEXTS).map(list),
    st.sampled_from([[], ["1"], ["1", 2], [None, "m"], ["1", "m", None], ["1", "m", 3]]),
)


@given(
    st.lists(
        st.fixed_dictionaries(
            {"stream": LABELS, "values": st.lists(VALUES, max_size=4)},
            optional={
                "entries": st.just([{"ts": "2026-01-01T00:00:00Z", "line": "old"}]),
                "labels": st.just('{a="b"}'),
            },
        ),
        max_size=3,
    ),
    st.booleans(),
    st.sampled_from([("", ""), ("a", "\\u0061"), ("/", "\\/"), ("}", "")]),
)
def test_usual_pushes_of_json_are_read_as_all_others(
    pushed: Any, is_ascii: bool, change: tuple[str, str]
) -> None:
    text = json.dumps({"streams": pushed}, ensure_ascii=is_ascii)
    body = (text.replace(*change) if change[0] else text).encode(errors="replace")
    fast = outcome(body, "application/json")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loki_push, "_usual_push", lambda _body: int("x"))
        assert outcome(body, "application/json") == fast
