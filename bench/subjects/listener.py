"""Logboom with one listener of another kind than `device`."""

from pathlib import Path

from bench.subjects.base import HOST, Launch
from bench.subjects.logboom import Logboom, data_directory


class LogboomListener(Logboom):
    """The same server, for what the `protocols` benchmark sends."""

    def __init__(self, listener: str, program: Path | None = None) -> None:
        super().__init__(program)
        self.listener = listener

    def launch(self, directory: Path, port: int) -> Launch:
        """See `Subject`."""
        where = ["--data-dir", str(data_directory(directory)), "--only", self.listener]
        return Launch([str(self._program), "serve", *where, "--listen", f"{self.listener}={HOST}:{port}"])

    def stored_lines(self, directory: Path) -> int:
        """How many entries the journal holds."""
        return sum(path.read_bytes().count(b"\n") for path in self.stored(directory))
