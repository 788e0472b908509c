"""Logboom: the device listener, every ack after the entry's fdatasync."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path
from typing import Final

from bench.subjects.base import HOST, Launch, Subject, UnavailableError

_COMMAND: Final = "logboom serve --data-dir DIR --only device --listen device=127.0.0.1:PORT"


class Logboom(Subject):
    """Typed, stored, fdatasynced, acked."""

    name = "logboom"
    title = "Logboom: typed, fdatasynced, acked"
    acknowledges = True
    keeps_order = True
    before = b'"entry":'
    after = b',"source":"127.0.0.1","listener":"device"}'

    def __init__(self, program: Path | None = None) -> None:
        self._program = program or Path(sys.executable).with_name("logboom")
        self._version = "unknown"

    def prepare(self) -> None:
        """See `Subject`."""
        if not self._program.exists():
            raise UnavailableError(
                "this Python has no `logboom` command: run `make bench`, or name it with --logboom"
            )
        asked = subprocess.run(
            [str(self._program), "--version"], capture_output=True, text=True, check=False, timeout=30
        )
        answer = asked.stdout.strip().removeprefix("logboom ") if asked.returncode == 0 else ""
        self._version = answer or importlib.metadata.version("logboom")

    def version(self) -> str:
        """See `Subject`."""
        return self._version

    def launch(self, directory: Path, port: int) -> Launch:
        """See `Subject`."""
        where = [
            "--data-dir",
            str(data_directory(directory)),
            "--only",
            "device",
            "--listen",
            f"device={HOST}:{port}",
        ]
        return Launch([str(self._program), "serve", *where])

    def stored(self, directory: Path) -> list[Path]:
        """See `Subject`."""
        return sorted((data_directory(directory) / "journal").glob("*.jsonl"))

    def described(self) -> str:
        """See `Subject`."""
        return _COMMAND


def data_directory(directory: Path) -> Path:
    """Data directory of the server, inside its trial's directory."""
    return directory / "data"
