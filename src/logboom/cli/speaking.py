"""The commands' texts on standard output and standard error: harmless to a terminal, whatever a sender wrote."""

import io
import sys
from typing import Any

import msgspec
import typer

from logboom.formats.harmless import visible, visible_json


def prepare_streams() -> None:
    """Let no character that the terminal's encoding lacks end a command: it is shown as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(text: str) -> None:
    """Write one line for the user to standard error; standard output is for data."""
    typer.echo(visible(text), err=True)


def answer(text: str) -> None:
    """Write one line to standard output."""
    typer.echo(visible(text))


def answer_json(value: Any, *, indent: int = 0) -> None:
    """Write a JSON value to standard output: on one line, or with an indent."""
    data = msgspec.json.encode(value)
    text = (msgspec.json.format(data, indent=indent) if indent else data).decode()
    typer.echo("\n".join(map(visible_json, text.split("\n"))))
