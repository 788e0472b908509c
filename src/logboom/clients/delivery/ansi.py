"""Terminal escape sequences in log lines: left out of what is sent, where that is asked for."""

import re
from typing import Final

_SEQUENCE: Final = re.compile(
    rb"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor, erase
    rb"|\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)"  # OSC, DCS and their like: titles, clipboard, links
    rb"|\x1b[ -/]*[0-~]",  # two or three characters
    re.DOTALL,
)


def strip_ansi(line: bytes) -> bytes:
    """The line without escape sequences."""
    return _SEQUENCE.sub(b"", line) if b"\x1b" in line else line
