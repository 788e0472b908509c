"""Processes of this machine, found by the environment that they were started with."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

_LOOKS: Final = 100
_LOOK_S: Final = 0.05
"""Pause between looks: what has been asked to end gets some seconds for it."""


def processes_with(variable: str) -> Iterator[tuple[int, str]]:
    """Processes that started with a variable, given as `NAME=value`: ids and command lines."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or belongs to another user
            if variable.encode() in (folder / "environ").read_bytes().split(b"\0"):
                words = (folder / "cmdline").read_bytes().split(b"\0")
                yield int(folder.name), b" ".join(words).decode(errors="replace").strip()


def end_processes_with(variable: str) -> list[str]:
    """Kill the processes that have a variable and do not end by themselves within seconds; return their commands."""
    for _ in range(_LOOKS):
        if not list(processes_with(variable)):
            return []
        signal.sigtimedwait([], _LOOK_S)
    left = list(processes_with(variable))
    for process, _ in left:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    return [command for _, command in left]
