"""Names of receivers are listed in one place, the registry: no literal in the source repeats the list."""

import ast
from collections.abc import Iterator
from pathlib import Path

from logboom.receivers.registry import NAMES

SOURCE = Path(__file__).parents[2] / "src" / "logboom"
OTHER_NAMES = {
    "clients/handler/logging_handler.py": "schemes of URLs",
    "extras.py": "extras of the package",
    "formats/redaction.py": "schemes of URLs",
    "receivers/any/detection.py": "protocols that can be recognised by their first bytes",
    "prove/follow.py": "protocols of clients that follow files",
}
"""Modules whose literals list other things, some of which are called like a receiver."""
NAMES_MAX = 2
"""Names of receivers that may stand together in one literal."""


def lists_of(tree: ast.AST) -> Iterator[tuple[int, list[str]]]:
    """Line and names of each literal: the texts of a tuple, list, set or dict, or the words of an enumeration."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Tuple | ast.List | ast.Set):
            words = [str(one.value) for one in node.elts if isinstance(one, ast.Constant)]
        elif isinstance(node, ast.Dict):
            words = [str(one.value) for one in node.keys if isinstance(one, ast.Constant)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 400:
            words = node.value.replace("`", "").replace(" or ", ", ").replace(" and ", ", ").split(", ")
        else:
            continue
        yield getattr(node, "lineno", 0), [word for word in words if word in NAMES]


def test_no_literal_lists_receivers() -> None:
    found = [
        f"{path.relative_to(SOURCE)}:{line}: {', '.join(names)}"
        for path in sorted(SOURCE.rglob("*.py"))
        if path.relative_to(SOURCE).as_posix() not in {"receivers/registry.py", *OTHER_NAMES}
        for line, names in lists_of(ast.parse(path.read_text(encoding="utf-8")))
        if len(set(names)) > NAMES_MAX
    ]
    assert found == []
