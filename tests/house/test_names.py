"""A name stands for one thing: modules and public classes are unique, so that a search finds the one that is meant."""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "logboom"
MODULES = sorted(SOURCE.rglob("*.py"))

SAME_ROLE = {
    "__init__": "the package itself",
    "__main__": "what `python -m` runs",
    "base": "the contract of a package's kinds",
    "protocol": "the sans-IO protocol of each receiver over TCP",
    "codec": "the encoding of a receiver, in the receiver's package",
    "push": "the body pump, and the push API of Loki",
    "registry": "the list of a package's kinds, in each package that has kinds",
    "settings": "the settings of the package; those of the server stand at the top",
    "config": "the command `logboom config`, and what it shows",
    "export": "the command and the endpoint",
    "health": "the command, and what it asks",
    "sql": "the command and the endpoint",
    "tail": "the command and the endpoint",
    "verify": "the command, and what it runs",
}
"""Module names of several modules that do the same for different packages, or of a command and its subject."""

NOT_YET = {"frames"}
"""Module names that still stand for two things. No name is added."""

CLASSES_NOT_YET = {
    "Connection", "Fields", "Outcome", "Places", "Refusal",
}  # fmt: skip
"""Names of public classes that still stand for two things. No name is added."""


def public_classes(path: Path) -> Iterator[str]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name


@pytest.fixture(scope="module")
def modules() -> dict[str, list[str]]:
    found = defaultdict(list)
    for path in MODULES:
        found[path.stem].append(path.relative_to(SOURCE).as_posix())
    return found


@pytest.fixture(scope="module")
def classes() -> dict[str, list[str]]:
    found = defaultdict(list)
    for path in MODULES:
        for name in public_classes(path):
            found[name].append(path.relative_to(SOURCE).as_posix())
    return found


def repeated(names: Mapping[str, list[str]]) -> dict[str, list[str]]:
    return {name: places for name, places in names.items() if len(places) > 1}


def test_there_is_something_to_look_at(modules: dict[str, list[str]], classes: dict[str, list[str]]) -> None:
    assert len(modules) > 200
    assert len(classes) > 200


def test_module_names_are_unique(modules: dict[str, list[str]]) -> None:
    allowed = SAME_ROLE.keys() | NOT_YET
    assert {name: places for name, places in repeated(modules).items() if name not in allowed} == {}


def test_names_of_public_classes_are_unique(classes: dict[str, list[str]]) -> None:
    assert {name: places for name, places in repeated(classes).items() if name not in CLASSES_NOT_YET} == {}
