"""Rules of the house that no linter knows."""

import ast
from pathlib import Path

import pytest

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


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports_of(path: Path) -> set[str]:
    """The top-level names that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").partition(".")[0])
    return found


def test_there_is_something_to_look_at() -> None:
    assert len(MODULES) > 40
    assert len(PURE) > 10


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_file_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LINES_MAX


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_nothing_is_left_to_do(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not [word for word in ("TODO", "FIXME", "XXX", "HACK") if word in text]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_names_say_what_is_inside(path: Path) -> None:
    assert not VAGUE_NAMES & {part.removesuffix(".py") for part in path.relative_to(ROOT).parts}


@pytest.mark.parametrize("path", PURE, ids=name_of)
def test_the_pure_layers_know_no_clock_loop_or_socket(path: Path) -> None:
    assert not OUTSIDE_WORLD & imports_of(path)


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


def writes_of(path: Path) -> list[str]:
    """Calls in a module that write to the terminal past `cli.speaking`."""
    calls = [
        node.func
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    ]
    names = [ast.unparse(call) for call in calls]
    past = ("print", "typer.echo", "typer.secho", "sys.stdout.write", "sys.stderr.write")
    return [name for name in names if name in past]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_everything_on_a_terminal_is_made_harmless(path: Path) -> None:
    assert not writes_of(path) or name_of(path) in SPEAKERS | OWN_TEXT
