"""The trick with the nulls is exact: a chunk is taken whole if, and only if, each of its lines is good."""

import json

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from logboom.formats import ndjson
from logboom.model import Verdict


class Entry(msgspec.Struct):
    """Needs one integer."""

    a: int


STRICT = ndjson.entry_decoder(Entry)
LAX = ndjson.entry_decoder(Entry, strict=False)

TOKENS = [
    b'{"a":1}',
    b'{"a":2,"b":"x"}',
    b'{"a":"3"}',
    b"{}",
    b"null",
    b"null null",
    b'"null"',
    b"\n",
    b"\nnull null\n",
    b"\r\n",
    b" ",
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b'{"a":1,"b":"',
    b'{"a":1,"b":[',
    b"]}",
    b'"}',
    b"1",
    b"1e9",
    b"nul",
    b"l",
    b"\t",
    b"\xc3\xa9",
    b"\xff",
    b"\0",
]
CHUNKS = st.lists(st.sampled_from(TOKENS), max_size=14).map(b"".join)
MOSTLY_GOOD = st.lists(
    st.sampled_from([b'{"a":1}', b'{"a":1}', b'{"a":1}', b'{"a":1} null null {"a":2}', b"", b"null"]),
    max_size=8,
).map(b"\n".join)


def naive(chunk: bytes, decoder: ndjson.EntryDecoder) -> bool:
    return all(ndjson.judge_line(line, decoder)[0] is Verdict.ACCEPTED for line in chunk.split(b"\n"))


@settings(max_examples=200)
@given(st.one_of(CHUNKS, MOSTLY_GOOD))
@example(b'{"a":1,"b":"x\ny"}null null{"a":1}')
@example(b'{"a":1} null null {"a":1}\n')
@example(b'\n{"a":1} null null {"a":1}')
def test_a_chunk_is_taken_whole_exactly_when_each_line_is_good(chunk: bytes) -> None:
    for decoder in (STRICT, LAX):
        entries = ndjson.decode_all(chunk, decoder)
        assert (entries is not None) == naive(chunk, decoder)
        if entries is not None:
            assert entries == [decoder.decode(line) for line in chunk.split(b"\n")]


@settings(max_examples=200)
@given(st.one_of(CHUNKS, MOSTLY_GOOD, st.binary(max_size=60)))
def test_whole_and_line_by_line_agree(chunk: bytes) -> None:
    whole = ndjson.judge_all(chunk, STRICT)
    each = ndjson.judge_each(chunk, STRICT)
    if whole is not None:
        assert (whole.entries, whole.verdicts) == (each.entries, each.verdicts)
    assert each.verdicts.count(Verdict.ACCEPTED) == len(each.entries.splitlines())
    assert len(each.verdicts) == sum(1 for line in chunk.split(b"\n") if line.strip(b" \t\r\n\v\f"))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), VALUES, max_size=4), st.integers(), st.booleans())
def test_every_entry_that_json_can_write_is_taken_as_it_is(
    entry: dict[str, object], number: int, ascii_only: bool
) -> None:
    line = json.dumps({**entry, "a": number}, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    verdict, _ = ndjson.judge_line(line, STRICT)
    assert verdict is Verdict.ACCEPTED
    batch = ndjson.judge_all(line + b"\n" + line, STRICT)
    assert batch is not None
    assert batch.entries == line + b"\n" + line
