"""One chapter of `logboom prove`: one data directory, from the first start of the server to the verification."""

import random
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from logboom.prove.faulty_clients import LINES, FaultyClients
from logboom.prove.oracle import judge
from logboom.prove.plan import Plan, Progress, Proof
from logboom.prove.recording_client import RecordingClient
from logboom.prove.server import ProvedServer
from logboom.prove.traffic import TRAFFIC

CHAPTER_BYTES_MAX: Final = 256 << 20
"""Size of a chapter's journal; the output's file has the same size."""

CLIENTS_EACH: Final = 2
"""Clients per protocol: together they keep two cores busy."""

WINDOW_LINES: Final = 100
UNANSWERED_LINES: Final = 20
"""The same for protocols without answers: nothing else limits them, and a kill loses the lines that were not read."""

PAUSE_S: Final = 0.02
"""Pause between the windows of one client, so that all protocols run at the same time."""

ANSWER_S_MAX: Final = 2.0
"""Time after which a device without an ack reconnects and sends again (docs/contracts/device.md)."""

PATIENT_S_MAX: Final = 20.0
"""The same for other clients, which get a reply when an entry is not stored."""

SILENCE_S_MAX: Final = 60.0
"""Time without an acknowledgement after which a running server counts as hung; long enough for busy machines."""

STOP_S_MAX: Final = 60.0
TICK_S: Final = 0.02

ACKS_BEFORE_MAX: Final = 2000
"""Most acks between two disasters; at least one, so that the server makes progress after each start."""


class Chapter:
    """One chapter, whose results are added to the proof.

    Args:
        plan: plan of the run.
        folder: an empty directory.
        chance: makes the random choices.
        proof: results of the run so far.
        watch: called with the progress, many times per second.
    """

    def __init__(
        self,
        plan: Plan,
        folder: Path,
        chance: random.Random,
        proof: Proof,
        watch: Callable[[Progress], None],
    ) -> None:
        self._plan, self._chance, self._proof, self._watch = plan, chance, proof, watch
        listeners = dict.fromkeys(TRAFFIC[kind].listener for kind in plan.kinds)
        self._server = ProvedServer(folder, tuple(listeners), proof.disasters)
        self._clients = [self._client(kind, number) for kind in plan.kinds for number in range(CLIENTS_EACH)]
        self._faulty = FaultyClients(self._connect, chance.randrange(1 << 30), listeners)
        self._acked_before = proof.judgement.acked
        self._deck: list[Callable[[random.Random], None]] = []

    def _client(self, kind: str, number: int) -> RecordingClient:
        alone = kind == "device"  # its acks do not identify their line
        several = WINDOW_LINES if TRAFFIC[kind].answers else UNANSWERED_LINES
        timeout_s = ANSWER_S_MAX if alone else PATIENT_S_MAX

        def connect(listener: str) -> socket.socket:
            connection = self._connect(listener)
            connection.settimeout(timeout_s)
            return connection

        return RecordingClient(
            TRAFFIC[kind],
            f"{kind}{number}",
            connect,
            window=1 if alone else several,
            pause_s=0.0 if alone else PAUSE_S,
        )

    def _connect(self, listener: str) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._server.ports[listener]), timeout=ANSWER_S_MAX)

    def run(self) -> None:
        """Run load and disasters for the remaining seconds, then verify. Leaves no process when interrupted."""
        self._started = time.monotonic()
        try:
            self._load(self._started + self._plan.seconds - self._proof.load_s)
        except AssertionError as error:
            self._proof.problems.append(str(error))
        finally:
            self._end()
        self._judge()

    def _load(self, ends_at: float) -> None:
        kills_before = self._proof.disasters.kills
        self._server.start()
        for client in self._clients:
            client.start()
        self._faulty.start()
        while time.monotonic() < ends_at or self._proof.disasters.kills - kills_before < self._plan.kills_min:
            self._wait_for_acks(self._chance.randint(1, ACKS_BEFORE_MAX))
            self._wait(self._chance.uniform(*self._plan.pause_s), ends_at)
            self._next_disaster()(self._chance)
            if self._server.journal_bytes() > CHAPTER_BYTES_MAX:
                break
        self._wait_for_acks(1)
        self._faulty.stop(STOP_S_MAX)
        for client in self._clients:
            if not client.stop(STOP_S_MAX):
                raise AssertionError(f"{client.name} waits for answers for {STOP_S_MAX:.0f} s")
        self._server.stop_well()

    def _next_disaster(self) -> Callable[[random.Random], None]:
        """Take the next one of a shuffled deck, so that even a short run has each kind; a kill comes first."""
        server = self._server
        if not self._deck:
            self._deck += [server.kill_and_start] * 4 + [server.fill_disk] * 2
            self._deck += [server.reload, server.stop_and_start]
            self._chance.shuffle(self._deck)
            self._deck.append(server.kill_and_start)
        return self._deck.pop()

    def _acks(self) -> int:
        return sum(client.acks for client in self._clients)

    def _report_progress(self, stage: str) -> None:
        elapsed_s = self._proof.load_s + time.monotonic() - self._started
        acked, faulty = self._acked_before + self._acks(), self._proof.faulty + self._faulty.visits
        self._watch(Progress(stage, elapsed_s, acked, self._proof.disasters, faulty))

    def _wait_for_acks(self, count: int) -> None:
        """Wait for this number of further acks. Raises `AssertionError` when the server does not answer."""
        goal, silent_at = self._acks() + count, time.monotonic() + SILENCE_S_MAX
        while self._acks() < goal:
            self._report_progress("running")
            time.sleep(TICK_S)
            if time.monotonic() > silent_at:
                raise AssertionError(f"less than {count} lines were acknowledged in {SILENCE_S_MAX:.0f} s")

    def _wait(self, seconds: float, ends_at: float) -> None:
        until = min(time.monotonic() + seconds, ends_at)
        while time.monotonic() < until:
            self._report_progress("running")
            time.sleep(TICK_S)

    def _end(self) -> None:
        """End all threads and processes."""
        self._faulty.ask_to_stop()
        for client in self._clients:
            client.stop(0.0)
        if self._server.process is not None:
            with suppress(AssertionError):
                self._server.kill()
        self._faulty.stop(STOP_S_MAX)
        for client in self._clients:
            client.stop(STOP_S_MAX)

    def _judge(self) -> None:
        self._report_progress("judging")
        proof, server = self._proof, self._server
        proof.load_s += time.monotonic() - self._started
        proof.faulty += self._faulty.visits
        proof.judgement += judge(self._clients, server.lines(), LINES)
        for client in self._clients:
            if client.fault is not None:
                proof.problems.append(f"{client.name} itself failed: {client.fault!r}")
        proof.problems += self._faulty.faults
        proof.problems += server.problems()
        if not proof.problems:
            proof.problems += server.output_problems()
