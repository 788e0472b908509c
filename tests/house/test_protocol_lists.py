"""Names of receivers are listed in one place, the registry: no literal in the source repeats the list."""

import ast
from collections.abc import Iterator
from pathlib import Path

from logboom.receivers.registry import NAMES

SOURCE = Path(__file__).parents[2] / "src" / "logboom"
NAMES_MAX = 2
"""Names of receivers that may stand together in one literal."""


def lists_of(tree: ast.AST) -> Iterator[tuple[int, list[str]]]:
    """Line and names of each literal: texts of a tuple, list, set or dict, or the words of one text in backquotes or commas."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Tuple | ast.List | ast.Set):
            words = [one.value for one in node.elts if isinstance(one, ast.Constant)]
        elif isinstance(node, ast.Dict):
            words = [one.value for one in node.keys if isinstance(one, ast.Constant)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 400:
            words = node.value.replace("`", "").replace(" or ", ", ").replace(" and ", ", ").split(", ")
        else:
            continue
        yield getattr(node, "lineno", 0), [word for word in words if word in NAMES]


def test_no_literal_lists_receivers() -> None:
    found = [
        f"{path.relative_to(SOURCE)}:{line}: {', '.join(names)}"
        for path in sorted(SOURCE.rglob("*.py"))
        if path != SOURCE / "receivers" / "registry.py"
        for line, names in lists_of(ast.parse(path.read_text(encoding="utf-8")))
        if len(set(names)) > NAMES_MAX
    ]
    assert found == []
