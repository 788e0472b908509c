"""Server process for tests, which can be killed and restarted with the same data and ports."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from logboom.testing.ports import free_port

START_S_MAX: Final = 30.0
STOP_S_MAX: Final = 30.0


class ServerProcess:
    """`logboom serve` as a child process.

    Args:
        data_dir: its data directory.
        listeners: the names of the listeners to start, each on a free port of 127.0.0.1.
        arguments: further arguments of `logboom serve`.
        environment: further environment variables.
    """

    def __init__(
        self,
        data_dir: Path,
        listeners: tuple[str, ...] = ("device",),
        arguments: tuple[str, ...] = (),
        environment: dict[str, str] | None = None,
    ) -> None:
        self.data_dir = data_dir
        self.ports = {name: free_port() for name in listeners}
        """The port of each listener; the same after a restart."""
        self.events: list[dict[str, str]] = []
        """Operational log since the first start, as written by `--log-format json`."""
        self._arguments = arguments
        self._environment = {**os.environ, **(environment or {})}
        self._changed = threading.Condition()
        self.process: subprocess.Popen[str] | None = None

    def command(self) -> list[str]:
        """The command line."""
        listen = [f"--listen={name}=127.0.0.1:{port}" for name, port in self.ports.items()]
        only = f"--only={','.join(self.ports)}"
        base = [sys.executable, "-m", "logboom", "serve", f"--data-dir={self.data_dir}", "--log-format=json"]
        return [*base, only, *listen, *self._arguments]

    def start(self) -> Self:
        """Start the server, and wait until it accepts connections. Raises `AssertionError` on failure."""
        self.launch()
        return self.wait_until_ready()

    def launch(self) -> None:
        """Start the server without waiting."""
        self._launched_at = len(self.events)
        self.process = subprocess.Popen(  # noqa: S603 - our own command
            self.command(), stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, env=self._environment
        )
        self._reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self._reader.start()

    def wait_until_ready(self) -> Self:
        """Wait until the server accepts connections. Raises `AssertionError` on failure."""
        self.wait_for(lambda event: event["message"].startswith("ready in"), since=self._launched_at)
        return self

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stderr is not None
        for line in process.stderr:
            try:
                event = json.loads(line)
            except ValueError:
                event = {"event": "raw", "message": line.rstrip("\n"), "level": "", "time": ""}
            with self._changed:
                self.events.append(event)
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def wait_for(self, wanted: Callable[[dict[str, str]], bool], *, since: int = 0) -> dict[str, str]:
        """Wait for the first event from number `since` on for which `wanted` is true, at most `START_S_MAX`."""

        def found() -> bool:
            return any(wanted(event) for event in self.events[since:]) or not self._reader.is_alive()

        with self._changed:
            self._changed.wait_for(found, timeout=START_S_MAX)
        for event in self.events[since:]:
            if wanted(event):
                return event
        raise AssertionError(f"the expected event was not logged; found {self.events[since:]}")

    def kill(self) -> None:
        """Stop the server with SIGKILL."""
        process = self._require()
        process.kill()
        self._reap(process)

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, such as SIGSTOP."""
        self._require().send_signal(number)

    def stop(self) -> int:
        """Stop the server with SIGTERM; returns the exit code."""
        process = self._require()
        process.send_signal(signal.SIGTERM)
        return self._reap(process)

    def _require(self) -> "subprocess.Popen[str]":
        if self.process is None:
            raise AssertionError("the server was not started")
        return self.process

    def _reap(self, process: "subprocess.Popen[str]") -> int:
        code = process.wait(timeout=STOP_S_MAX)
        self._reader.join(timeout=STOP_S_MAX)
        if process.stderr is not None:
            process.stderr.close()
        self.process = None
        return code

    def connect(self, listener: str) -> socket.socket:
        """Connect to a listener, with a time limit for every call."""
        return socket.create_connection(("127.0.0.1", self.ports[listener]), timeout=START_S_MAX)

    def journal_lines(self) -> list[bytes]:
        """Return the complete lines of the journal, in order, without newlines."""
        paths = sorted((self.data_dir / "journal").glob("*.jsonl"))
        return [line for path in paths for line in path.read_bytes().split(b"\n")[:-1]]

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            if self.process is not None:
                self.kill()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None:
            self.kill()
