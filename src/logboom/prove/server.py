"""The server that `logboom prove` hurts: a real process with data of its own, and what is done to it."""

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
    "LOGBOOM_JOURNAL__SEGMENT_BYTES_MAX": str(1 << 20),  # so that crashes meet changes of segments
    "LOGBOOM_SHUTDOWN_S": "5",  # clients that go on sending must not hold up a stop for long
}

FULL_S_MAX: Final = 1.0
"""How long a disk stays full: many refusals, and some tries again of every client."""

NOTICE_S_MAX: Final = 30.0
"""Clients send all the time, so that a full disk shows at once; this is for machines that are very busy."""

LEFT_BYTES_MAX: Final = 20_000
"""What a nearly full disk still takes: less than a write of many clients' lines, so that it gets stuck half-way."""


@dataclass
class Hurt:
    """What was done, and how the server took it."""

    kills: int = 0
    kills_at_start: int = 0
    """Of them: before the server was ready again."""
    stops: int = 0
    """By SIGTERM, each with exit code 0."""
    reloads: int = 0
    full_disks: int = 0
    """After each of them it stored again by itself."""
    recovery_s_max: float = 0.0
    """The longest time from a kill to the next life's readiness."""


class ProvedServer(ServerProcess):
    """A server whose data is thrown away. Settings of the user's own environment do not reach it.

    Args:
        folder: for its data and its output.
        listeners: names of the listeners to start.
        hurt: where it is noted what was done.
    """

    def __init__(self, folder: Path, listeners: tuple[str, ...], hurt: Hurt) -> None:
        self.output = folder / "output.jsonl"
        super().__init__(folder / "data", listeners, (f"--log-file={self.output}",))
        own = {name: value for name, value in os.environ.items() if not name.startswith("LOGBOOM_")}
        self._environment = own | ENVIRONMENT
        self.hurt = hurt

    def kill_and_start(self, chance: random.Random) -> None:
        """SIGKILL at whatever it is doing; now and then once more while it recovers.

        Raises:
            AssertionError: it did not start again.
        """
        killed_at = time.monotonic()
        self.kill()
        self.hurt.kills += 1
        self.launch()
        while chance.random() < 0.2:
            time.sleep(chance.uniform(0.0, 0.5))  # what it does by then is as random as it should be
            self.kill()
            self.hurt.kills += 1
            self.hurt.kills_at_start += 1
            killed_at = time.monotonic()
            self.launch()
        self.wait_until_ready()
        self.hurt.recovery_s_max = max(self.hurt.recovery_s_max, time.monotonic() - killed_at)

    def stop_and_start(self, _chance: random.Random) -> None:
        """SIGTERM, as an upgrade does. Raises `AssertionError` when it does not end well, or start again."""
        self.stop_well()
        self.hurt.stops += 1
        self.start()

    def stop_well(self) -> None:
        """SIGTERM. Raises `AssertionError` when it does not end well."""
        code = self.stop()
        if code:
            raise AssertionError(f"exit code {code} after SIGTERM, expected 0")

    def reload(self, _chance: random.Random) -> None:
        """SIGHUP. Raises `AssertionError` when nothing comes of it."""
        seen = len(self.events)
        self._require().send_signal(signal.SIGHUP)
        self.wait_for(lambda event: event["message"].startswith("reloaded"), since=seen)
        self.hurt.reloads += 1

    def fill_disk(self, chance: random.Random) -> None:
        """Let every write fail for a while, some half-way; then there is room again, or it is killed meanwhile.

        For any user, without a disk of its own: the kernel's limit of a file's size (RLIMIT_FSIZE), set from
        outside for the running process. A write that crosses it is done in part, the next one fails (EFBIG).
        First the limit stands a little behind the newest segment's end, then at 0: no file may grow at all.

        Raises:
            AssertionError: it did not notice, or did not heal.
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
                raise AssertionError("no file may grow, and the server has not noticed")
        if chance.random() < 0.3:
            self.kill_and_start(chance)
        else:
            seen = len(self.events)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
            self.wait_for(lambda event: "stores again" in event["message"], since=seen)
        self.hurt.full_disks += 1

    def _refuses(self) -> bool:
        """Whether, by its own log, the server can't store now."""
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
        """The size of the journal's segments now."""
        return sum(path.stat().st_size for path in (self.data_dir / "journal").glob("*.jsonl"))

    def lines(self) -> Iterator[bytes]:
        """Every line of the stopped server's journal, in order, as its readers see it; bounded memory."""
        with closing(JournalReader(self.data_dir / "journal")) as reader:
            while (block := reader.read()) is not None:
                yield from block.data.splitlines()

    def problems(self) -> list[str]:
        """What is wrong with a stopped server, apart from its entries."""
        folder = self.data_dir / "journal"
        found = [f"fatal: {event['message']}" for event in self.events if event["event"] == "fatal"]
        raw = [event["message"] for event in self.events if event["event"] == "raw"]
        found += [f"not in its log's form: {text}" for text in raw if "Traceback" in text]
        found += [
            f"verify: {one.segment.name} is damaged: {(*one.damage, *one.problems)[:1]}"
            for one in verify(folder)
            if not one.good
        ]
        if not audit(folder).good:
            found.append("verify: the manifest is damaged")
        return found[:20]

    def output_problems(self) -> list[str]:
        """Where the file that an output made differs from the journal: it must have each entry once, in order."""
        with self.output.open("rb") as file:
            for sequence, line in enumerate(self.lines()):
                entry = line[line.index(b'"entry":') : line.rindex(b',"source":')]
                written = file.readline()
                if written[written.find(b'"entry":') :] != entry + b"}\n":
                    return [f"the output's line {sequence + 1} is not the entry of sequence {sequence}"]
            return ["the output has more lines than the journal"] if file.read(1) else []


def can_fill_disk() -> bool:
    """Whether this system lets a process limit another one's files."""
    return hasattr(resource, "prlimit")
