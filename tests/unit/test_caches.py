"""Nothing that is remembered grows with what outsiders write: each cache has a bound in bytes, or keys of ours."""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import logboom
from logboom.remembered import Remembered

ROOT = Path(logboom.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))

OWN_KEYS = {
    "framing/journal_entries.py": {"_expression_of"},  # of an entry of some kilobytes; 16 are kept
    "formats/json_columns.py": {"_check_of"},  # combinations of the usual names; 64 are kept
    "journal/columns/column_file.py": {"_group", "_layout"},  # files of the data directory
    "journal/columns/column_engine.py": {"_reader"},
    "journal/segment_file.py": {"_unpacked_size"},  # files of the data directory
    "receivers/grpc/entry.py": {"request_decoder"},  # the two layouts
    "formats/proto_schema.py": {"load_schema"},  # the files of the package
    "query/filter/block_lines.py": {"lowered", "lines", "odd", "_has_other_cases"},  # of one block
    "query/filter/regexes.py": {"_compiled"},  # four expressions of bounded length
    "settings.py": {"reloadable"},  # settings types and the registry's protocols
}
"""Functions with `functools` caches whose keys are texts or objects that the program itself chooses."""

OWN_NAMES = {
    "app.py": {"listeners", "outputs"},  # the configuration's
    "viewer/source_counts.py": {"sources"},  # up to `SOURCES_MAX`; the others are one
    "clients/simulate/simulated_device.py": {"_said"},  # the simulator's own phases
    "journal/packed_file.py": {"damaged"},  # numbers of parts
    "journal/sealer.py": {"_reported"},  # numbers of damaged segments: files of the data directory
    "receivers/beats/beats_events.py": {
        "_levels",
        "_plans",
        "_values",
    },  # of one batch, whose bytes are bounded
    "query/filter/block_lines.py": {"_decoded", "_records"},  # lines of one block
    "query/logql/pipeline.py": {"parsed"},  # labels of one line, which is gone with it
    "query/roll_up_builder.py": {"_raw"},  # `_settle` empties it at `_RAW_MAX`
    "query/facets.py": {"fields"},  # up to `FIELDS_MAX`
    "query/stream_counter.py": {
        "entries",
        "sizes",
    },  # of one part or answer: `GROUPS_MAX`, `ANSWER_CELLS_MAX`
    "query/series_reader.py": {
        "earliest",
        "intervals",
        "latest",
        "values",
    },  # `StepCache` counts a part's length
    "ops/alerts/rules.py": {"_restarts", "_seen"},  # names of listeners and outputs
    "ops/oplog.py": {"_paid_until"},  # kinds of lines
    "ops/source_book.py": {"_deaf_until"},  # names of listeners
    "outputs/redis_layout.py": {"_last_seen"},  # of one transaction, whose records are counted
    "pipeline/deduplicator.py": {"_counts", "digests_so_far"},  # entries of one request, which are counted
    "servers/grpc_gate.py": {"_methods", "_open"},  # what the server serves
}
"""Tables that are only added to, and why they end."""

MAKERS = {"dict", "Counter", "defaultdict", "OrderedDict", "set"}
ADDERS = {"setdefault", "add", "update"}
REMOVERS = {"pop", "popitem", "clear", "discard", "remove", "difference_update"}


class Facts(NamedTuple):
    """Properties of a module that the rules look at."""

    unbounded: set[str]
    """Functions with a `functools` cache whose keys nothing bounds."""
    wrapped: list[str]
    """Calls that make a cache that is no decorator."""
    growing: set[str]
    """Tables that nothing is taken from."""


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def cached(nodes: Iterable[ast.AST]) -> Iterator[ast.FunctionDef]:
    """The functions that `functools` remembers the results of, by any of their names or as a call."""
    for node in nodes:
        if isinstance(node, ast.FunctionDef):
            for decorator in node.decorator_list:
                if any(word in ast.unparse(decorator) for word in ("lru_cache", "functools.cache", "cache")):
                    yield node
                    break


def is_bounded(function: ast.FunctionDef) -> bool:
    """Whether its keys are whole numbers under a named number of entries, or there is but one."""
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return all(one.annotation is not None and ast.unparse(one.annotation) == "int" for one in arguments)


def test_the_rule_for_caches_finds_what_it_is_for() -> None:
    tree = ast.parse(
        "@lru_cache(maxsize=16)\ndef a(name: str) -> str: ...\n@cache\ndef b() -> int: ...\n"
        "@functools.lru_cache\ndef c(x: int) -> int: ...\ndef d(x: str) -> int: ...\n"
    )
    assert {one.name: is_bounded(one) for one in cached(ast.walk(tree))} == {"a": False, "b": True, "c": True}


@cache
def facts() -> dict[str, Facts]:
    """Facts about each module, of which each is read and parsed once."""
    return {name_of(path): facts_of(ast.parse(path.read_text(encoding="utf-8"))) for path in MODULES}


def facts_of(tree: ast.AST) -> Facts:
    nodes = list(ast.walk(tree))
    growing = [only_growing(node) for node in nodes if isinstance(node, ast.ClassDef)]
    return Facts(
        unbounded={one.name for one in cached(nodes) if not is_bounded(one)},
        wrapped=[ast.unparse(node) for node in nodes if isinstance(node, ast.Call) and _wraps(node)],
        growing=set().union(*growing),
    )


def test_caches_of_functools_have_keys_of_ours() -> None:
    unbounded = {name: one.unbounded - OWN_KEYS.get(name, set()) for name, one in facts().items()}
    found = {name: functions for name, functions in unbounded.items() if functions}
    assert found == {}, "remember it in a `Remembered`, which counts bytes"
    assert {name: one.wrapped for name, one in facts().items() if one.wrapped} == {}


def _wraps(call: ast.Call) -> bool:
    """`lru_cache(…)(function)`: a cache that is no decorator."""
    return isinstance(call.func, ast.Call) and "cache" in ast.unparse(call.func.func)


def test_tables_that_are_added_to_are_taken_from() -> None:
    growing = {name: one.growing - OWN_NAMES.get(name, set()) for name, one in facts().items()}
    assert {name: tables for name, tables in growing.items() if tables} == {}, "bound it, or say why it ends"


def only_growing(one: ast.ClassDef) -> set[str]:
    """Attributes that begin as an empty table, and that no line of the class takes anything from."""
    made, added, taken = set(), set(), set()
    for function in one.body:
        begins = isinstance(function, ast.FunctionDef) and function.name == "__init__"
        for node in ast.walk(function):
            for target, value in assigned(node):
                name = own(target)
                if name and begins and is_empty_table(value):
                    made.add(name)
                elif name:
                    taken.add(name)
                elif isinstance(target, ast.Subscript):
                    added.add(own(target.value))
            if isinstance(node, ast.Delete):
                taken |= {own(target.value) for target in node.targets if isinstance(target, ast.Subscript)}
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                added |= {own(node.func.value)} if node.func.attr in ADDERS else set()
                taken |= {own(node.func.value)} if node.func.attr in REMOVERS else set()
    return {name for name in made & added - taken if name}


def assigned(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr | None]]:
    if isinstance(node, ast.Assign):
        for target in node.targets:
            parts = target.elts if isinstance(target, ast.Tuple) else [target]
            yield from ((part, node.value) for part in parts)
    elif isinstance(node, ast.AnnAssign | ast.AugAssign):
        yield node.target, node.value


def own(node: ast.expr) -> str:
    """The name of an attribute of `self`; empty: it is none."""
    is_own = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    return node.attr if is_own and isinstance(node, ast.Attribute) else ""


def is_empty_table(value: ast.expr | None) -> bool:
    if isinstance(value, ast.Call) and not value.args:
        return ast.unparse(value.func).partition("[")[0].rpartition(".")[2] in MAKERS
    return isinstance(value, ast.Dict) and not value.keys


def test_the_rule_for_tables_finds_what_it_is_for() -> None:
    [growing] = ast.parse(
        "class A:\n def __init__(self):\n  self.a = {}\n  self.b: Counter[str] = Counter()\n  self.c = set()\n"
        " def grow(self, x):\n  self.a[x] = 1\n  self.b[x] += 1\n  self.c.add(x)\n  self.c.discard(x)\n"
    ).body
    assert isinstance(growing, ast.ClassDef)
    assert only_growing(growing) == {"a", "b"}


# --- the table that counts bytes


def test_a_value_is_made_once() -> None:
    made: list[str] = []

    def make(key: str) -> int:
        made.append(key)
        return len(key)

    table = Remembered[str, int](make, 1 << 20)
    assert [table["one"], table["three"], table["one"]] == [3, 5, 3]
    assert made == ["one", "three"]


def test_all_together_stay_below_the_bound_whatever_the_keys() -> None:
    table = Remembered[str, str](str.upper, 64 << 10)
    for number in range(5000):
        key = f"{number:05}" * (number % 7 + 1)
        assert table[key] == key.upper()
        assert sum(len(key) + len(value) for key, value in table.items()) < 64 << 10
    assert len(table) >= 50


@pytest.mark.parametrize("key", ["x" * 1_000_000, ("a", "x" * 1_000_000)], ids=["text", "tuple"])
def test_a_key_that_would_fill_the_table_is_not_kept(key: str | tuple[str, ...]) -> None:
    table = Remembered[str | tuple[str, ...], int](len, 1 << 20)
    assert table["short"] == 5
    assert table[key] == len(key)
    assert list(table) == ["short"]


def test_a_large_value_of_a_short_key_is_not_kept() -> None:
    table = Remembered[int, str](lambda count: "x" * count, 1 << 20)
    assert len(table[1_000_000]) == 1_000_000
    assert not table
