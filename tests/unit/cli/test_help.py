"""Help of every command, on a terminal of 80 columns."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from logboom.cli import app
from logboom.cli.help_text import first_sentence, help_of

COLUMNS = 80
LONG = " ".join(["word"] * 20)


def paths(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    for name, inner in getattr(command, "commands", {}).items():
        yield from paths(inner, (*path, name))


PATHS = list(paths(typer.main.get_command(app)))


def help_text(*path: str) -> str:
    done = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": str(COLUMNS)}, prog_name="logboom")
    assert done.exit_code == 0
    return done.stdout


def command_of(path: tuple[str, ...]) -> Any:
    command: Any = typer.main.get_command(app)
    for name in path:
        command = command.commands[name]
    return command


def words_of(text: str) -> set[str]:
    return set(re.sub(r"[\[\]();]", " ", text).split())


def test_all_commands_are_looked_at() -> None:
    assert len(PATHS) > 20
    assert ("simulate", "device") in PATHS


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_no_line_is_wider_than_the_terminal(path: tuple[str, ...]) -> None:
    assert [line for line in help_text(*path).splitlines() if len(line) > COLUMNS] == []


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_no_word_is_cut(path: tuple[str, ...]) -> None:
    shown = words_of(help_text(*path))
    command = command_of(path)
    texts = [command.epilog or ""] if path else []
    texts += [command.callback.__doc__ or ""] if path and command.callback else []
    texts += [one.help.partition(" [default")[0] for one in command.params if getattr(one, "help", None)]
    texts += [name for one in command.params for name in one.opts if name.startswith("-")]
    texts += [
        first_sentence(inner.help) for inner in getattr(command, "commands", {}).values() if not inner.hidden
    ]
    missing = {word for text in texts for word in words_of(text)} - shown
    assert {word for word in missing if f"{word}," not in shown} == set()


def test_examples_stay_lines_and_long_ones_go_on_as_a_shell_takes_them() -> None:
    text = help_text("serve")
    assert "    logboom serve\n    logboom serve --only device" in text
    for command in re.findall(r"^    (logboom (?:.|\n)*?)(?<!\\)$", text, re.MULTILINE):
        assert re.sub(r" \\\n +", " ", command).count("\n") == 0


@pytest.mark.parametrize(
    ("docstring", "shown"),
    [
        ("One.\n\nTwo.", "One.\n\nTwo."),
        ("One.\n\nExamples:\n  a b\n\n  c\n\nTwo.", "One.\n\n\b\nExamples:\n  a b\n  c\n\nTwo."),
        (f"One.\n\nExamples:\n  {LONG}", f"One.\n\n\b\nExamples:\n  {LONG[:64]} \\\n      {LONG[65:]}\n\n"),
    ],
)
def test_examples_are_one_block(docstring: str, shown: str) -> None:
    assert help_of(docstring) == shown
