"""Priorities for journald: a line that goes there begins with its syslog severity, such as `<3>`."""

import os
from collections.abc import Mapping
from typing import Final, TextIO

SEVERITIES: Final = {"💥": "<2>", "❌": "<3>", "⚠️": "<4>", "🔄": "<4>"}
"""The prefix for lines that begin with one of these; journald gives all others 6, which is `info`."""


def reads(stream: TextIO, environment: Mapping[str, str] | None = None) -> bool:
    """Return true if journald reads a stream: systemd names its device and inode in `JOURNAL_STREAM`.

    A program that was started with its standard error elsewhere has the variable, too.
    """
    variables = os.environ if environment is None else environment
    named = variables.get("JOURNAL_STREAM", "")
    if not named:
        return False
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):  # closed, or no file
        return False
    return named == f"{status.st_dev}:{status.st_ino}"


def prefix(text: str) -> str:
    """The severity of a line that begins with an emoji; empty for those that have none."""
    return next((severity for emoji, severity in SEVERITIES.items() if text.startswith(emoji)), "")


def prefixed(text: str, stream: TextIO) -> str:
    """A line for a stream, with its severity where journald reads it."""
    return prefix(text) + text if reads(stream) else text
