"""A cluster of three real NATS servers, and Logboom servers in front of it."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from logboom.cluster.cluster_settings import ClusterSettings
from logboom.cluster.stream import create_stream
from logboom.extras import is_missing
from logboom.journal.reader import JournalReader
from logboom.testing.nats_cluster import DemoCluster, DemoError, server_path
from logboom.testing.server_kit import ServerProcess
from tests.kit.services import give_up

WAIT_S = 60.0


@contextmanager
def running_cluster(folder: Path) -> Iterator[DemoCluster]:
    """Three servers with the stream of the default settings."""
    if is_missing("cluster"):
        give_up("there is no nats-py")
    try:
        server_path()
    except DemoError as error:
        give_up(str(error))
    with DemoCluster(folder) as cluster:
        cluster.wait_until_reachable()
        make_stream(cluster)
        yield cluster


def settings_of(cluster: DemoCluster, **more: object) -> ClusterSettings:
    return ClusterSettings(urls=cluster.urls, monitor_urls=cluster.monitor_urls, **more)  # type: ignore[arg-type]


def make_stream(cluster: DemoCluster, stream: str = "logboom", replicas: int = 3) -> None:
    settings = settings_of(cluster, stream=stream)
    cluster.wait_for_leader(lambda: asyncio.run(create_stream(settings, replicas, 0)))


class FrontEnd(ServerProcess):
    """Logboom in front of a cluster, with a copy of everything."""

    def __init__(
        self,
        folder: Path,
        cluster: DemoCluster,
        stream: str,
        *,
        follow: bool = True,
        more: str = "",
        tables: str = "",
    ) -> None:
        folder.mkdir()
        config = folder / "logboom.toml"
        config.write_text(
            f"[cluster]\nurls = {cluster.urls}\nmonitor_urls = {cluster.monitor_urls}\n"
            f"stream = '{stream}'\nfollow = {str(follow).lower()}\n{more}\n"
            f"[listeners.collector]\nack = 'replicated'\n[listeners.http]\nack = 'synced'\n{tables}"
        )
        super().__init__(folder / "data", ("collector", "http"), (f"--config={config}",))

    def ended(self) -> int:
        """Wait for its end without a signal; returns the exit code."""
        return self._reap(self._require())

    def copy_lines(self) -> list[bytes]:
        """The complete lines of the copy."""
        lines: list[bytes] = []
        with closing(JournalReader(self.data_dir / "copy" / "journal")) as reader:
            while (block := reader.read()) is not None:
                lines += block.data.splitlines()
        return lines


def wait_until(done: Callable[[], bool], what: str) -> None:
    """Wait for a state that another process reaches; fails after a minute."""
    until = time.monotonic() + WAIT_S
    while not done():
        if time.monotonic() > until:
            pytest.fail(f"not within {WAIT_S:.0f} s: {what}")
        time.sleep(0.02)
