"""`logboom completion`: what a shell needs to complete the commands, printed; no file of the user is touched."""

import os
from enum import StrEnum
from typing import Annotated, Final

import typer

PROGRAM: Final = "logboom"
VARIABLE: Final = "_LOGBOOM_COMPLETE"
"""Set by the scripts when a shell asks for completions."""


class Shell(StrEnum):
    """The shells that there is a script for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(shell: Annotated[Shell, typer.Argument(help="The shell.", show_default=False)]) -> None:
    """Print the script that lets a shell complete commands, options and their values.

    For the running shell, load it at once; for every shell, put that line into the shell's own start file.

    Examples:
      eval "$(logboom completion bash)"

      eval "$(logboom completion zsh)"

      logboom completion fish | source

    The line belongs into ~/.bashrc, after compinit into ~/.zshrc, or into ~/.config/fish/config.fish.

    Exit codes: 0 done, 2 wrong usage.
    """
    from typer.completion import get_completion_script  # type: ignore[attr-defined]  # it is imported there

    typer.echo(get_completion_script(prog_name=PROGRAM, complete_var=VARIABLE, shell=shell))


def answer_shell() -> None:
    """Let typer know how its own scripts ask, when this is such a question."""
    if VARIABLE in os.environ:
        from typer.completion import completion_init  # type: ignore[attr-defined]

        completion_init()


def levels(incomplete: str) -> list[str]:
    """The words for a level that begin so, in the case that was begun with."""
    words = ("debug", "info", "notice", "warning", "error", "critical")
    return _beginning(incomplete, words if incomplete.islower() else tuple(map(str.upper, words)))


def profiles(incomplete: str) -> list[str]:
    """The profiles that begin so."""
    from logboom.config import PROFILES

    return _beginning(incomplete, PROFILES)


def protocols(incomplete: str) -> list[str]:
    """The protocols for sending that begin so."""
    from logboom.clients.wire.dialect_registry import DIALECTS

    return _beginning(incomplete, tuple(DIALECTS))


def _beginning(incomplete: str, words: tuple[str, ...]) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]
