"""Test of `logboom send --follow`: a random schedule of rotations, outages and kills, and its verification.

One process writes, rotates, kills and starts, so that nothing is written between a copy and its truncation, which no
follower could read.
"""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from logboom.clients.delivery.spool_frames import MAGIC
from logboom.testing.server_kit import ServerProcess

PROTOCOLS: Final = {
    "ws": "http",
    "http": "http",
    "grpc": "grpc",
    "collector": "collector",
    "device": "device",
}
"""The listener of each protocol that answers."""
STORE_ONCE: Final = frozenset({"ws", "http"})
"""Protocols over which no line is stored twice: one asks before it sends again, the other has idempotency keys."""
SCHEMES: Final = {"collector": "tcp", "device": "tcp"}

STEPS: Final = (8, 16)
"""Smallest and largest number of steps of a schedule."""
LINES: Final = (1, 400)
"""Smallest and largest number of lines per write."""
PAUSE_S: Final = 0.4
"""Longest pause between two steps."""
END_S_MAX: Final = 180.0
"""Time limit for the last lines to arrive; long enough for busy machines."""
TICK_S: Final = 0.02

_ENTRY: Final = re.compile(rb"line (\d+) of (\w+) ")
_ENVIRONMENT: Final = {"LOGBOOM_LISTENERS__COLLECTOR__RATE_LIMIT_ENABLED": "false"}


@dataclass
class FollowTally:
    """Numbers of lines and of steps."""

    schedules: int = 0
    written: int = 0
    stored: int = 0
    lost: int = 0
    doubled: int = 0
    """Lines that are stored more than once."""
    renames: int = 0
    copies: int = 0
    """Files that were copied and truncated."""
    truncations: int = 0
    """Files that were truncated without a copy, after everything was read."""
    server_kills: int = 0
    follower_kills: int = 0

    def __add__(self, other: "FollowTally") -> "FollowTally":
        mine, its = asdict(self), asdict(other)
        return FollowTally(**{name: number + its[name] for name, number in mine.items()})


class Schedule:
    """Schedule of one file with its follower and its server.

    Args:
        server: not running; its data may contain lines of other schedules.
        protocol: a key of `PROTOCOLS`.
        folder: an empty directory.
        chance: makes the random choices.
        name: letters and digits, contained in each line.
    """

    def __init__(
        self, server: ServerProcess, protocol: str, folder: Path, chance: random.Random, name: str
    ) -> None:
        self._server, self._chance, self._name = server, chance, name
        self._folder = folder
        self._path = folder / "app.log"
        self._state = folder / "state"
        port = server.ports[PROTOCOLS[protocol]]
        self._url = f"{SCHEMES.get(protocol, protocol)}://127.0.0.1:{port}"
        self._protocol = protocol
        self._follower: subprocess.Popen[bytes] | None = None
        self._style = chance.choice(("number", "date", "within", "mixed"))
        self._rotations = 0
        self.tally = FollowTally(schedules=1)
        self.said = folder / "said"
        """File with the follower's standard error."""

    def run(self) -> FollowTally:
        """Run the schedule, and verify. Leaves no process. Raises `AssertionError` after a time limit."""
        try:
            self._path.touch()
            if self._chance.random() < 0.5:
                self._server.launch()
            self._start_follower()
            self._wait_for_state()
            for _ in range(self._chance.randint(*STEPS)):
                self._step()(self)
                if self._chance.random() < 0.5:
                    time.sleep(self._chance.uniform(0.0, PAUSE_S))
            self._finish()
        finally:
            self._kill_follower(counted=False)
            if self._server.process is not None:
                self._server.kill()
        return self._judge()

    def _step(self) -> Callable[["Schedule"], None]:
        steps: dict[Callable[[Schedule], None], int] = {
            Schedule._write: 10,
            Schedule._rename: 5,
            Schedule._rename_quickly: 2,
            Schedule._copy_and_truncate: 4,
            Schedule._truncate: 1,
            Schedule._kill_server: 3,
            Schedule._start_server: 4,
            Schedule._kill_follower: 3,
            Schedule._start_follower: 4,
        }
        return self._chance.choices(list(steps), list(steps.values()))[0]

    # --- the writer ---

    def _write(self) -> None:
        data = b""
        for _ in range(self._chance.randint(*LINES)):
            padding = b"x" * int(self._chance.paretovariate(1.0) * 20 % 5000)
            data += b"line %d of %b %b\n" % (self.tally.written, self._name.encode(), padding)
            self.tally.written += 1
        with self._path.open("ab", buffering=0) as file:
            while data:  # in pieces that may end within a line
                size = self._chance.randint(1, len(data))
                file.write(data[:size])
                data = data[size:]

    def _rename(self) -> None:
        self._path.rename(self._next_name())
        self.tally.renames += 1
        if self._chance.random() < 0.9:
            self._path.touch()
        else:
            self._write()

    def _rename_quickly(self) -> None:
        for _ in range(self._chance.randint(2, 4)):
            self._write()
            self._rename()

    def _copy_and_truncate(self) -> None:
        name = self._next_name()
        name.write_bytes(self._path.read_bytes())
        os.truncate(self._path, 0)
        self.tally.copies += 1

    def _truncate(self) -> None:
        """Truncate without a copy, after everything was read."""
        self._start_follower()
        if self._wait_until_read():
            os.truncate(self._path, 0)
            self.tally.truncations += 1

    def _next_name(self) -> Path:
        self._rotations += 1
        style = self._chance.choice(("number", "date")) if self._style == "mixed" else self._style
        if style == "within":
            return self._folder / f"app-2025{self._rotations:04}.log"
        if style == "date":
            return self._folder / f"app.log-2025{self._rotations:04}"
        numbers = [path for path in self._folder.glob("app.log.*") if path.suffix[1:].isdigit()]
        for path in sorted(numbers, key=lambda path: -int(path.suffix[1:])):
            path.rename(path.with_suffix(f".{int(path.suffix[1:]) + 1}"))
        return self._folder / "app.log.1"

    # --- the processes ---

    def _kill_server(self) -> None:
        if self._server.process is not None:
            self._server.kill()
            self.tally.server_kills += 1

    def _start_server(self) -> None:
        if self._server.process is None:
            self._server.launch()

    def _start_follower(self) -> None:
        if self._follower is not None:
            return
        command = [sys.executable, "-m", "logboom", "send", str(self._path), "--follow", "--to", self._url]
        command += ["--as", self._protocol, "--state", str(self._state), "--max-reconnects", "0"]
        command += ["--interval", "0.5", "--source", self._name]
        with self.said.open("ab") as said:
            self._follower = subprocess.Popen(command, stderr=said, stdin=subprocess.DEVNULL)  # noqa: S603 - our own

    def _kill_follower(self, *, counted: bool = True) -> None:
        if self._follower is not None:
            self._follower.send_signal(signal.SIGKILL)
            self._follower.wait()
            self._follower = None
            self.tally.follower_kills += counted

    def _wait_for_state(self) -> None:
        """Wait until the follower has started: files that were rotated before do not count."""
        self._wait(self._state.exists, "the follower did not begin")

    def _wait_until_read(self) -> bool:
        """Wait until the last line is in the spool or on the server; False when no line was written."""
        if not self.tally.written:
            return False
        last = b"line %d of %b " % (self.tally.written - 1, self._name.encode())
        self._wait(lambda: last in self._spooled() or any(last in line for line in self._stored()), "unread")
        return True

    def _spooled(self) -> bytes:
        found = []
        for path in self._state.with_name("state.spool").glob("*.spool"):
            try:
                data = path.read_bytes()
            except OSError:  # delivered meanwhile
                continue
            found.append(data if MAGIC in data else b"")
        return b"".join(found)

    def _wait(self, condition: Callable[[], bool], trouble: str) -> None:
        until = time.monotonic() + END_S_MAX
        while not condition():
            if time.monotonic() > until:
                raise AssertionError(f"{self._name}: {trouble}; {self.said.read_text(errors='replace')}")
            time.sleep(TICK_S)

    # --- verification ---

    def _finish(self) -> None:
        """Start everything, and wait for the last lines."""
        self._write()
        self._start_server()
        self._wait_for_server()
        self._start_follower()
        until = time.monotonic() + END_S_MAX
        while time.monotonic() < until and len(self._counts()) < self.tally.written:
            time.sleep(TICK_S * 5)
            if self._follower is not None and self._follower.poll() is not None:
                raise AssertionError(
                    f"{self._name}: the follower ended: {self.said.read_text(errors='replace')}"
                )

    def _wait_for_server(self) -> None:
        until = time.monotonic() + END_S_MAX
        while True:
            try:
                self._server.wait_until_ready()
            except AssertionError:
                if time.monotonic() > until:
                    raise
            else:
                return

    def _stored(self) -> Iterator[bytes]:
        for line in self._server.journal_lines():
            found = _ENTRY.search(line)
            if found is not None and found[2] == self._name.encode():
                yield line

    def _counts(self) -> Counter[bytes]:
        return Counter(found[1] for line in self._stored() if (found := _ENTRY.search(line)) is not None)

    def _judge(self) -> FollowTally:
        counts = self._counts()
        self.tally.stored = counts.total()
        self.tally.lost = self.tally.written - len(counts)
        self.tally.doubled = counts.total() - len(counts)
        return self.tally


def follow_once(folder: Path, protocol: str, seed: int) -> tuple[FollowTally, str]:
    """Run one schedule with a separate server.

    Args:
        folder: an empty directory.
        protocol: a key of `PROTOCOLS`.
        seed: seed of all choices; the timing also depends on the machine.

    Returns:
        The numbers, and the follower's standard error.

    Raises:
        AssertionError: the server or the follower hung, or ended.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith("LOGBOOM_")}
    server = ServerProcess(folder / "data", (PROTOCOLS[protocol],))
    server._environment = own | _ENVIRONMENT  # noqa: SLF001 - without the user's settings
    work = folder / "work"
    work.mkdir()
    schedule = Schedule(server, protocol, work, random.Random(seed), f"s{seed}")  # noqa: S311 - not for secrets
    tally = schedule.run()
    return tally, schedule.said.read_text(errors="replace")
