"""Logboom with all its listeners, one that requires a token, one with TLS, and outputs."""

import socket
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from bench.subjects.base import HOST, START_S_MAX, Launch, Server
from bench.subjects.logboom import Logboom, data_directory
from logboom.ops.certificates import files_of, make_ca, make_server, write_pair

GUARDED: Final = "guarded"
"""A second `http` listener, for clients with a token."""
SECURED: Final = "secured"
"""A second `device` listener, behind TLS."""

_COMMAND: Final = "logboom serve --data-dir DIR, every listener on 127.0.0.1; [outputs] jsonl and sqlite"


class Everything(Logboom):
    """Every protocol at once; lines of one address are not limited."""

    def __init__(self, program: Path | None = None) -> None:
        super().__init__(program)
        self.ports: dict[str, int] = {}
        """Ports of the last server, by listener."""
        self.token = ""
        """Token for the guarded listener of the last server."""

    def launch(self, directory: Path, port: int) -> Launch:
        """See `Subject`."""
        names = ("collector", "gateway", "capnp", "grpc", "http", GUARDED, SECURED)
        with ExitStack() as stack:  # all at once, so that none is given out twice
            probes = [stack.enter_context(socket.socket()) for _ in names]
            for probe in probes:
                probe.bind((HOST, 0))
            free = [int(probe.getsockname()[1]) for probe in probes]
        self.ports = {"device": port} | dict(zip(names, free, strict=True))
        data = str(data_directory(directory))
        program = str(self._program)
        added = subprocess.run(
            [program, "token", "add", "bench", "--data-dir", data], capture_output=True, text=True, check=True
        )
        self.token = added.stdout.strip()
        files = files_of(directory, "server")
        write_pair(files, make_server(make_ca(), [], 1))
        listen = [f"--listen={name}={HOST}:{number}" for name, number in self.ports.items()]
        environment = {
            "LOGBOOM_LISTENERS__GUARDED__PROTOCOL": "http",
            "LOGBOOM_LISTENERS__GUARDED__AUTH": "token",
            "LOGBOOM_LISTENERS__SECURED__PROTOCOL": "device",
            "LOGBOOM_LISTENERS__SECURED__TLS_CERT": str(files.certificate),
            "LOGBOOM_LISTENERS__SECURED__TLS_KEY": str(files.key),
            "LOGBOOM_OUTPUTS__FILE__TYPE": "jsonl",
            "LOGBOOM_OUTPUTS__FILE__PATH": str(directory / "all.jsonl"),
            "LOGBOOM_OUTPUTS__DATABASE__TYPE": "sqlite",
            "LOGBOOM_OUTPUTS__DATABASE__PATH": "entries.db",
            "LOGBOOM_OUTPUTS__DATABASE__FOLDER": str(directory),
        }
        return Launch([program, "serve", "--data-dir", data, *listen], environment)

    def await_all(self, server: Server) -> None:
        """Wait until every listener accepts; `Server` itself waits for the device listener, which is the first.

        Raises:
            ServerError: the server has ended.
            OSError: one does not accept.
        """
        ends_at = time.monotonic() + START_S_MAX
        for port in self.ports.values():
            while True:
                try:
                    socket.create_connection((HOST, port), timeout=1).close()
                    break
                except OSError:
                    server.check()
                    if time.monotonic() > ends_at:
                        raise
                    time.sleep(0.01)

    def stored_lines(self, directory: Path) -> int:
        """Number of entries in the journal."""
        return sum(path.read_bytes().count(b"\n") for path in self.stored(directory))

    def described(self) -> str:
        """See `Subject`."""
        return _COMMAND
