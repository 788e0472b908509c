"""A Prometheus server for tests: its own folder and port, gone afterwards."""

import json
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from logboom.testing.ports import free_port

WAIT_S_MAX: Final = 30.0
POLL_S: Final = 0.05


class PrometheusServer:
    """A server of our own.

    Args:
        folder: where it keeps its data and says what it does.
        binary: the program.
        configuration: a `prometheus.yml`; the files it names stand beside it.
    """

    def __init__(self, folder: Path, binary: str, configuration: Path) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self._log = folder / "log"
        self._command = [
            binary,
            f"--config.file={configuration}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
            "--log.level=warn",
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it answers."""
        with self._log.open("wb") as log:  # a file: nobody reads a pipe, and a full one would stop it
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        self.wait_for(self._is_ready, "it to be ready")

    def kill(self) -> None:
        """End it at once. Idempotent."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = None

    def ask(self, path: str, **parameters: str) -> Any:
        """The data that one of its addresses under `/api/v1/` answers with. Raises `AssertionError` for an error."""
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=WAIT_S_MAX) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{path} {parameters}: {error.read().decode()}") from None

    def query(self, expression: str) -> dict[tuple[tuple[str, str], ...], float]:
        """The value of each series of an expression now, by its labels."""
        found = self.ask("query", query=expression)["result"]
        return {tuple(sorted(one["metric"].items())): float(one["value"][1]) for one in found}

    def value(self, expression: str) -> float | None:
        """The only value of an expression now; None while there is none, or several are there."""
        values = list(self.query(expression).values())
        return values[0] if len(values) == 1 else None

    def wait_for(self, happened: Callable[[], bool], what: str) -> None:
        """Look again and again. Raises `AssertionError` after `WAIT_S_MAX`."""
        deadline = time.monotonic() + WAIT_S_MAX
        while not happened():
            if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"waited in vain for {what}; Prometheus says: {self._log.read_text()}")
            time.sleep(POLL_S)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=WAIT_S_MAX):
                return True
        except OSError:
            return False


@contextmanager
def prometheus_server(binary: str, configuration: Path) -> Iterator[PrometheusServer]:
    """A server that answers; killed, and its folder deleted, at the end."""
    folder = Path(tempfile.mkdtemp(prefix="lb"))
    server = PrometheusServer(folder, binary, configuration)
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder)
