import inspect
from pathlib import Path
from typing import Any

import msgspec
import pytest

from logboom.errors import ConfigError
from logboom.outputs.jsonl import JsonlOutput
from logboom.outputs.registry import OUTPUTS, make_outputs
from logboom.outputs.text import TextOutput


def test_outputs_are_made_but_not_opened(tmp_path: Path) -> None:
    tables = {
        "a": {"type": "jsonl", "path": "a", "folder": str(tmp_path)},
        "b": {"type": "text", "path": str(tmp_path / "b"), "backup_count": "7", "compress": "true"},
        "c": {"type": "text", "path": "c", "enabled": "false"},
    }
    outputs = make_outputs(tables, tmp_path / "data")
    assert {name: type(output) for name, output in outputs.items()} == {"a": JsonlOutput, "b": TextOutput}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({"type": "jsnl", "path": "a"}, r"outputs\.x\.type: found 'jsnl', expected one of .*jsonl"),
        ({"path": "a"}, r"outputs\.x\.type: missing, expected one of .*jsonl"),
        ({"type": ["text"], "path": "a"}, r"outputs\.x\.type: found \['text'\]"),
        ({"type": "text"}, r"outputs\.x: .*`path`"),
        ({"type": "text", "path": ""}, r"outputs\.x\.path: found ''"),
        ({"type": "text", "path": "a", "pth": 1}, r"outputs\.x\.pth: unknown setting; did you mean 'path'"),
        ({"type": "text", "path": "a", "backup_count": -1}, r"outputs\.x\.backup_count: found -1"),
        (
            {"type": "text", "path": "a", "enabled": False, "max_file_bytes": "x"},
            r"outputs\.x\.max_file_bytes",
        ),
        (
            {"type": "text", "path": "a", "filter": "pump temp:>x"},
            r"outputs\.x\.filter: the query, at character 12, before 'x': expected a number after \">\", found",
        ),
        (
            {"type": "sqlite", "path": "a", "filter": "(dry"},
            r"outputs\.x\.filter: the query, at character 1, before '\(dry': this parenthesis is never closed",
        ),
        ({"type": "redis", "url": "redis://h", "filter": "not"}, r"outputs\.x\.filter: .*, at the end: "),
    ],
)
def test_wrong_settings(table: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        make_outputs({"x": table}, Path("data"))


@pytest.mark.parametrize("kind", ["text", "sqlite"])
def test_two_outputs_never_share_a_file(kind: str) -> None:
    tables = {
        "a": {"type": "jsonl", "path": "x.log", "folder": "logs"},
        "b": {"type": kind, "path": "./logs/../logs/x.log"},
    }
    with pytest.raises(ConfigError, match=r"outputs\.b\.path: .*x\.log is already the file of outputs\.a"):
        make_outputs(tables, Path("data"))
    tables["a"]["enabled"] = False  # type: ignore[assignment]
    assert list(make_outputs(tables, Path("data"))) == ["b"]


def test_every_setting_is_described() -> None:
    for kind in OUTPUTS.values():
        assert inspect.getdoc(kind.settings)
        schema = msgspec.json.schema(kind.settings)["$defs"][kind.settings.__name__]
        assert [key for key, field in schema["properties"].items() if not field.get("description")] == []
