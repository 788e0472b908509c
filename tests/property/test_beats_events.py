"""Beats: many events at once are read as one by one."""

import json
import struct
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logboom.receivers.beats.protocol import BeatsProtocol

TEXTS = st.sampled_from(["", "m", "info", "WARN", "30", 'a"b\\', "ä\u2028", "x" * 300, "\n", "\ud83d"])
VALUES = TEXTS | st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 1 << 70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["name", "level", "id", "hostname", "offset"]), inner, max_size=2)
    ),
    max_leaves=3,
)
FILES = st.fixed_dictionaries({"path": TEXTS}, optional={"device_id": VALUES, "inode": VALUES})
FILEBEAT = st.fixed_dictionaries(
    {
        "@timestamp": st.just("2025-11-12T19:08:58.837Z"),
        "message": TEXTS,
        "log": st.fixed_dictionaries(
            {"offset": st.integers(0, 9) | VALUES, "file": FILES | VALUES}, optional={"level": VALUES}
        ),
        "host": st.fixed_dictionaries({"name": TEXTS}, optional={"hostname": VALUES}),
        "agent": st.fixed_dictionaries({"id": st.sampled_from(["3c1f", "", 7])}),
    },
    optional={"log.level": TEXTS, "service": VALUES, "fields": VALUES},
)
NAMES = ["@timestamp", "message", "msg", "line", "log", "log.level", "level", "host", "host.name", "agent", "service",
         "service.name", "fields", "program", "x"]  # fmt: skip
OBJECTS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6)
EVENTS = st.one_of(
    FILEBEAT.map(json.dumps),
    (FILEBEAT | OBJECTS).map(lambda found: json.dumps(found, ensure_ascii=False)),
    st.sampled_from(
        ["null", "1", "{", "{} {}", '{"message":1.50}', '{"message":1e400}', '{\n"message":"m"}', "\xff", ""]
    ),
).map(lambda text: text.encode(errors="replace"))
USUAL = FILEBEAT.map(json.dumps).map(str.encode)


def window(events: list[bytes], is_packed: bool) -> bytes:
    frames = b"".join(
        [b"2J" + struct.pack(">II", place, len(one)) + one for place, one in enumerate(events, 1)]
    )
    if is_packed:
        packed = zlib.compress(frames)
        frames = b"2C" + struct.pack(">I", len(packed)) + packed
    return b"2W" + struct.pack(">I", len(events)) + frames


def outcome(data: bytes) -> list[Any]:
    protocol = BeatsProtocol(event_bytes_max=400)
    protocol.receive_data(data)
    found: list[Any] = []
    while (taken := protocol.next_batch()) is not None:
        batch, acker = taken
        answer = acker(batch.receipt(0))
        found.append(
            (batch.entries, batch.verdicts, batch.levels, batch.keys, batch.size_bytes, batch.reasons, answer)
        )
    return [*found, protocol.fatal]


@given(
    st.lists(USUAL, min_size=1, max_size=6) | st.lists(EVENTS, min_size=1, max_size=6),
    st.lists(EVENTS, max_size=3),
    st.booleans(),
)
def test_usual_events_are_read_as_all_others(
    first: list[bytes], second: list[bytes], is_packed: bool
) -> None:
    data = window(first, is_packed) + (window(second, not is_packed) if second else b"")
    fast = outcome(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BeatsProtocol, "_usual", lambda *_: None)
        assert outcome(data) == fast
