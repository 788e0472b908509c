"""File that keeps alerts, their history, what is muted and undelivered changes over restarts."""

from pathlib import Path
from typing import Any, Final

import msgspec

from logboom.durable import replace_file
from logboom.model import Report
from logboom.ops.alerts.lifecycle import Alert, Key
from logboom.ops.alerts.muting import Mute
from logboom.ops.alerts.outbox import Backlog

FILE_NAME: Final = "alerts.json"
VERSION: Final = 1


class AlertState(msgspec.Struct):
    """Content of the file."""

    version: int
    alerts: list[Any]
    backlogs: dict[str, Backlog] | None = msgspec.field(default=None, name="untold")
    """Outboxes by id of the target, in files of older versions by its name; None in still older ones."""
    past: list[Alert] = []
    mutes: list[Mute] = []
    notified: list[Key] | None = None
    """Alerts of which targets were notified; None in files of older versions: all that fire."""


class AlertFile:
    """The file.

    Args:
        data_dir: its folder.
        report: logs what can't be written.
    """

    def __init__(self, data_dir: Path, report: Report) -> None:
        self._path = data_dir / FILE_NAME
        self._report = report
        self._failing = False

    def read(self) -> AlertState | None:
        """Return the content; None: there is no file, or it is of another version.

        Raises:
            OSError: it can't be read.
            ValueError: it is damaged.
            RecursionError: it is nested too deeply.
        """
        try:
            file = msgspec.json.decode(self._path.read_bytes(), type=AlertState)
        except FileNotFoundError:
            return None
        return file if file.version == VERSION else None

    def write(self, state: AlertState) -> bool:
        """Write the content; return whether that was possible. An error is logged once."""
        try:
            replace_file(self._path, [msgspec.json.encode(state), b"\n"])
        except OSError as error:
            if not self._failing:
                self._report("warning", f"alerts can't be saved: {error.strerror or error}")
            self._failing = True
            return False
        self._failing = False
        return True
