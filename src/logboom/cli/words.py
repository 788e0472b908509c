"""Words of the command line as text. Names of files may hold any bytes; a word that is sent or looked for may not."""

import inspect
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, Final

import typer

_ANY_BYTES: Final = frozenset({"FILE", "DIR", "FILE|-", "-- CMD…"})
"""Placeholders of words that go to the operating system as they are."""


def with_checked_words(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command refuse words that are not UTF-8, but for names of files; a wrong one is wrong usage."""
    texts = frozenset(_texts(command))

    @wraps(command)
    def checked(*args: Any, **words: Any) -> None:
        for name, word in words.items():
            if name in texts:
                _check(name, word)
        command(*args, **words)

    return checked


def _texts(command: Callable[..., None]) -> Iterator[str]:
    """The names of the parameters that are text."""
    for name, parameter in inspect.signature(command).parameters.items():
        infos = getattr(parameter.annotation, "__metadata__", ())
        if not any(getattr(info, "metavar", None) in _ANY_BYTES for info in infos):
            yield name


def _check(name: str, word: object) -> None:
    for one in word if isinstance(word, list) else [word]:
        if isinstance(one, str) and any("\ud800" <= sign <= "\udfff" for sign in one):
            raise typer.BadParameter(f"--{name.strip('_').replace('_', '-')}: found a word that is not UTF-8")
