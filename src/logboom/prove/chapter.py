"""One chapter of `logboom prove`: one server's data, from its first start to the judgement."""

import random
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from logboom.prove.dialects import DIALECTS
from logboom.prove.oracle import judge
from logboom.prove.plan import Plan, Progress, Proof
from logboom.prove.server import ProvedServer
from logboom.prove.strangers import LINES, Strangers
from logboom.prove.witness import Witness

CHAPTER_BYTES_MAX: Final = 256 << 20
"""Of a chapter's journal; the output's file takes as much again."""

WITNESSES_EACH: Final = 2
"""Of each protocol: together they keep two cores busy."""

WINDOW_LINES: Final = 100
UNANSWERED_LINES: Final = 20
"""The same for protocols without answers: nothing else slows them down, and a killed server's unread lines are gone."""

PAUSE_S: Final = 0.02
"""Between the windows of one witness: the point is that all protocols go on at once, not that one is fast."""

ANSWER_S_MAX: Final = 2.0
"""A device waits so long for an ack, then it connects and sends again (docs/contracts/device.md)."""

PATIENT_S_MAX: Final = 20.0
"""The other clients wait longer: they are told when something is not stored."""

SILENCE_S_MAX: Final = 60.0
"""A server that is up and acknowledges nothing for so long hangs; long, for machines that are very busy."""

STOP_S_MAX: Final = 60.0
TICK_S: Final = 0.02

ACKS_BEFORE_MAX: Final = 2000
"""Acks between two disasters, at least one: each life of the server must get something done."""


class Chapter:
    """One chapter; what it shows is added to the proof.

    Args:
        plan: of the run.
        folder: an empty directory.
        chance: makes the choices.
        proof: of the run so far.
        watch: is told about the progress, many times a second.
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
        listeners = dict.fromkeys(DIALECTS[kind].listener for kind in plan.kinds)
        self._server = ProvedServer(folder, tuple(listeners), proof.hurt)
        self._witnesses = [
            self._witness(kind, number) for kind in plan.kinds for number in range(WITNESSES_EACH)
        ]
        self._strangers = Strangers(self._connect, chance.randrange(1 << 30), listeners)
        self._acked_before = proof.judgement.acked
        self._deck: list[Callable[[random.Random], None]] = []

    def _witness(self, kind: str, number: int) -> Witness:
        alone = kind == "device"  # its acks do not tell which line they belong to
        several = WINDOW_LINES if DIALECTS[kind].answers else UNANSWERED_LINES
        timeout_s = ANSWER_S_MAX if alone else PATIENT_S_MAX

        def connect(listener: str) -> socket.socket:
            connection = self._connect(listener)
            connection.settimeout(timeout_s)
            return connection

        return Witness(
            DIALECTS[kind],
            f"{kind}{number}",
            connect,
            window=1 if alone else several,
            pause_s=0.0 if alone else PAUSE_S,
        )

    def _connect(self, listener: str) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._server.ports[listener]), timeout=ANSWER_S_MAX)

    def run(self) -> None:
        """Load and disasters for the seconds that are left, then the judgement. Interrupted, it leaves no process."""
        self._started = time.monotonic()
        try:
            self._load(self._started + self._plan.seconds - self._proof.load_s)
        except AssertionError as error:
            self._proof.problems.append(str(error))
        finally:
            self._end()
        self._judge()

    def _load(self, ends_at: float) -> None:
        kills_before = self._proof.hurt.kills
        self._server.start()
        for witness in self._witnesses:
            witness.start()
        self._strangers.start()
        while time.monotonic() < ends_at or self._proof.hurt.kills - kills_before < self._plan.kills_min:
            self._wait_for_acks(self._chance.randint(1, ACKS_BEFORE_MAX))
            self._wait(self._chance.uniform(*self._plan.pause_s), ends_at)
            self._next_disaster()(self._chance)
            if self._server.journal_bytes() > CHAPTER_BYTES_MAX:
                break
        self._wait_for_acks(1)
        self._strangers.stop(STOP_S_MAX)
        for witness in self._witnesses:
            if not witness.stop(STOP_S_MAX):
                raise AssertionError(f"{witness.name} waits for answers for {STOP_S_MAX:.0f} s")
        self._server.stop_well()

    def _next_disaster(self) -> Callable[[random.Random], None]:
        """From a shuffled deck, so that even a short run has some of each kind; a kill comes first."""
        server = self._server
        if not self._deck:
            self._deck += [server.kill_and_start] * 4 + [server.fill_disk] * 2
            self._deck += [server.reload, server.stop_and_start]
            self._chance.shuffle(self._deck)
            self._deck.append(server.kill_and_start)
        return self._deck.pop()

    def _acks(self) -> int:
        return sum(witness.acks for witness in self._witnesses)

    def _tell(self, stage: str) -> None:
        elapsed_s = self._proof.load_s + time.monotonic() - self._started
        acked, strangers = self._acked_before + self._acks(), self._proof.strangers + self._strangers.visits
        self._watch(Progress(stage, elapsed_s, acked, self._proof.hurt, strangers))

    def _wait_for_acks(self, count: int) -> None:
        """Until there were so many more. Raises `AssertionError` when the server is silent."""
        goal, silent_at = self._acks() + count, time.monotonic() + SILENCE_S_MAX
        while self._acks() < goal:
            self._tell("running")
            time.sleep(TICK_S)
            if time.monotonic() > silent_at:
                raise AssertionError(f"less than {count} lines were acknowledged in {SILENCE_S_MAX:.0f} s")

    def _wait(self, seconds: float, ends_at: float) -> None:
        until = min(time.monotonic() + seconds, ends_at)
        while time.monotonic() < until:
            self._tell("running")
            time.sleep(TICK_S)

    def _end(self) -> None:
        """Leave no thread and no process, whatever has happened."""
        self._strangers.ask_to_stop()
        for witness in self._witnesses:
            witness.stop(0.0)
        if self._server.process is not None:
            with suppress(AssertionError):
                self._server.kill()
        self._strangers.stop(STOP_S_MAX)
        for witness in self._witnesses:
            witness.stop(STOP_S_MAX)

    def _judge(self) -> None:
        self._tell("judging")
        proof, server = self._proof, self._server
        proof.load_s += time.monotonic() - self._started
        proof.strangers += self._strangers.visits
        proof.judgement += judge(self._witnesses, server.lines(), LINES)
        for witness in self._witnesses:
            if witness.fault is not None:
                proof.problems.append(f"{witness.name} itself failed: {witness.fault!r}")
        proof.problems += self._strangers.faults
        proof.problems += server.problems()
        if not proof.problems:
            proof.problems += server.output_problems()
