"""Queries on blocks of lines find exactly what they mean, taken plainly; any text is a query or a clear error."""

from typing import Any

from hypothesis import example, given, note
from hypothesis import strategies as st

from logboom.query.filter.compiler import CompiledFilter
from logboom.query.filter.filter_error import FilterError
from logboom.query.filter.parser import QUERY_CHARS_MAX, parse
from tests.kit.queries import BLOCKS, QUERIES, block_of


@given(BLOCKS, QUERIES)
def test_a_query_finds_what_it_means(lines: list[tuple[Any, bool, str, str]], query: str) -> None:
    try:
        condition = parse(query)
    except FilterError:
        return
    data, entries = block_of(lines)
    note(f"{query!r} of {data!r}")
    expected = [number for number, entry in enumerate(entries) if entry.meets(condition)]
    assert list(CompiledFilter(condition).select(data, len(lines))) == expected


@given(st.text(st.one_of(st.sampled_from('ab:="*~<>.-()\\ \n\0or'), st.characters()), max_size=60))
@example('""')
@example('a:""')
@example('level:""')
@example("(" * QUERY_CHARS_MAX)
@example("-" * QUERY_CHARS_MAX)
@example("a " * (QUERY_CHARS_MAX // 2))
@example("a.b." * 300 + ":1")
@example('"' + "\\" * 999)
@example("x" * (QUERY_CHARS_MAX + 1))
def test_any_text_is_a_query_or_a_clear_error(text: str) -> None:
    error = error_of(text)
    if error is None:
        CompiledFilter(parse(text)).select(b"", 0)
        return
    assert 0 <= error.position <= len(text)
    assert error.text
    line, caret = error.pointed().split("\n")
    assert caret.strip() == "^"
    assert len(caret) <= len(line) + 1


def error_of(text: str) -> FilterError | None:
    try:
        parse(text)
    except FilterError as error:
        return error
    return None
