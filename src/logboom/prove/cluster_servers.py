"""The servers of a cluster under test: three NATS servers, two front ends, and a follower, with their faults."""

import asyncio
import os
import random
import resource
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final, Self

from logboom.cluster.cluster_settings import ClusterSettings
from logboom.cluster.inspection import inspect
from logboom.cluster.membership import COPY_FOLDER
from logboom.cluster.stream import create_stream
from logboom.journal.reader import JournalReader
from logboom.prove.loop_disk import LoopDisk, missing_for_disks
from logboom.prove.private_network import Machine, PrivateNetwork, missing_for_network
from logboom.prove.server import ENVIRONMENT
from logboom.testing.nats_cluster import NODES, DemoCluster, NodePlace, name
from logboom.testing.server_kit import ServerProcess

FRONT_ENDS: Final = 2
CONNECT_S_MAX: Final = 1.0

ANSWER_S_MAX: Final = 12.0
"""Time after which a client gives up a front end that does not answer; longer than the choice of a leader."""

HERE: Final = Machine("127.0.0.1", ())
"""This machine."""

_CONFIG: Final = """\
[cluster]
urls = {urls}
monitor_urls = {monitor_urls}
follow = true
timeout_s = 8
[listeners.collector]
ack = "replicated"
"""


class ClusterServer(ServerProcess):
    """Logboom in front of the cluster, with a copy.

    Args:
        folder: folder for its data.
        cluster: the NATS servers.
        machine: where it runs.
    """

    def __init__(self, folder: Path, cluster: DemoCluster, machine: Machine) -> None:
        folder.mkdir()
        config = folder / "logboom.toml"
        config.write_text(
            _CONFIG.format(urls=cluster.urls, monitor_urls=cluster.monitor_urls), encoding="utf-8"
        )
        super().__init__(folder / "data", ("collector",), (f"--config={config}",))
        own = {key: value for key, value in os.environ.items() if not key.startswith("LOGBOOM_")}
        self._environment = own | ENVIRONMENT
        self._machine = machine

    def command(self) -> list[str]:
        """See `ServerProcess`."""
        words = [word.replace("127.0.0.1", self._machine.address) for word in super().command()]
        return [*self._machine.prefix, *words]

    def connect(self, listener: str) -> socket.socket:
        """See `ServerProcess`; an answer may take `ANSWER_S_MAX`."""
        connection = socket.create_connection(
            (self._machine.address, self.ports[listener]), timeout=CONNECT_S_MAX
        )
        connection.settimeout(ANSWER_S_MAX)
        return connection

    def limit_files(self, size: int | None) -> None:
        """Let no file grow beyond `size`, as on a full disk; None: no limit."""
        if self.process is not None:
            hard = resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE)[1]
            resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (hard if size is None else size, hard))

    def own_lines(self) -> Iterator[bytes]:
        """Yield the lines of its own journal."""
        return _lines(self.data_dir / "journal")

    def copied_lines(self) -> Iterator[bytes]:
        """Yield the lines of its copy."""
        return _lines(self.data_dir / COPY_FOLDER / "journal")


def _lines(folder: Path) -> Iterator[bytes]:
    with closing(JournalReader(folder)) as reader:
        while (block := reader.read()) is not None:
            yield from block.data.splitlines()


class ClusterServers:
    """All servers. Use it as a context manager, which starts them and leaves nothing running.

    Args:
        folder: an empty directory.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._no_network = missing_for_network()
        self._no_disks = missing_for_disks(folder)
        self._network: PrivateNetwork | None = None
        self.disks: list[LoopDisk] = []
        self.servers: list[ClusterServer] = []
        """The front ends, then the follower."""

    def __enter__(self) -> Self:
        try:
            self._open()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stack.close()

    def _open(self) -> None:
        machines = self._machines()
        folders = [self._folder / name(number) for number in range(NODES)]
        if self._no_disks is None:
            self.disks = [
                self._stack.enter_context(LoopDisk(self._folder / f"{folder.name}.img", folder))
                for folder in folders
            ]
        places = [
            NodePlace(folder / "data", machine.address, machine.prefix)
            for folder, machine in zip(folders, machines, strict=False)
        ]
        self.nodes = self._stack.enter_context(DemoCluster(self._folder / "nodes", places))
        self.nodes.wait_until_reachable()
        self.settings = ClusterSettings(urls=self.nodes.urls, monitor_urls=self.nodes.monitor_urls)
        self.nodes.wait_for_leader(lambda: asyncio.run(create_stream(self.settings, 3, 0)))
        for number, machine in enumerate([*machines[NODES:], HERE]):
            server = ClusterServer(self._folder / f"logboom-{number + 1}", self.nodes, machine)
            self.servers.append(server)
            self._stack.callback(self._end, server)
            server.launch()
        for server in self.servers:
            server.wait_until_ready()

    def _machines(self) -> list[Machine]:
        """Machines for the nodes and the front ends, in a private network where that is possible."""
        count = NODES + FRONT_ENDS
        if self._no_network is not None:
            return [HERE] * count
        network = self._network = self._stack.enter_context(PrivateNetwork())
        return [network.machine() for _ in range(count)]

    @property
    def without(self) -> dict[str, str]:
        """Faults that are not possible here, with the reasons."""
        reasons = {"cut off": self._no_network, "power cut, full disk of a node": self._no_disks}
        return {what: reason for what, reason in reasons.items() if reason is not None}

    @property
    def can_cut(self) -> bool:
        """True if machines can be cut off."""
        return self._network is not None

    def cut(self, number: int) -> None:
        """Cut a machine off: the nodes from 0 on, then the front ends."""
        if self._network is not None:
            self._network.cut(number + 1)

    def heal(self, number: int) -> None:
        """Connect a machine again. Idempotent."""
        if self._network is not None:
            self._network.heal(number + 1)

    @staticmethod
    def _end(server: ClusterServer) -> None:
        if server.process is not None:
            server.process.send_signal(signal.SIGCONT)
            server.kill()

    def leader(self, chance: random.Random) -> int:
        """Number of the node that leads the stream; any one while there is none."""
        found = asyncio.run(inspect(self.settings)).leader
        names = [name(number) for number in range(NODES)]
        return names.index(found) if found in names else chance.randrange(NODES)
