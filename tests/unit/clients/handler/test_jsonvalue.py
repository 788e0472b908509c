"""Any Python value as JSON: types, cycles, depths, objects whose own methods fail."""

import datetime as dt
import enum
import json
import math
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logboom.clients.handler.jsonvalue import DEPTH_MAX, NODES_MAX, TEXT_CHARS_MAX, json_value


class Colour(enum.IntEnum):
    RED = 1


class Unprintable:
    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


class Treacherous(dict[str, Any]):
    def items(self) -> Any:
        raise OSError("no items")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (5, 5),
        (1 << 80, 1 << 80),
        (2.5, 2.5),
        ("äöü", "äöü"),
        ((1, [2, {"a": None}]), [1, [2, {"a": None}]]),
        ({1: "a", "1": "b", None: "c"}, {"1": "a", "_1": "b", "None": "c"}),
        (math.nan, "NaN"),
        ([math.inf, -math.inf], ["Infinity", "-Infinity"]),
        (Colour.RED, 1),
        ({2}, "{2}"),
        (b"\xff", "b'\\xff'"),
        (Path("/srv/a"), "/srv/a"),
        (dt.date(2026, 1, 31), "2026-01-31"),
        ("a\udcff", "a\\udcff"),
        ({"\ud83d": "\ud83d"}, {"\\ud83d": "\\ud83d"}),
        (Unprintable(), "<Unprintable without a text: ValueError>"),
        ([Unprintable()], ["<Unprintable without a text: ValueError>"]),
        pytest.param(10**5000, hex(10**5000), id="large"),
    ],
)
def test_what_json_has_is_kept_and_the_rest_is_text(value: object, expected: object) -> None:
    assert json_value(value) == expected


def test_a_value_that_contains_itself_ends() -> None:
    value: list[Any] = [1]
    value += [value, value]
    copied = json_value(value)
    assert copied[0] == 1
    assert all("..." in item for item in copied[1:])


def test_depth_is_bounded() -> None:
    value: Any = "deep"
    for _ in range(5000):
        value = [value]
    copied = json_value(value)
    depth = 0
    while isinstance(copied, list):
        copied, depth = copied[0], depth + 1
    assert depth == DEPTH_MAX
    assert isinstance(copied, str)


@pytest.mark.parametrize("value", [list(range(10 * NODES_MAX)), {str(i): i for i in range(10 * NODES_MAX)}])
def test_size_is_bounded_with_a_remark(value: Any) -> None:
    copied = json_value(value)
    assert len(copied) <= NODES_MAX + 1
    last = copied[-1] if isinstance(copied, list) else copied["…"]
    assert "more" in last


def test_text_is_bounded_with_a_remark() -> None:
    assert json_value("x" * (TEXT_CHARS_MAX + 7)).endswith("x… [7 more characters were cut off]")


def test_a_dictionary_that_fails_is_text() -> None:
    assert json_value(Treacherous(a=1)) == "{'a': 1}"


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(st.characters(codec=None))
        | st.binary(),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=4)
            | st.frozensets(st.integers(), max_size=3)
        ),
    )
)
def test_every_value_becomes_json_that_stays_the_same(value: object) -> None:
    copied = json_value(value)
    assert json.loads(msgspec.json.encode(copied)) == copied
