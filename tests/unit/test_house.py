"""Rules of the house that no linter knows."""

import ast
from functools import cache
from pathlib import Path
from typing import NamedTuple

import logboom

ROOT = Path(logboom.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
PURE = [
    path
    for path in MODULES
    if (path == ROOT / "model.py" or path.relative_to(ROOT).parts[0] in ("formats", "framing", "receivers"))
    and path != ROOT / "receivers" / "mqtt" / "subscriber.py"  # it connects outwards
]
LINES_MAX = 400
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "manager", "managers", "misc", "common", "base_utils"}
OUTSIDE_WORLD = {"asyncio", "os", "select", "signal", "socket", "subprocess", "threading", "time", "uvloop"}
UNFINISHED = ("TODO", "FIXME", "XXX", "HACK")
PAST_SPEAKING = ("print", "typer.echo", "typer.secho", "sys.stdout.write", "sys.stderr.write")


class Facts(NamedTuple):
    """Properties of a module that the rules look at."""

    lines: int
    explained: bool
    """Has a docstring."""
    unfinished: list[str]
    imports: set[str]
    """Top-level names that it imports, wherever in it."""
    writes: list[str]
    """Calls that write to the terminal past `cli.speaking`."""


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def facts() -> dict[Path, Facts]:
    """Facts about each module, of which each is read and parsed once."""
    return {path: facts_of(path.read_text(encoding="utf-8")) for path in MODULES}


def facts_of(text: str) -> Facts:
    tree = ast.parse(text)
    imports, calls = set[str](), list[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            imports.add((node.module or "").partition(".")[0])
        elif isinstance(node, ast.Call):
            calls.append(ast.unparse(node.func))
    return Facts(
        lines=len(text.splitlines()),
        explained=bool(ast.get_docstring(tree)),
        unfinished=[word for word in UNFINISHED if word in text],
        imports=imports,
        writes=[name for name in calls if name in PAST_SPEAKING],
    )


def test_there_is_something_to_look_at() -> None:
    assert len(MODULES) > 40
    assert len(PURE) > 10


def test_the_facts_are_seen() -> None:
    text = '"""Is explained."""\nimport os.path\ndef f():\n  from time import sleep  # TODO\n  sys.stdout.write("")\n'
    assert facts_of(text) == Facts(5, True, ["TODO"], {"os", "time"}, ["sys.stdout.write"])  # noqa: FBT003
    assert not facts_of("x = 1\n").explained


def test_a_file_can_be_read_in_one_sitting() -> None:
    assert {name_of(path): one.lines for path, one in facts().items() if one.lines > LINES_MAX} == {}


def test_a_module_says_what_it_is_for() -> None:
    assert [name_of(path) for path, one in facts().items() if not one.explained] == []


def test_nothing_is_left_to_do() -> None:
    assert {name_of(path): one.unfinished for path, one in facts().items() if one.unfinished} == {}


def test_names_say_what_is_inside() -> None:
    parts = {path: {part.removesuffix(".py") for part in path.relative_to(ROOT).parts} for path in MODULES}
    assert [name_of(path) for path, names in parts.items() if names & VAGUE_NAMES] == []


def test_the_pure_layers_know_no_clock_loop_or_socket() -> None:
    known = {name_of(path): facts()[path].imports & OUTSIDE_WORLD for path in PURE}
    assert {name: found for name, found in known.items() if found} == {}


SPEAKERS = {
    "cli/speaking.py",
    "cli/tail.py",
    "viewer/tables.py",
    "clients/handler/logging_handler.py",
    "cli/health_report.py",
}
"""Modules that write to standard streams: each passes what a sender wrote through `formats.harmless`."""
OWN_TEXT = {"cli/commands.py", "cli/completion.py", "cli/config.py", "cli/prove.py"}
"""Modules that also print texts that no sender has a part in."""


def test_everything_on_a_terminal_is_made_harmless() -> None:
    writing = {name_of(path): one.writes for path, one in facts().items() if one.writes}
    assert {name: calls for name, calls in writing.items() if name not in SPEAKERS | OWN_TEXT} == {}
