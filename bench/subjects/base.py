"""A subject, and the running process of one."""

import os
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Final, Self

from bench import procfs
from bench.verify import Delivery, verify
from logboom.testing.ports import free_port

HOST: Final = "127.0.0.1"
START_S_MAX: Final = 30.0
STOP_S_MAX: Final = 20.0
_ERROR_TAIL_BYTES: Final = 2000


class UnavailableError(Exception):
    """This subject can't be measured here; the text says why."""


class ServerError(Exception):
    """The server did not start, or ended by itself."""


@dataclass(frozen=True, slots=True)
class Launch:
    """Start of a subject."""

    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)


class Subject(ABC):
    """A server that stores lines it gets over TCP."""

    name: ClassVar[str]
    title: ClassVar[str]
    """Its processing of a line, for the tables."""
    acknowledges: ClassVar[bool] = False
    keeps_order: ClassVar[bool] = False
    """It promises each connection's order; a trial that breaks it is rejected."""
    lines_share: ClassVar[float] = 1.0
    """Its share of a trial's lines: slow subjects get fewer, so that all trials last seconds."""
    before: ClassVar[bytes] = b""
    """The part of a stored line before the entry."""
    after: ClassVar[bytes] = b""
    """The part of a stored line after the entry."""

    @abstractmethod
    def prepare(self) -> None:
        """Make it startable; raises UnavailableError with the reason."""

    @abstractmethod
    def version(self) -> str:
        """Its version, as the table names it."""

    @abstractmethod
    def launch(self, directory: Path, port: int) -> Launch:
        """Write what it needs into an empty directory, and say how to start it."""

    @abstractmethod
    def stored(self, directory: Path) -> list[Path]:
        """The files that hold the stored lines, in order."""

    @abstractmethod
    def described(self) -> str:
        """Its command and configuration, without any path of this machine."""

    def stored_bytes(self, directory: Path) -> int:
        """The size of what is stored so far."""
        return sum(path.stat().st_size for path in self.stored(directory))

    def verify(self, directory: Path, expected: list[tuple[int, int]]) -> Delivery:
        """Read back what was stored, line by line."""
        return verify(self._lines(directory), expected, self.before, self.after)

    def _lines(self, directory: Path) -> Iterator[bytes]:
        for path in self.stored(directory):
            with path.open("rb") as file:
                yield from file


def _environment(launch: Launch) -> dict[str, str]:
    """This process's environment without LOGBOOM_… settings, which would change what is measured."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LOGBOOM_")}
    return inherited | launch.environment


class Server:
    """A running subject. Use it as a context manager: at the end it is stopped, by its pid."""

    def __init__(self, subject: Subject, directory: Path) -> None:
        self.subject = subject
        self.directory = directory
        self.port = free_port()
        self.listening_s = 0.0
        """From exec to the first accepted connection."""
        self._errors = directory.parent / f"{directory.name}.stderr"
        launch = subject.launch(directory, self.port)
        self.started = time.monotonic()
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                launch.command,
                env=_environment(launch),
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        try:
            self._await_listening()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def cpu_s(self) -> float:
        """Processor seconds so far."""
        return procfs.cpu_s(self._process.pid)

    def peak_rss_mib(self) -> float:
        """The largest memory so far."""
        return procfs.peak_rss_mib(self._process.pid)

    def rss_mib(self) -> float:
        """The memory now."""
        return procfs.rss_mib(self._process.pid)

    def open_files(self) -> int:
        """File descriptors that it has open now."""
        return procfs.open_files(self._process.pid)

    def check(self) -> None:
        """Raise ServerError when the process has ended."""
        if self._process.poll() is not None:
            raise ServerError(
                f"{self.subject.name} ended with code {self._process.returncode}: {self._complaint()}"
            )

    def stop(self) -> None:
        """Ask it to end; insist after a while."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_S_MAX)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """End it at once."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    def _await_listening(self) -> None:
        while True:
            try:
                socket.create_connection((HOST, self.port), timeout=1).close()
            except OSError:
                self.check()
                if time.monotonic() - self.started > START_S_MAX:
                    raise ServerError(
                        f"{self.subject.name} does not listen after {START_S_MAX:.0f} s"
                    ) from None
                time.sleep(0.001)
            else:
                self.listening_s = time.monotonic() - self.started
                return

    def _complaint(self) -> str:
        """The last line it wrote, without paths of this machine; all of it goes to this process's stderr."""
        text = self._errors.read_bytes()[-_ERROR_TAIL_BYTES:].decode(errors="replace").strip()
        print(text, file=sys.stderr, flush=True)
        last = (text.splitlines() or ["no output"])[-1]
        for path, name in ((self.directory, "DIR"), (Path(sys.prefix), "VENV"), (Path.home(), "HOME")):
            last = last.replace(str(path), name)
        return last
