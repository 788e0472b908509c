"""`logboom token`: who may write and read."""

from pathlib import Path
from typing import Annotated

import typer

from logboom.cli import options
from logboom.cli.speaking import answer
from logboom.config import load
from logboom.pipeline import tokens

app = typer.Typer(
    name="token",
    help="Make, list and revoke the tokens that clients show. A running server notices within a second.",
    no_args_is_help=True,
)

Scopes = Annotated[
    str, typer.Option(metavar="SCOPE,…", help="What it may do: write, read; or admin, which is both.")
]
TokenName = Annotated[str, typer.Argument(metavar="NAME", help="Whose it is, such as esp32-hall-2.")]


@app.command("add")
def add(
    name: TokenName,
    *,
    scope: Scopes = "write",
    config: options.ConfigFile = None,
    profile: options.Profile = None,
    data_dir: options.DataDir = None,
) -> None:
    """Make a token and print it. It is shown this once: only its hash is kept.

    Examples:
      logboom token add esp32-hall-2

      logboom token add anna --scope read

    Exit codes: 0 made, 1 it could not be made, 2 wrong usage.
    """
    scopes = tuple(word.strip() for word in scope.split(",") if word.strip())
    answer(tokens.add_token(_path(config, profile, data_dir), name, scopes))


@app.command("list")
def list_tokens(
    *,
    config: options.ConfigFile = None,
    profile: options.Profile = None,
    data_dir: options.DataDir = None,
) -> None:
    """List the tokens by name, with their scopes. Exit codes: 0 done, 1 the file can't be read."""
    import sys

    from logboom.viewer.tables import write_table

    found = tokens.read_tokens(_path(config, profile, data_dir))
    rows = [(token.name, ", ".join(token.scopes), token.created) for token in found]
    write_table(sys.stdout, ("NAME", "SCOPES", "CREATED"), rows)


@app.command("revoke")
def revoke(
    name: TokenName,
    *,
    config: options.ConfigFile = None,
    profile: options.Profile = None,
    data_dir: options.DataDir = None,
) -> None:
    """Make a token worthless. Exit codes: 0 done, 1 there is no such token."""
    tokens.revoke_token(_path(config, profile, data_dir), name)


def _path(config: Path | None, profile: str | None, data_dir: str | None) -> Path:
    file = options.settings_file(config, options.warn)
    return load(profile=profile, file=file, flags=options.flag_table(data_dir=data_dir)).tokens_path
