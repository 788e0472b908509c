"""Patterns: templates of messages, fingerprints of exceptions, and queries that find them."""

import json
from pathlib import Path
from typing import Any

import pytest

from logboom.journal.folder_log import FolderLog
from logboom.query.exception_prints import exception_print, trace_of
from logboom.query.matching import Filter
from logboom.query.pattern_document import joined_documents, pattern_document
from logboom.query.pattern_groups import Patterns, find_patterns, query_of_exception, query_of_message
from logboom.query.search import Search
from logboom.query.templates import masked, merged_templates
from logboom.testing.output_kit import write_journal

PYTHON = """Traceback (most recent call last):
  File "/srv/app.py", line {0}, in <module>
    main()
  File "/srv/shop/cart.py", line {1}, in total
    return 1 / 0
ZeroDivisionError: division by zero"""
CHAINED = (
    f"{PYTHON}\n\nDuring handling of the above exception, another exception occurred:\n\n"
    + PYTHON.replace("ZeroDivisionError: division by zero", "shop.errors.CartError: no total for cart {1}")
)
JAVA = """java.lang.IllegalStateException: pool 7 is empty
\tat com.shop.Pool.take(Pool.java:{0})
\tat com.shop.Cart.total(Cart.java:{1})
\t... 12 more"""
NODE = """TypeError: Cannot read properties of undefined (reading 'id')
    at Object.total (/srv/cart.js:{0}:15)
    at /srv/app.js:{1}:3"""
GO = "panic: runtime error: no item\n\ngoroutine 1 [running]:\nmain.total(0x{0})\n\t/srv/cart.go:{1} +0x1d"
NET = """System.InvalidOperationException: Sequence contains no elements
   at Shop.Cart.Total(Int32 id) in /srv/Cart.cs:line {0}
   at Shop.Program.Main() in /srv/Program.cs:line {1}"""
RUBY = "NoMethodError: undefined method `x' for nil\n/srv/cart.rb:{0}:in `total'\n\tfrom /srv/app.rb:{1}:in `main'"

TRACES = {
    "python": (PYTHON, "ZeroDivisionError", "/srv/shop/cart.py total"),
    "chained": (CHAINED, "shop.errors.CartError", "/srv/shop/cart.py total"),
    "java": (JAVA, "java.lang.IllegalStateException", "com.shop.Pool.take(Pool.java)"),
    "node": (NODE, "TypeError", "Object.total (/srv/cart.js)"),
    "go": (GO, "panic", "main.total /srv/cart.go"),
    "dotnet": (NET, "System.InvalidOperationException", "Shop.Cart.Total(Int32 id) in /srv/Cart.cs"),
    "ruby": (RUBY, "NoMethodError", "/srv/cart.rb total"),
}


@pytest.mark.parametrize(
    ("text", "mask"),
    [
        ("user 42 logged in from 10.0.0.1:5432", "user <*> logged in from <*>"),
        ("took 12.5 ms", "took <*> ms"),
        ("GET /api/v1/carts/17/items 200", "GET /api/<*>/carts/<*>/items <*>"),
        ("id=6fa459ea-ee8a-3ca4-894e-db77e160355e ok", "id=<*> ok"),
        ("file \"a b\" or 'c d' can't be read, don't wait", "file <*> or <*> can't be read, don't wait"),
        ("at 2026-11-30T14:00:00.5+01:00", "at <*>"),
        ("first line\nsecond 5", "first line"),
        ("", ""),
    ],
)
def test_variable_parts_are_masked(text: str, mask: str) -> None:
    assert masked(text) == mask


def test_a_long_message_costs_little() -> None:
    assert len(masked("a" * 1_000_000)) < 400
    assert masked("_" * 299 + '"' * 300) == "<*>"


def test_many_different_words_in_one_place_are_one_template() -> None:
    names = [f"hello {name} of the shop" for name in ("ann", "bob", "cid", "dora", "eva")]
    states = ["worker of the shop started", "worker of the shop stopped"]
    merged = merged_templates([*names, *states, "ann", "bob", "cid", "dora", "eva", "fay"])
    assert {merged[name] for name in names} == {"hello <*> of the shop"}
    assert {merged[state] for state in states} == set(states)
    assert merged["ann"] == "ann"


@pytest.mark.parametrize("name", TRACES)
def test_an_exception_is_its_type_and_frames(name: str) -> None:
    trace, kind, innermost = TRACES[name]
    one, other = (exception_print(trace.format(*lines)) for lines in ((10, 20), (11, 25)))
    assert one is not None
    assert other is not None
    assert one.fingerprint == other.fingerprint
    assert (one.kind, one.frames[-1]) == (kind, innermost)
    renamed = exception_print(trace.replace("otal", "um").format(10, 20))
    assert renamed is not None
    assert renamed.fingerprint != one.fingerprint


@pytest.mark.parametrize("text", ["", "no trace\nat all", "  File x", "\n at \n", 'File "'])
def test_other_texts_are_no_exceptions(text: str) -> None:
    assert exception_print(text) is None


def test_traces_are_found_in_the_fields_of_several_loggers() -> None:
    for entry in ({"exc_info": "a\nb"}, {"err": {"stack": "a\nb"}}, {"error.stack_trace": "a\nb"}):
        assert trace_of(entry) == "a\nb"
    assert trace_of({"error": "plain", "exception": 7, "stack": {"frames": []}}) == ""


ENTRIES: list[dict[str, Any]] = [
    *({"level": "info", "message": f"user {n} logged in", "source": f"web-{n % 2}"} for n in range(40)),
    *(
        {
            "level": "error",
            "message": f"cart {n} has no total",
            "exc_info": PYTHON.format(n, n + 1),
            "host": "h",
        }
        for n in range(7)
    ),
    *({"level": "error", "message": JAVA.format(n, 3)} for n in range(5)),
    *({"type": "heartbeat", "uptime": n} for n in range(6)),
    *({"message": f'quote \\ "{n}" and\ttab  {n} done', "source": "web-0"} for n in range(3)),
]


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("patterns")
    write_journal(folder, [json.dumps(entry).encode() for entry in ENTRIES], segment_lines=20)
    return folder / "journal"


def patterns(journal: Path, wanted: Filter = Filter(), **words: Any) -> Patterns:  # noqa: B008 - immutable
    return find_patterns(FolderLog(journal), wanted, **words)


def test_messages_are_grouped_with_their_counts(journal: Path) -> None:
    found = patterns(journal).messages
    assert {template: group.count for template, group in found.items()} == {
        "user <*> logged in": 40,
        "cart <*> has no total": 7,
        "heartbeat {type, uptime}": 6,
        "java.lang.IllegalStateException: pool <*> is empty": 5,
        "quote \\ <*> and\ttab  <*> done": 3,
    }
    users = found["user <*> logged in"]
    assert users.levels == {"INFO": 40}
    assert users.sources == {"web-0": 20, "web-1": 20}
    assert users.first < users.last
    assert json.loads(users.example)["entry"]["message"].startswith("user ")


def test_exceptions_are_grouped_with_their_counts(journal: Path) -> None:
    python, java = patterns(journal).exceptions
    assert not isinstance(python.what, str)
    assert (python.count, python.what.kind, python.what.text) == (7, "ZeroDivisionError", "division by zero")
    assert (java.count, dict(java.levels)) == (5, {"ERROR": 5})


def test_their_queries_find_them(journal: Path) -> None:
    found = patterns(journal)
    queries = [(query_of_message(template, group), group) for template, group in found.messages.items()]
    queries += [
        (query_of_exception(group.what), group)
        for group in found.exceptions
        if not isinstance(group.what, str)
    ]
    for query, group in queries:
        page = Search(FolderLog(journal)).backward(Filter(text=query), 1000)
        assert len(page.found) == group.count, query


def test_a_filter_narrows_and_a_part_is_marked(journal: Path) -> None:
    assert list(patterns(journal, Filter(text="source:web-1")).messages) == ["user <*> logged in"]
    part = patterns(journal, give_up=lambda: True)
    assert part.reach.before == 60
    assert sum(group.count for group in part.messages.values()) == part.reach.entries == len(ENTRIES) - 60
    rest = patterns(journal, end=part.reach.before)
    assert rest.reach.before is None
    assert part.reach.entries + rest.reach.entries == len(ENTRIES)


def test_the_documents_of_parts_are_joined(journal: Path) -> None:
    newer = patterns(journal, give_up=lambda: True)
    older = patterns(journal, end=newer.reach.before)
    whole, joined = (
        {**pattern_document(patterns(journal), 500)},
        joined_documents(pattern_document(newer, 500), pattern_document(older, 500), 500),
    )
    assert (joined["complete"], joined["progress"], joined["entries"]) == (True, 1.0, len(ENTRIES))
    names = ("count", "first_seen", "last_seen", "levels")
    for kind, key in (("messages", "template"), ("exceptions", "fingerprint")):
        one, other = (
            {row[key]: [row[name] for name in names] for row in document[kind]}
            for document in (whole, joined)
        )
        assert one == other
        assert joined[f"{kind}_total"] == whole[f"{kind}_total"]


def test_templates_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("logboom.query.pattern_groups.ROWS_MAX", 10)
    letters = "abcdefghijklmnopqrstuvwxyz"
    lines = [b'{"message":"%b"}' % (letters[n % 26] * (n // 26 + 1)).encode() for n in range(100)]
    write_journal(tmp_path, [*lines, *[b'{"message":"often"}'] * 20], segment_lines=1000)
    found = patterns(tmp_path / "journal")
    assert len(found.messages) <= 10
    assert found.dropped > 0
    assert found.dropped + sum(group.count for group in found.messages.values()) == 120
