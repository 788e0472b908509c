"""Groups of options: each field is an option of the command, which gets them as one."""

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from logboom.cli.groups import OptionGroup, grouped


@dataclass(frozen=True)
class Size(OptionGroup):
    width: Annotated[int, typer.Option(help="From left to right.")] = 3
    height: Annotated[int | None, typer.Option("--tall", metavar="LINES")] = None


@grouped
def draw(
    what: Annotated[str, typer.Argument()] = "box",
    *,
    first: Annotated[bool, typer.Option("--first")] = False,
    size: Size,
    last: Annotated[str, typer.Option()] = "z",
) -> None:
    """Draw something."""
    typer.echo(f"{what} {first} {size} {last}")


def run(*words: str) -> str:
    app = typer.Typer(add_completion=False)
    app.command()(draw)
    result = CliRunner().invoke(app, words, catch_exceptions=False, env={"COLUMNS": "100"})
    return result.output.strip()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), "box False Size(width=3, height=None) z"),
        (("line", "--width", "7", "--last", "y"), "line False Size(width=7, height=None) y"),
        (("--tall", "2", "--first"), "box True Size(width=3, height=2) z"),
    ],
)
def test_the_command_gets_the_group(words: tuple[str, ...], expected: str) -> None:
    assert run(*words) == expected


def test_the_help_shows_the_options_where_the_group_stands() -> None:
    text = run("--help")
    places = [text.index(word) for word in ("Draw something.", "--first", "--width", "--tall", "--last")]
    assert places == sorted(places)
    assert "From left to right." in text
    assert "--size" not in text
