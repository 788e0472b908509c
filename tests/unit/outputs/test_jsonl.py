import json
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from logboom.journal.reader import Block
from logboom.journal.segments import prefix, suffix
from logboom.outputs.jsonl import JsonlOutput, strip_tails
from logboom.outputs.lines import Lines

Lined = list[tuple[bytes, str, str]]

LOOK_ALIKE = b'{"a":1,"source":"10.0.0.1","listener":"device"}'


def journal_lines(entries: Lined) -> bytes:
    return b"".join(prefix(0) + entry + suffix(peer, listener) for entry, peer, listener in entries)


def jsonl_lines(entries: Lined) -> bytes:
    return b"".join(prefix(0) + entry + b"}\n" for entry, _, _ in entries)


@pytest.mark.parametrize(
    "entry", [b"{}", b'{ "a" : 24.10 , "b":"\xc3\xbc" } ', LOOK_ALIKE, b'{"a":%b}' % LOOK_ALIKE]
)
@pytest.mark.parametrize("peer", ["10.0.0.1", 'a "b" \\', '","listener":"device"}', "\n"])
def test_the_entry_comes_byte_for_byte(entry: bytes, peer: str) -> None:
    entries = [(entry, peer, "device")]
    assert strip_tails(journal_lines(entries), 1) == jsonl_lines(entries)


texts = st.one_of(
    st.text(), st.sampled_from(['","source":"x","listener":"y"}', "10.0.0.1", '"}', "\\", "\\\\"])
)
keys = st.one_of(texts, st.sampled_from(["source", "listener", "entry"]))
values = st.recursive(
    st.one_of(texts, st.integers(), st.none()), lambda inner: st.dictionaries(keys, inner), max_leaves=4
)
entries = st.tuples(st.dictionaries(keys, values).map(msgspec.json.encode), texts, texts)


# Generating is the slow part here, and a busy machine is no failure.
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(entries, min_size=1, max_size=6))
def test_any_entries_of_any_sources(found: Lined) -> None:
    assert strip_tails(journal_lines(found), len(found)) == jsonl_lines(found)


@pytest.mark.parametrize(
    "damage", [b"", b"\0\0", b'{"received_at":"x","entry":{"a"', b"\xff", b'{"source":"x"}']
)
def test_damaged_lines_are_left_out_and_counted(
    make_jsonl: Callable[..., JsonlOutput], damage: bytes
) -> None:
    good = [(LOOK_ALIKE, "a", "b"), (b"{}", "a", "b"), (b"{}", "c", "d")]
    data = (
        journal_lines(good[:1])
        + damage
        + b"\n"
        + journal_lines(good[1:2])
        + damage
        + b"\n"
        + journal_lines(good[2:])
    )
    output = make_jsonl()
    assert output.render(Lines(range(5), data)) == Lines([0, 2, 4], jsonl_lines(good))
    output.open()
    output.write(Block(0, 5, data))
    assert output.damaged == 2


def test_lines_are_json(make_jsonl: Callable[..., JsonlOutput], block_of: Callable[..., Block]) -> None:
    data = make_jsonl().render(Lines(range(3), block_of(0, 3).data)).data
    received_at = "1970-01-01T00:00:00.000000+00:00"
    assert [json.loads(line) for line in data.splitlines()] == [
        {"received_at": received_at, "entry": {"n": number}} for number in range(3)
    ]
