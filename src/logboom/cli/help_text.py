"""Help for a terminal of 80 columns: prose is wrapped between words, examples stay lines of their own."""

import inspect
import re
import textwrap
from collections.abc import Sequence
from typing import Any, Final

from typer.core import TyperCommand, TyperGroup

EXAMPLES: Final = "Examples:"
_KEEP: Final = "\b\n"
"""Begins a paragraph that is not wrapped."""
_COLUMNS: Final = 76
"""Width of an example: a terminal's 80 less the indent of the help."""


def help_of(docstring: str) -> str:
    """A docstring as help: the lines under `Examples:` become one block, long ones broken as a shell takes them."""
    before, title, after = inspect.cleandoc(docstring).partition(f"{EXAMPLES}\n")
    if not title:
        return before
    lines = after.split("\n")
    end = next(
        (number for number, line in enumerate(lines) if line and not line.startswith("  ")), len(lines)
    )
    examples = [broken for line in lines[:end] if line.strip() for broken in _broken(line.strip())]
    rest = "\n".join(lines[end:])
    return f"{before}{_KEEP}{EXAMPLES}\n" + "\n".join(examples) + f"\n\n{rest}"


def _broken(command: str) -> list[str]:
    pieces = textwrap.wrap(
        command, _COLUMNS - 8, break_long_words=False, break_on_hyphens=False, subsequent_indent="    "
    )
    return [f"  {piece} \\" for piece in pieces[:-1]] + [f"  {pieces[-1]}"]


_HYPHEN: Final = re.compile(r"(?<=\S)-(?=\S)|(?<=\s)-(?=-?\S)")
_WHOLE: Final = "\N{NON-BREAKING HYPHEN}"
"""Stands for hyphens while text is wrapped: an option must not be broken at one of its own."""

_CONTEXT: Final[Any] = TyperCommand.context_class


class _Formatter(_CONTEXT.formatter_class):  # type: ignore[misc]  # of typer, which has no public name for it
    """Writes help without breaking a word at its hyphens."""

    def write_text(self, text: str) -> None:
        super().write_text(_HYPHEN.sub(_WHOLE, text))

    def write_dl(self, rows: Sequence[tuple[str, str]], *arguments: Any, **options: Any) -> None:
        super().write_dl(
            [(first, _HYPHEN.sub(_WHOLE, second)) for first, second in rows], *arguments, **options
        )

    def getvalue(self) -> str:
        return str(super().getvalue()).replace(_WHOLE, "-")


class _Context(_CONTEXT):  # type: ignore[misc]
    formatter_class = _Formatter


class HelpCommand(TyperCommand):
    """A command whose help is readable on 80 columns."""

    context_class = _Context

    def get_short_help_str(self, limit: int = 0) -> str:  # noqa: ARG002 - nothing is cut
        """Return the first sentence of its help."""
        return first_sentence(self.help or "")


class HelpGroup(TyperGroup):
    """A group of commands whose help is readable on 80 columns."""

    context_class = _Context

    def get_short_help_str(self, limit: int = 0) -> str:  # noqa: ARG002 - nothing is cut
        """Return the first sentence of its help."""
        return first_sentence(self.help or "")


def first_sentence(text: str) -> str:
    """The first sentence of a text, on one line."""
    paragraph = " ".join(text.partition("\n\n")[0].split())
    return re.split(r"(?<=[.!?])\s", paragraph, maxsplit=1)[0]
