"""A JSON array is taken apart as a decoder would, in runs of whole elements."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logboom.web import arrays
from logboom.web.arrays import ArrayError, Run, runs_of


def elements_of(document: bytes) -> list[bytes]:
    return [one for start, stop in runs_of(document) for one in Run(document[start:stop]).elements()]


VALUES = st.recursive(
    st.none() | st.integers(-5, 5) | st.text('a"\\{}[],: \n\u00e9', max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text('k"},{', max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=100)
@given(st.lists(VALUES, max_size=12), st.integers(1, 80), st.sampled_from([None, 1]))
def test_the_elements_are_those_of_a_decoder_whatever_the_size_of_a_run(
    values: list[object], run_bytes: int, indent: int | None
) -> None:
    document = json.dumps(values, indent=indent).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrays, "RUN_BYTES", run_bytes)
        assert [json.loads(one) for one in elements_of(document)] == values


BROKEN = [
    b"[",
    b"[1",
    b'["]',
    b"[1,]",
    b"[,1]",
    b"[1,,2]",
    b"[1 2]",
    b"[}]",
    b"[]]",
    b"[[]",
    b"[{]",
    b'[{"a":1},',
    b"[nul]",
]


@pytest.mark.parametrize("document", [*BROKEN, b'[{"a":1}},{"b":2}]', b'[{"a":"},{"b":2}]', b"[1]x", b"[1]]"])
@pytest.mark.parametrize("run_bytes", [1, 5, 1 << 16])
def test_what_is_no_array_is_found_out(
    document: bytes, run_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays, "RUN_BYTES", run_bytes)
    with pytest.raises(ArrayError, match=r"."):
        elements_of(document)


@pytest.mark.parametrize("document", [b"[]", b"[ \n ]", b"[]  \n"])
def test_an_empty_array_has_no_elements(document: bytes) -> None:
    assert elements_of(document) == []


def test_a_run_is_about_as_long_as_it_should_be() -> None:
    document = b"[" + b",".join([b'{"n":%d,"a":{"b":1}}' % number for number in range(20_000)]) + b"]"
    sizes = [stop - start for start, stop in runs_of(document)]
    assert max(sizes) <= arrays.RUN_BYTES
    assert len(sizes) < 2 * len(document) / arrays.RUN_BYTES
    numbers = b"[" + b"1," * 200_000 + b"1]"
    assert max(stop - start for start, stop in runs_of(numbers)) <= arrays.RUN_BYTES + 2


def test_elements_that_are_no_objects_are_counted() -> None:
    assert Run(b'{"a":1},{"b":[1,2]}').others() == 0
    assert Run(b'1,{"a":1},"x",[{}],null').others() == 4
