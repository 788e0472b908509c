"""Logboom's `device` listener, and the `http` listener for requests of health and metrics."""

from pathlib import Path

from bench.subjects.base import HOST, Launch
from bench.subjects.logboom import Logboom, data_directory
from logboom.testing.ports import free_port


class LogboomScraped(Logboom):
    """The same server as `Logboom`, with health and metrics."""

    http_port = 0
    """Port of the last server."""

    def launch(self, directory: Path, port: int) -> Launch:
        """See `Subject`."""
        self.http_port = free_port()
        where = ["--data-dir", str(data_directory(directory)), "--only", "device,http"]
        listen = ["--listen", f"device={HOST}:{port}", "--listen", f"http={HOST}:{self.http_port}"]
        return Launch([str(self._program), "serve", *where, *listen])
