import json
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logboom.journal.log import Block
from logboom.journal.segments import prefix, suffix
from logboom.outputs.jsonl import JsonlOutput, compacted, strip_tails
from logboom.outputs.selection import Lines

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


@given(st.lists(entries, min_size=1, max_size=6), st.sampled_from([(", ", ": "), (" ,", "\t: "), (",", ":")]))
def test_compact_lines_mean_the_same(found: Lined, separators: tuple[str, str]) -> None:
    sent = [json.loads(entry) for entry, _, _ in found]
    spaced = [json.dumps(entry, separators=separators, ensure_ascii=False).encode() for entry in sent]
    assert compacted(b"".join([line + b" \r\n" for line in spaced])) == b"".join(
        [json.dumps(entry, separators=(",", ":"), ensure_ascii=False).encode() + b"\n" for entry in sent]
    )


DEEP = b'{"x":' + b"[" * 5000 + b"]" * 5000 + b"}"  # whether it is taken depends on the version of Python


@pytest.mark.parametrize(
    ("sent", "written"),
    [
        (b'{ "a" : 24.10 ,\t"b":\r1e400 }', b'{"a":24.10,"b":1e400}'),
        (
            b'{"a": "x : , { \\" }  y", "n":12345678901234567890.0}',
            b'{"a":"x : , { \\" }  y","n":12345678901234567890.0}',
        ),
        (b'{"a": "\\u00e9\\/"}', b'{"a":"\\u00e9\\/"}'),
        (DEEP, DEEP),
    ],
)
def test_entries_are_written_without_blanks_or_as_they_were_sent(
    make_jsonl: Callable[..., JsonlOutput], sent: bytes, written: bytes
) -> None:
    around = [(b'{ "n" : 1 }', "a", "b"), (sent, "a", "b"), (b'{"n": 2}', "c", "d")]
    lines = Lines(range(3), journal_lines(around))
    compact = [(b'{"n":1}', "", ""), (written, "", ""), (b'{"n":2}', "", "")]
    assert make_jsonl().render(lines).data == jsonl_lines(compact)
    assert make_jsonl(compact=False).render(lines).data == jsonl_lines(around)
