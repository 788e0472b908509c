"""Any text is found in the JSON that holds it, however that is written; no text breaks the search."""

import json

from hypothesis import example, given
from hypothesis import strategies as st

from logboom.query.matching import TEXT_CHARS_MAX
from logboom.query.text_search import SearchText

TEXTS = st.text(
    st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from('":= \\/{}.,\n\taB1')),
    min_size=1,
    max_size=TEXT_CHARS_MAX,
)


@given(TEXTS, st.booleans())
@example(text='":\n', ascii_only=True)
@example(text='a": "\\"', ascii_only=False)
def test_a_text_is_found_where_it_is_a_value(text: str, ascii_only: bool) -> None:
    entry = json.dumps({"before": 1, "m": f"x{text}y"}, ensure_ascii=ascii_only).encode()
    wanted = SearchText(text)
    assert wanted.stands_in(entry)
    assert all(needle in entry.lower() for needle in wanted.needles)


@given(TEXTS)
def test_a_text_is_found_as_it_is_written_in_the_json(text: str) -> None:
    entry = json.dumps({text: text})
    if len(entry) <= TEXT_CHARS_MAX:
        assert SearchText(entry).stands_in(entry.encode())


@given(
    st.from_regex(r"[a-z]{1,9}", fullmatch=True), st.one_of(st.integers(), st.booleans(), st.none(), TEXTS)
)
def test_a_field_is_found_by_its_name_and_value(name: str, value: str | int | bool | None) -> None:
    if isinstance(value, str):
        value = value.replace('"', "'")
    entry = json.dumps({"before": {"x": [{}]}, "detail": {"a": {"b": "}"}, name: value}}).encode()
    written = f'"{value}"' if isinstance(value, str) else json.dumps(value)
    wanted = SearchText(f"{name}={written} detail.{name}={written}")
    assert wanted.stands_in(entry)
    assert all(needle in entry.lower() for needle in wanted.needles)
