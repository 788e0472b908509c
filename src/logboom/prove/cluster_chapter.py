"""The cluster chapter of `logboom prove`: front ends, NATS servers and followers fail while clients send.

At its end, every acknowledged entry has to be in every copy, once, in the order of its client, and each copy has to
have the lines of all front ends.
"""

import random
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

from logboom.prove.cluster_faults import ClusterFaults, Fault
from logboom.prove.cluster_servers import FRONT_ENDS, ClusterServers
from logboom.prove.oracle import COLLECTOR, Judgement, judge
from logboom.prove.recording_client import Connect, LineSession, LineTraffic, RecordingClient, Session

CLIENTS: Final = 4
WINDOW_LINES: Final = 20
PAUSE_S: Final = 0.05
"""Pause between the windows of one client, so that hundreds of faults fit on a disk."""

BOTH_SHARE: Final = 0.25
"""Share of faults of nodes during which a fault of Logboom happens, too."""

ACKS_BEFORE_MAX: Final = 200
SILENCE_S_MAX: Final = 120.0
"""Time without an acknowledgement after a fault; then the chapter fails."""

COPY_S_MAX: Final = 180.0
"""Time until the copies have everything at the end."""

TICK_S: Final = 0.02


@dataclass
class FaultTally:
    """Numbers of one kind of fault."""

    count: int = 0
    stall_s_max: float = 0.0
    """Longest time without an acknowledgement, from the fault until entries were acknowledged again."""


@dataclass
class ClusterProof:
    """Results of a cluster chapter."""

    seed: int
    judgements: list[Judgement] = field(default_factory=list)
    """One per copy."""
    faults: dict[str, FaultTally] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    without: dict[str, str] = field(default_factory=dict)
    """Faults that are not possible here, with the reasons."""
    digest: str = ""
    """SHA-256 of the lines of each copy."""

    @property
    def count(self) -> int:
        """Number of faults."""
        return sum(one.count for one in self.faults.values())

    @property
    def good(self) -> bool:
        """True if no rule was violated, and something was acknowledged."""
        kept = all(one.good and one.acked for one in self.judgements)
        return bool(self.judgements) and kept and not self.problems


class _OrNoAnswer(LineSession):
    """A refused entry may have been stored: it counts as one without an answer, and is sent again."""

    def exchange(self, lines: Sequence[bytes]) -> Iterator[bool]:
        """See `Session`."""
        for good in super().exchange(lines):
            if not good:
                raise ConnectionError("refused")
            yield True


class _ClusterTraffic(LineTraffic):
    def open(self, connect: Connect) -> Session:
        """See `Traffic`."""
        return _OrNoAnswer(connect(self.listener), self.good)


class ClusterChapter:
    """One cluster under test.

    Args:
        folder: an empty directory.
        seed: seed of all choices. The timing also depends on the machine, so that a run is not repeated exactly.
        seconds: time after which no further fault begins.
        faults_max: largest number of faults.
        watch: called with the number of faults and of acknowledgements, many times per second.
        only: kinds of faults; by default all.
    """

    def __init__(
        self,
        folder: Path,
        seed: int,
        *,
        seconds: float,
        faults_max: int = 10_000,
        watch: Callable[[int, int], None] = lambda _faults, _acked: None,
        only: tuple[str, ...] = (),
    ) -> None:
        self._folder, self._seconds, self._faults_max = folder, seconds, faults_max
        self._watch, self._only = watch, only
        self._chance = random.Random(seed)  # noqa: S311 - not for secrets
        self.proof = ClusterProof(seed)
        self._clients: list[RecordingClient] = []
        self._silent_since = 0.0
        self._seen = 0

    def run(self) -> ClusterProof:
        """Run all faults, then compare. Leaves no process when interrupted."""
        with ClusterServers(self._folder) as servers:
            self._servers = servers
            self.proof.without = servers.without
            try:
                self._load()
                self._compare()
            except AssertionError as error:
                self.proof.problems.append(str(error))
            finally:
                for client in self._clients:
                    client.stop(0.0)
        return self.proof

    def _load(self) -> None:
        traffic = _ClusterTraffic(COLLECTOR.listener, COLLECTOR.template, COLLECTOR.good)
        self._clients = [
            RecordingClient(traffic, f"c{number}", self._connector(number), WINDOW_LINES, PAUSE_S)
            for number in range(CLIENTS)
        ]
        for client in self._clients:
            client.start()
        self._wait_for_acks(1)
        faults, ends_at = ClusterFaults(self._servers), time.monotonic() + self._seconds
        deck: list[str] = []
        everything = faults.of_nodes | faults.of_logboom
        while self.proof.count < self._faults_max and time.monotonic() < ends_at:
            if not deck:
                deck = [kind for kind in everything if not self._only or kind in self._only]
                self._chance.shuffle(deck)
            kind = deck.pop()
            self._wait_for_acks(self._chance.randint(1, ACKS_BEFORE_MAX))
            self._do(kind, everything[kind], faults)
        self._wait_for_acks(1)
        for client in self._clients:
            if not client.stop(SILENCE_S_MAX):
                raise AssertionError(f"{client.name} waits for answers for {SILENCE_S_MAX:.0f} s")

    def _connector(self, number: int) -> Connect:
        """Return a function that connects to the front ends in turn, as a name with several addresses does."""
        turn = number

        def connect(listener: str) -> socket.socket:
            nonlocal turn
            turn += 1
            return self._servers.servers[turn % FRONT_ENDS].connect(listener)

        return connect

    def _do(self, kind: str, fault: Fault, faults: ClusterFaults) -> None:
        """Do a fault, sometimes with one of Logboom meanwhile, until entries are acknowledged again."""
        self._acked()
        kinds = [kind]
        with fault(self._chance):
            if kind in faults.of_nodes and not self._only and self._chance.random() < BOTH_SHARE:
                kinds.append(self._chance.choice(list(faults.of_logboom)))
                with faults.of_logboom[kinds[-1]](self._chance):
                    pass
        stall_s = self._wait_for_acks(CLIENTS * WINDOW_LINES)
        for one in kinds:
            tally = self.proof.faults.setdefault(one, FaultTally())
            tally.count += 1
        first = self.proof.faults[kind]
        first.stall_s_max = max(first.stall_s_max, stall_s)

    def _acked(self) -> int:
        acked = sum(client.acks for client in self._clients)
        if acked != self._seen:
            self._seen, self._silent_since = acked, time.monotonic()
        self._watch(self.proof.count, acked)
        return acked

    def _wait_for_acks(self, count: int) -> float:
        """Wait for this number of further acks; returns the longest time without one."""
        goal, stall_s = self._seen + count, 0.0
        while True:
            before = self._silent_since
            acked = self._acked()
            stall_s = max(
                stall_s, (self._silent_since if self._silent_since != before else time.monotonic()) - before
            )
            if acked >= goal:
                return stall_s
            if self._silent_since and stall_s > SILENCE_S_MAX:
                raise AssertionError(f"no entry was acknowledged within {SILENCE_S_MAX:.0f} s after a fault")
            time.sleep(TICK_S)

    # --- the comparison ---

    def _compare(self) -> None:
        servers = self._servers.servers
        self._wait_for_copies()
        for server in servers:
            if code := server.stop():
                self.proof.problems.append(f"exit code {code} after SIGTERM, expected 0")
        expected = Counter(line for server in servers for line in server.own_lines())
        digests = []
        for server in servers:
            lines = list(server.copied_lines())
            if Counter(lines) != expected:
                self.proof.problems.append("a copy has other lines than the journals of the front ends")
            digests.append(sha256(b"\n".join(lines)).hexdigest())
            self.proof.judgements.append(judge(self._clients, lines))
        self.proof.digest = digests[0]
        if len(set(digests)) > 1:
            self.proof.problems.append(f"the copies differ: {', '.join(digests)}")
        for client in self._clients:
            if client.fault is not None:
                self.proof.problems.append(f"{client.name} itself failed: {client.fault!r}")

    def _wait_for_copies(self) -> None:
        servers, until = self._servers.servers, time.monotonic() + COPY_S_MAX
        while True:
            count = sum(1 for server in servers for _ in server.own_lines())
            copied = [sum(1 for _ in server.copied_lines()) for server in servers]
            if set(copied) == {count}:
                return
            if time.monotonic() > until:
                raise AssertionError(f"copies have {copied} of {count} lines after {COPY_S_MAX:.0f} s")
            time.sleep(0.2)
