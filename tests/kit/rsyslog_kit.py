"""A real rsyslogd as a client: messages go in through a socket of its own, and out through one action."""

import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.kit.services import find_program, give_up

STOP_S_MAX: Final = 20.0
MODULES: Final = tuple(
    Path("/usr/lib", place, "rsyslog") for place in ("x86_64-linux-gnu", "aarch64-linux-gnu", "")
)
PACKAGES: Final = {
    "omrelp": "rsyslog-relp",
    "lmnsd_gtls": "rsyslog-gnutls",
    "omelasticsearch": "rsyslog-elasticsearch",
}
TEMPLATE: Final = 'template="RSYSLOG_SyslogProtocol23Format"'


class Rsyslog:
    """rsyslogd with one action.

    Args:
        folder: for its files.
        action: parameters of the action, such as `type="omfwd"`.
        module: a module that it needs, such as `omrelp`; empty: none.
        settings: further lines of its configuration, before the action.
    """

    def __init__(self, folder: Path, action: str, module: str = "", settings: str = "") -> None:
        program = find_program("rsyslogd", "rsyslog")
        package = PACKAGES.get(module, "rsyslog")
        if module and not any((place / f"{module}.so").exists() for place in MODULES):
            give_up(f"rsyslog has no {module}; Debian has it in the package {package}")
        folder.mkdir(exist_ok=True)
        self._path = folder / "log.sock"
        config = folder / "rsyslog.conf"
        load = f'module(load="{module}")' if module.startswith("om") else ""
        config.write_text(
            f'global(workDirectory="{folder}" net.enableDNS="off")\n'
            f'module(load="imuxsock" SysSock.Use="off")\n{load}\n{settings}\n'
            f'input(type="imuxsock" Socket="{self._path}" RateLimit.Interval="0")\n'
            f'action(name="out" {action} action.resumeRetryCount="-1" action.resumeInterval="1"'
            ' queue.type="LinkedList" queue.size="100000")\n'
        )
        self._log = (folder / "rsyslog.log").open("wb")
        self._process = subprocess.Popen(
            [program, "-n", "-f", str(config), "-i", str(folder / "pid")], stdout=self._log, stderr=self._log
        )
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        while True:
            try:
                self._socket.connect(str(self._path))
                break
            except (FileNotFoundError, ConnectionRefusedError):
                if self._process.poll() is not None:
                    raise AssertionError((folder / "rsyslog.log").read_text()) from None

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
        self._log.close()
