"""The parts of `[cluster]` in one server: forwarder, answers, copy, spool and checks."""

import asyncio
import shutil
import socket
from collections.abc import Callable
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path
from typing import Final

from logboom.cluster.cluster_settings import OUTPUT_NAME, ClusterSettings
from logboom.cluster.copy_log import CopyLog
from logboom.cluster.follower import CopyFollower
from logboom.cluster.inspection import ClusterState, inspect
from logboom.cluster.leases import Leases
from logboom.cluster.replication import ReplicatedJournal, Replication
from logboom.errors import ConfigError
from logboom.extras import require
from logboom.journal.folder_log import FolderLog
from logboom.journal.journal import Journal
from logboom.journal.retention import Retention
from logboom.journal.segments import list_segments
from logboom.model import Report
from logboom.outputs.jetstream import JetstreamOutput
from logboom.outputs.registry import OUTPUTS, output_settings
from logboom.outputs.runner import OutputRunner
from logboom.settings import Settings

INSPECTION_INTERVAL_S: Final = 60.0
SPOOL_INTERVAL_S: Final = 1.0

COPY_FOLDER: Final = "copy"
"""Folder of the follower's copy in the data directory."""


class Cluster:
    """Replication of one server's journal. Belongs to the event loop; a supervised service.

    Args:
        settings: validated `[cluster]`.
        journal: the journal, which is the spool of the forwarder.
        data_dir: data directory.
        report: the operational log.
    """

    name = OUTPUT_NAME

    def __init__(self, settings: ClusterSettings, journal: Journal, data_dir: Path, report: Report) -> None:
        require("cluster", "[cluster]")
        self.settings = settings
        self.state = ClusterState()
        """Result of the last inspection."""
        self.replication = Replication(settings.timeout_s, report)
        self.follower: CopyFollower | None = None
        self.leases: Leases | None = None
        self._journal = journal
        self._copy: Journal | None = None
        self._data_dir = data_dir
        self._report = report
        self._loop = asyncio.get_running_loop()
        self._spool_bytes_max = settings.spool_bytes_max or shutil.disk_usage(data_dir).total // 2
        self.runner = OutputRunner(
            OUTPUT_NAME,
            JetstreamOutput(settings, OUTPUT_NAME, data_dir),
            journal.log,
            report,
            advanced=self._advanced,
        )
        """Runner of the forwarder."""

    @property
    def log(self) -> FolderLog:
        """The log that is read here: the copy of everything, or the own journal."""
        return self._journal.log if self._copy is None else CopyLog.of(self._copy)

    @property
    def keeps_from(self) -> int | None:
        """The sequence from which on retention may delete nothing; None: no limit."""
        drops = self.settings.spool_full == "drop_oldest"
        return None if drops and self._spooled() > self._spool_bytes_max else self.runner.position

    def open_copy(self, everything: Settings, positions: Callable[[], dict[str, int]]) -> None:
        """Open the copy, if this server has one, and prepare the leases of its outputs.

        Args:
            everything: settings of the server, with sizes and retention of the copy, and with the outputs.
            positions: the next sequence that each output will read.

        Raises:
            StorageError: it can't be opened.
        """
        if not self.settings.follow:
            return
        folder, journal = self._data_dir / COPY_FOLDER, everything.journal
        moves = self._leased(everything)
        self.leases = Leases(
            self.settings, folder, everything.name or socket.gethostname(), moves, self._report
        )

        def deliver(call: Callable[..., object], *args: object) -> None:
            if self.follower is not None:
                self.follower.deliver(call, *args)

        self._copy = Journal(
            folder,
            deliver,
            segment_bytes_max=journal.segment_bytes_max,
            segment_age_max_s=journal.segment_age_max_s,
            free_bytes_min=journal.free_bytes_min,
            retention=Retention(
                age_max_s=journal.retention_age_s or None,
                bytes_max=journal.retention_bytes_max or None,
                positions=positions,
                report=self._report,
            ),
            report=self._report,
        )
        for note in self._copy.recovered.notes:
            self._report("warning", f"recovery of the copy: {note}")
        self.follower = CopyFollower(self.settings, self._copy, folder, self._report)
        self.follower.start()

    def _leased(self, everything: Settings) -> dict[str, bool]:
        """Outputs that one follower at a time writes, each with true if its position moves with the lease."""
        which = self.settings.one_writer
        network = {
            name: OUTPUTS[output_settings(name, table).type].network
            for name, table in everything.outputs.items()
        }
        return {
            name: not one for name, one in network.items() if which == "all" or (one and which == "network")
        }

    def way_into(self, journal: Journal, *, patient: bool) -> ReplicatedJournal:
        """Return the way into the journal for a listener with `ack = "replicated"`; see `ReplicatedJournal`."""
        return ReplicatedJournal(journal, self.replication, patient=patient)

    async def inspect(self) -> None:
        """Check servers and stream, and log what has changed."""
        before, self.state = self.state, await inspect(self.settings)
        for text in self.state.unsafe:
            if text not in before.unsafe:
                self._report("error", f"cluster: {text}")
        for text in self.state.troubles:
            if text not in before.troubles:
                self._report("warning", f"cluster: {text}")
        if (before.unsafe or before.troubles) and not (self.state.unsafe or self.state.troubles):
            self._report("info", "cluster: all servers and replicas are in order")

    async def require_safe(self, settings: Settings) -> None:
        """Refuse `ack = "replicated"` with a cluster whose settings break the promise. Raises `ConfigError`.

        Servers that do not answer are no reason: one of three may be away.
        """
        await self.inspect()
        replicates = any(one.ack == "replicated" for one in settings.active_listeners.values())
        if self.state.unsafe and replicates:
            raise ConfigError(f'ack = "replicated": {self.state.unsafe[0]}')

    @property
    def troubles(self) -> list[str]:
        """Current problems, for health."""
        found = [f"cluster: {text}" for text in (*self.state.unsafe, *self.state.troubles)]
        if self.replication.failing:
            found.append(f"cluster: nothing was stored within {self.settings.timeout_s:g} s")
        if self.follower is not None and self.follower.state.trouble is not None:
            found.append(f"follower: {self.follower.state.trouble}")
        return found

    async def start(self) -> None:
        """See `Service`."""

    async def run(self) -> None:
        """Watch answers, spool and cluster, until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for work in (self.replication.watch(), self._watch_spool(), self._inspect_often()):
                tasks.create_task(work)
            if self.leases is not None:
                tasks.create_task(self.leases.run())

    def stop(self) -> None:
        """See `Service`."""

    def close(self) -> None:
        """Release the leases, stop the follower and close the copy; blocks. Idempotent."""
        if self.leases is not None:
            asyncio.run(self.leases.release())
        if self.follower is not None:
            self.follower.stop()
        if self._copy is not None:
            self._copy.close()

    def _spooled(self) -> int:
        """Bytes that wait for the cluster; the folder is looked at only if there are any."""
        return spool_bytes(self._journal.folder, self.runner.position) if self.runner.lag else 0

    def _advanced(self, position: int) -> None:
        """Called on the forwarder's thread."""
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self.replication.advance, position)

    async def _inspect_often(self) -> None:
        while True:
            await asyncio.sleep(INSPECTION_INTERVAL_S)
            await self.inspect()

    async def _watch_spool(self) -> None:
        """Refuse new entries while more than `spool_bytes_max` waits for the cluster."""
        while True:
            waiting = self._spooled() if self.settings.spool_full == "refuse" else 0
            self._journal.full = (
                f"{waiting:,} bytes wait for the cluster, and cluster.spool_bytes_max is {self._spool_bytes_max:,}"
                if waiting > self._spool_bytes_max
                else None
            )
            await asyncio.sleep(SPOOL_INTERVAL_S)


def spool_bytes(folder: Path, position: int) -> int:
    """Bytes of a journal's segments with entries from `position` on."""
    segments = list_segments(folder)
    total = 0
    for segment, end in zip_longest(segments, [following.first for following in segments[1:]]):
        if end is None or end > position:
            with suppress(FileNotFoundError):
                total += segment.path.stat().st_size
    return total
