"""No module imports itself over others, neither at run time nor for type checking."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TREES = {"logboom": ROOT / "src" / "logboom", "bench": ROOT / "bench"}


def module_of(path: Path, package: str, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join((package, *(parts[:-1] if parts[-1] == "__init__" else parts)))


def sources() -> dict[str, Path]:
    return {
        module_of(path, package, root): path
        for package, root in TREES.items()
        for path in root.rglob("*.py")
        if "vendor" not in path.parts
    }


def imports(tree: ast.AST, known: dict[str, Path]) -> Iterator[str]:
    """Yield every imported module of the trees, also of imports inside functions and for type checking."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module is not None and not node.level:
            for name in node.names:
                inner = f"{node.module}.{name.name}"
                yield inner if inner in known else node.module


def graph_of(modules: dict[str, Path]) -> dict[str, set[str]]:
    return {
        name: {
            one
            for one in imports(ast.parse(path.read_text(encoding="utf-8")), modules)
            if one in modules and one != name and not is_package(one, modules)
        }
        for name, path in modules.items()
    }


def is_package(name: str, modules: dict[str, Path]) -> bool:
    return modules[name].name == "__init__.py"


def cycle_in(graph: dict[str, set[str]]) -> list[str]:
    """Return the modules of one cycle; empty if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_a_cycle_is_found() -> None:
    assert sorted(set(cycle_in({"a": {"b"}, "b": {"c", "d"}, "d": {"b"}}))) == ["b", "d"]
    assert cycle_in({"a": {"b", "c"}, "b": {"c"}}) == []


@pytest.mark.parametrize("package", sorted(TREES))
def test_no_module_imports_itself_over_others(package: str) -> None:
    modules = sources()
    graph = graph_of({name: path for name, path in modules.items() if name.split(".")[0] == package})
    assert len(graph) > 20
    assert cycle_in(graph) == []
