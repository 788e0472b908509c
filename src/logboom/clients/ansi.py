"""Terminal escape sequences in log lines: colours are wanted at times, anything else never."""

import re
from typing import Final

_SEQUENCE: Final = (
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor, erase
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)"  # OSC, DCS and their like: titles, clipboard, links
    r"|\x1b[ -/]*[0-~]"  # two or three characters
)
_BYTES: Final = re.compile(_SEQUENCE.encode(), re.DOTALL)
_TEXT: Final = re.compile(_SEQUENCE + r"|\x9b[0-?]*[ -/]*[@-~]", re.DOTALL)
_COLOUR: Final = re.compile(r"\x1b\[[0-9;:]*m")
_CONTROL: Final = {
    number: "\N{REPLACEMENT CHARACTER}" for number in (*range(32), *range(127, 160)) if number not in (9, 27)
}
_RESET: Final = "\x1b[0m"


def strip_ansi(line: bytes) -> bytes:
    """The line without escape sequences."""
    return _BYTES.sub(b"", line) if b"\x1b" in line else line


def strip_colours(text: str) -> str:
    """The text without escape sequences and control characters."""
    return text if text.isprintable() else _TEXT.sub("", text).replace("\x1b", "").translate(_CONTROL)


def printable(text: str, *, colours: bool) -> str:
    """A line that can't do anything to a terminal but be read.

    Args:
        text: of unknown origin; one line.
        colours: leave its colours in.
    """
    if not colours or "\x1b" not in text:
        return strip_colours(text)
    kept = _TEXT.sub(lambda found: found[0] if _COLOUR.fullmatch(found[0]) else "", text)
    pieces = [strip_colours(piece) for piece in _COLOUR.split(kept)]
    marks = [*_COLOUR.findall(kept), _RESET]
    return (
        "".join(piece + mark for piece, mark in zip(pieces, marks, strict=True))
        if len(pieces) > 1
        else pieces[0]
    )
