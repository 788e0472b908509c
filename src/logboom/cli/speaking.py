"""The commands' texts on standard output and standard error: harmless to a terminal, whatever a sender wrote."""

import codecs
import io
import sys
from typing import Any, TextIO

import msgspec

from logboom.formats.harmless import visible, visible_json, visible_lines
from logboom.ops import journald


def prepare_streams() -> None:
    """Let no character that the terminal's encoding lacks end a command: it is shown as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(text: str) -> None:
    """Write one line for the user to standard error; standard output is for data."""
    _write(sys.stderr, journald.prefixed(visible(text), sys.stderr))


def answer(text: str) -> None:
    """Write one line to standard output."""
    _write(sys.stdout, visible(text))


def answer_lines(text: str) -> None:
    """Write several lines of ours to standard output."""
    _write(sys.stdout, visible_lines(text))


def answer_json(value: Any, *, indent: int = 0) -> None:
    """Write a JSON value to standard output: on one line, or with an indent."""
    data = msgspec.json.encode(value)
    text = (msgspec.json.format(data, indent=indent) if indent else data).decode()
    _write(sys.stdout, "\n".join(map(json_line, text.split("\n"))))


def json_line(text: str) -> str:
    """JSON for standard output, harmless, and of characters that its encoding has."""
    return visible_json(text, ascii_only=not (sys.stdout.encoding or "").lower().startswith("utf"))


class TerminalBytes:
    """Takes the bytes of a file that is shown on a terminal: UTF-8, in any pieces."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode

    def write(self, data: bytes) -> int:
        """Show some bytes."""
        sys.stdout.write(visible_lines(self._decode(data).replace("\r\n", "\n")))
        return len(data)

    def flush(self) -> None:
        """Let the terminal have it all."""
        sys.stdout.flush()


def _write(stream: TextIO, text: str) -> None:
    """Write a line at once. Not by typer's `echo`: to a stream of ASCII it writes UTF-8."""
    stream.write(f"{text}\n")
    stream.flush()
