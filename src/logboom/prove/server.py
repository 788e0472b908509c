"""The server under test of `logboom prove`: a real process with a separate data directory, and the disasters."""

import os
import random
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from logboom.journal.audit import audit
from logboom.journal.reader import JournalReader
from logboom.journal.verify import verify
from logboom.testing.server_kit import ServerProcess

ENVIRONMENT: Final = {
    "LOGBOOM_JOURNAL__SEGMENT_BYTES_MAX": str(1 << 20),  # so that crashes hit changes of segments
    "LOGBOOM_SHUTDOWN_S": "5",  # clients that keep sending must not delay a stop
}

FULL_S_MAX: Final = 1.0
"""Longest time for which the disk is full: many refusals, and several retries of every client."""

NOTICE_S_MAX: Final = 30.0
"""Time limit for the server to detect a full disk; long enough for busy machines."""

LEFT_BYTES_MAX: Final = 20_000
"""Largest remaining space of a nearly full disk: less than a write of many clients' lines, which is then incomplete."""


@dataclass
class Disasters:
    """Numbers of disasters."""

    kills: int = 0
    kills_at_start: int = 0
    """The kills before the server was ready again."""
    stops: int = 0
    """Stops by SIGTERM, each with exit code 0."""
    reloads: int = 0
    full_disks: int = 0
    """Full disks, after each of which the server stored entries again without a restart."""
    recovery_s_max: float = 0.0
    """Longest time from a kill until the server was ready again."""


class ProvedServer(ServerProcess):
    """Server process with temporary data, without the settings of the user's environment.

    Args:
        folder: folder for its data and its output.
        listeners: names of the listeners to start.
        disasters: counts the disasters.
    """

    def __init__(self, folder: Path, listeners: tuple[str, ...], disasters: Disasters) -> None:
        self.output = folder / "output.jsonl"
        super().__init__(folder / "data", listeners, (f"--log-file={self.output}",))
        own = {name: value for name, value in os.environ.items() if not name.startswith("LOGBOOM_")}
        self._environment = own | ENVIRONMENT
        self.disasters = disasters

    def kill_and_start(self, chance: random.Random) -> None:
        """Send SIGKILL at any time, sometimes again during the recovery.

        Raises:
            AssertionError: it did not start again.
        """
        killed_at = time.monotonic()
        self.kill()
        self.disasters.kills += 1
        self.launch()
        while chance.random() < 0.2:
            time.sleep(chance.uniform(0.0, 0.5))  # random with respect to the server's work
            self.kill()
            self.disasters.kills += 1
            self.disasters.kills_at_start += 1
            killed_at = time.monotonic()
            self.launch()
        self.wait_until_ready()
        self.disasters.recovery_s_max = max(self.disasters.recovery_s_max, time.monotonic() - killed_at)

    def stop_and_start(self, _chance: random.Random) -> None:
        """Restart with SIGTERM, as an upgrade does. Raises `AssertionError` on failure."""
        self.stop_well()
        self.disasters.stops += 1
        self.start()

    def stop_well(self) -> None:
        """Stop with SIGTERM. Raises `AssertionError` on failure."""
        code = self.stop()
        if code:
            raise AssertionError(f"exit code {code} after SIGTERM, expected 0")

    def reload(self, _chance: random.Random) -> None:
        """Reload with SIGHUP. Raises `AssertionError` on failure."""
        seen = len(self.events)
        self._require().send_signal(signal.SIGHUP)
        self.wait_for(lambda event: event["message"].startswith("reloaded"), since=seen)
        self.disasters.reloads += 1

    def fill_disk(self, chance: random.Random) -> None:
        """Let every write fail for a while, some partially; then remove the limit, or kill the server.

        This works for any user, without a separate disk: the kernel's limit for the size of files (RLIMIT_FSIZE) is
        set for the running process. A write across the limit is done in part, the next one fails (EFBIG). First the
        limit is shortly after the end of the newest segment, then it is 0: no file can grow.

        Raises:
            AssertionError: the server did not detect it, or did not recover.
        """
        if not can_fill_disk():
            return
        pid = self._require().pid
        hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
        for room in (self._newest_size() + chance.randint(1, LEFT_BYTES_MAX), 0):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (room, hard))
            time.sleep(chance.uniform(0.1, FULL_S_MAX / 2))
        with self._changed:
            if not self._changed.wait_for(self._refuses, NOTICE_S_MAX):
                raise AssertionError("no file can grow, and the server has not detected it")
        if chance.random() < 0.3:
            self.kill_and_start(chance)
        else:
            seen = len(self.events)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
            self.wait_for(lambda event: "stores again" in event["message"], since=seen)
        self.disasters.full_disks += 1

    def _refuses(self) -> bool:
        """Return whether the server can't store entries now, according to its log."""
        for event in reversed(self.events):
            if "stores again" in event["message"] or event["message"].startswith("ready in"):
                return False
            if "can't store" in event["message"]:
                return True
        return False

    def _newest_size(self) -> int:
        sizes = [path.stat().st_size for path in sorted((self.data_dir / "journal").glob("*.jsonl"))]
        return sizes[-1] if sizes else 0

    def journal_bytes(self) -> int:
        """Current size of the journal's segments."""
        return sum(path.stat().st_size for path in (self.data_dir / "journal").glob("*.jsonl"))

    def lines(self) -> Iterator[bytes]:
        """Yield the lines of the stopped server's journal, in order, as readers get them, in limited memory."""
        with closing(JournalReader(self.data_dir / "journal")) as reader:
            while (block := reader.read()) is not None:
                yield from block.data.splitlines()

    def problems(self) -> list[str]:
        """Problems of a stopped server, other than wrong entries."""
        folder = self.data_dir / "journal"
        found = [f"fatal: {event['message']}" for event in self.events if event["event"] == "fatal"]
        raw = [event["message"] for event in self.events if event["event"] == "raw"]
        found += [f"not in the format of its log: {text}" for text in raw if "Traceback" in text]
        found += [
            f"verify: {one.segment.name} is damaged: {(*one.damage, *one.problems)[:1]}"
            for one in verify(folder)
            if not one.good
        ]
        if not audit(folder).good:
            found.append("verify: the manifest is damaged")
        return found[:20]

    def output_problems(self) -> list[str]:
        """First difference between an output's file and the journal: it must have each entry once, in order."""
        with self.output.open("rb") as file:
            for sequence, line in enumerate(self.lines()):
                entry = line[line.index(b'"entry":') : line.rindex(b',"source":')]
                written = file.readline()
                if written[written.find(b'"entry":') :] != entry + b"}\n":
                    return [f"the output's line {sequence + 1} is not the entry of sequence {sequence}"]
            return ["the output has more lines than the journal"] if file.read(1) else []


def can_fill_disk() -> bool:
    """Return whether this system allows limiting the files of another process."""
    return hasattr(resource, "prlimit")
