"""Judging a whole chunk of lines in a few calls, exactly."""

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logboom.formats import ndjson
from logboom.model import REASONS_MAX, Verdict


class Entry(msgspec.Struct):
    """Needs one integer."""

    a: int


class Levelled(msgspec.Struct):
    """Has a level."""

    level: object


DECODER = ndjson.entry_decoder(Entry)
GOOD = b'{"a":1}'


@pytest.mark.parametrize("count", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_good_chunks_are_taken_whole(count: int, end: bytes) -> None:
    chunk = end.join([GOOD] * count)
    batch = ndjson.judge_all(chunk, DECODER)
    assert batch is not None
    assert batch.entries == b"\n".join([GOOD] * count)
    assert list(batch.verdicts) == [Verdict.ACCEPTED] * count
    assert batch.size_bytes == len(chunk) + 1


TRICKS = [
    b"",
    b"\n",
    b"null",
    b"null null",
    b"null\nnull\nnull",
    GOOD + b"\n",
    b"\n" + GOOD,
    GOOD + b"\n\n" + GOOD,
    GOOD + GOOD,
    GOOD + b" " + GOOD + b"\n",
    GOOD + b" null null " + GOOD + b"\n",
    GOOD + b"\n" + GOOD + b" null null " + GOOD + b"\n",
    b"\n" + GOOD + b" null null " + GOOD,
    GOOD + b" null\nnull " + GOOD,
    b"null null " + GOOD + b"\n" + GOOD,
    b'{"a":\n1}',
    b'{"a":1,"b":"x\ny"}',
    b'{"a":1,"b":"x\ny"}null null' + GOOD,
    b'{"a":1,"b":"x\\\ny"}null null' + GOOD,
    b'{"a":1,"b\n":0}null null' + GOOD,
    b'{"a":1,"b":[1,\n2]}null null' + GOOD,
    b'{"a":1,"b":[\n]}',
    b'{"a":1\n}',
    b'{\n"a":1}',
    b'{"a":1,\n"b":null}',
    b'{"a":1,"b":nul\nl}',
    b'{"a":1}\n{"a":"1"}',
    b'{"a":1}\n[]',
    b'{"a":1,"b":"\xff"}',
    b'{"a":1}\x00',
    b"\xc3",
]


@pytest.mark.parametrize("chunk", TRICKS)
def test_what_is_not_one_good_entry_a_line_is_never_taken_whole(chunk: bytes) -> None:
    assert ndjson.judge_all(chunk, DECODER) is None


def test_line_by_line_keeps_the_good_ones() -> None:
    chunk = b"\n".join([GOOD, b"", b"x", b"[]", b'{"a":"s"}', b"  ", b'{"a":2}\r'])
    batch = ndjson.judge_each(chunk, DECODER)
    assert batch.entries == GOOD + b'\n{"a":2}'
    assert [Verdict(verdict) for verdict in batch.verdicts] == [
        Verdict.ACCEPTED,
        Verdict.NOT_JSON,
        Verdict.NOT_OBJECT,
        Verdict.MISSING_FIELD,
        Verdict.ACCEPTED,
    ]
    assert len(batch.reasons) == 3


def test_reasons_are_bounded() -> None:
    batch = ndjson.judge_each(b"x\n" * 1000, DECODER)
    assert len(batch.verdicts) == 1000
    assert len(batch.reasons) == REASONS_MAX


def test_levels_belong_to_the_entries() -> None:
    decoder = ndjson.entry_decoder(Levelled)
    whole = ndjson.judge_all(b'{"level":"INFO"}\n{"level":[1]}', decoder, wants_levels=True)
    assert whole is not None
    assert whole.levels == ["INFO", [1]]
    each = ndjson.judge_each(b'{"level":1}\nx\n{"level":null}', decoder, wants_levels=True)
    assert each.levels == [1, None]


def test_lax_decoders_take_numbers_in_strings_but_no_null_in_a_string() -> None:
    lax = ndjson.entry_decoder(Entry, strict=False)
    assert ndjson.judge_all(b'{"a":"7"}', lax) is not None
    assert ndjson.judge_all(b'"null"', lax) is None
    assert ndjson.judge_line(b'"null"', lax)[0] is Verdict.NOT_OBJECT


def test_numbers_beyond_every_limit_are_refused_not_raised() -> None:
    assert ndjson.judge_line(b'{"a":%b}' % (b"9" * 5000), DECODER)[0] is Verdict.NOT_JSON
    assert ndjson.judge_line(b'{"a":1e999}', DECODER)[0] is not Verdict.ACCEPTED


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (rb'{"a":1,"m":"cut \ud83d"}', rb'{"a":1,"m":"cut \\ud83d"}'),
        (rb'{"a":1,"m":"\uDCff name"}', rb'{"a":1,"m":"\\uDCff name"}'),
        (rb'{"a":1,"m":"\ude80\ud83d\ud83d\ude80"}', rb'{"a":1,"m":"\\ude80\\ud83d\ud83d\ude80"}'),
        (rb'{"a":1,"m":"C:\\ud83d\n\\\ud83d"}', rb'{"a":1,"m":"C:\\ud83d\n\\\\ud83d"}'),
        (rb'{"\ud83d":"\ud83d","a":1}', rb'{"\\ud83d":"\\ud83d","a":1}'),
    ],
)
def test_half_a_character_is_kept_as_it_was_written(sent: bytes, kept: bytes) -> None:
    batch = ndjson.judge_each(b'{"a":2}\n' + sent, DECODER)
    assert batch.entries == b'{"a":2}\n' + kept
    msgspec.json.decode(kept)


@pytest.mark.parametrize("size", [100, 70_000, 1 << 20])
def test_an_entry_of_any_size_is_repaired(size: int) -> None:
    text = '"' + "x" * size
    sent = json.dumps({"a": 1, "m": text + "\ud83d", "n": [math.nan, -math.inf]}).encode()
    batch = ndjson.judge_each(sent, DECODER)
    assert json.loads(batch.entries) == {"a": 1, "m": text + r"\ud83d", "n": ["NaN", "-Infinity"]}
    assert batch.size_bytes == len(sent) + 1


def test_a_line_that_can_not_be_repaired_costs_itself_only() -> None:
    batch = ndjson.judge_each(b'{"a":NaNs}\n{"a":1,"x":NaN}\n{"a":1,NaN:2}\n{"a":2,"x":-NaN}', DECODER)
    assert batch.entries == b'{"a":1,"x":"NaN"}'
    assert list(batch.verdicts) == [Verdict.NOT_JSON, Verdict.ACCEPTED, Verdict.NOT_JSON, Verdict.NOT_JSON]


_texts = (
    st.text()
    | st.text('"\\ud83dNaI -\ud83d\ude80\n', max_size=12)
    | st.sampled_from(["NaN", "-Infinity", "\\u"])
)
_values = st.recursive(
    _texts | st.floats() | st.none(),
    lambda inner: st.lists(inner) | st.dictionaries(_texts, inner),
    max_leaves=8,
)


@given(st.dictionaries(_texts, _values))
def test_whatever_python_writes_becomes_json(entry: dict[str, object]) -> None:
    sent = json.dumps(entry).encode()
    assert msgspec.json.decode(ndjson.repaired(sent)) == _as_kept(json.loads(sent))


def _as_kept(value: Any) -> Any:
    if isinstance(value, dict):
        return {_as_kept(key): _as_kept(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_as_kept(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    if isinstance(value, str):
        return "".join(f"\\u{ord(one):04x}" if 0xD800 <= ord(one) < 0xE000 else one for one in value)
    return value
