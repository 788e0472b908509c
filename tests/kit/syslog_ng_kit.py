"""A real syslog-ng as a client: messages go in through a socket of its own, and out through one destination."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.kit.services import give_up

FOLDER: Final = Path(__file__).parents[1] / "clients" / "syslog-ng"
"""Folder into which `tests/clients/unpack_syslog_ng` unpacks it."""
START_S_MAX: Final = 20.0
STOP_S_MAX: Final = 20.0


def _command(folder: Path) -> tuple[list[str], dict[str, str]]:
    """Return the program with its options, and its environment; without the program, see `give_up`."""
    options = [
        "--foreground",
        "--no-caps",
        f"--cfgfile={folder / 'syslog-ng.conf'}",
        f"--persist-file={folder / 'persist'}",
        f"--control={folder / 'control'}",
        f"--pidfile={folder / 'pid'}",
    ]
    if (program := shutil.which("syslog-ng")) is not None:
        return [program, *options], dict(os.environ)
    modules = next((FOLDER / "usr/lib/syslog-ng").glob("*/libhttp.so"), None)
    if modules is None:
        give_up("there is no syslog-ng; `make clients` unpacks Debian's")
    libraries = [
        str(place) for place in (modules.parents[1], *FOLDER.glob("usr/lib/*"), *FOLDER.glob("lib/*"))
    ]
    command = [str(FOLDER / "usr/sbin/syslog-ng"), f"--module-path={modules.parent}", *options]
    return command, {**os.environ, "LD_LIBRARY_PATH": ":".join(libraries)}


class SyslogNg:
    """syslog-ng with one destination.

    Args:
        folder: for its files.
        destination: a driver of a destination, such as `http(url("…"));`.
    """

    def __init__(self, folder: Path, destination: str) -> None:
        folder.mkdir(exist_ok=True)
        command, environment = _command(folder)
        path = folder / "log.sock"
        (folder / "syslog-ng.conf").write_text(
            "@version: 3.38\noptions { log-fifo-size(100000); };\n"
            f'source in {{ unix-dgram("{path}"); }};\n'
            f"destination out {{ {destination} }};\n"
            "log { source(in); destination(out); };\n"
        )
        log = folder / "syslog-ng.log"
        with log.open("wb") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        ends_at = time.monotonic() + START_S_MAX
        while True:
            try:
                self._socket.connect(str(path))
                break
            except (FileNotFoundError, ConnectionRefusedError):
                if self._process.poll() is not None or time.monotonic() > ends_at:
                    raise AssertionError(log.read_text()) from None

    def send(self, *texts: str) -> None:
        """Hand over messages, as programs on its machine do; waits while it is busy."""
        for text in texts:
            self._socket.send(f"<132>Nov 30 15:18:45 pumps[7]: {text}".encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait(STOP_S_MAX)
        self._socket.close()
