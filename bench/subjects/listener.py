"""Logboom with one listener of another kind than `device`."""

from pathlib import Path
from typing import Final

from bench.subjects.base import HOST, Launch
from bench.subjects.logboom import Logboom, data_directory

_ENVIRONMENT: Final = {"LOGBOOM_LISTENERS__HTTP__CONNECTIONS_PER_ADDRESS_MAX": "2000"}
"""All readers are at one address here."""


class LogboomListener(Logboom):
    """The same server, for what the `protocols` benchmark sends."""

    def __init__(self, listener: str, program: Path | None = None) -> None:
        super().__init__(program)
        self.listener = listener

    def launch(self, directory: Path, port: int) -> Launch:
        """See `Subject`."""
        where = ["--data-dir", str(data_directory(directory)), "--only", self.listener]
        command = [str(self._program), "serve", *where, "--listen", f"{self.listener}={HOST}:{port}"]
        return Launch(command, _ENVIRONMENT if self.listener == "http" else {})

    def stored_lines(self, directory: Path) -> int:
        """Number of entries in the journal."""
        return sum(path.read_bytes().count(b"\n") for path in self.stored(directory))
