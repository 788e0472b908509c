"""The crash oracle: an outside witness that knows what was acknowledged, and holds the journal to it.

Each `Witness` is one client: it sends lines that exist only once, keeps those without an answer, and sends
them again after a reconnect, as WIRE.md's clients do. After any number of crashes `judge` compares.
"""

import json
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

WINDOW_LINES: Final = 200
"""Lines without an answer that one client has on the way."""

RETRY_S: Final = 0.02
"""Pause between two tries to connect; a server that is being restarted is away for a moment."""


@dataclass
class Dialect:
    """How one protocol's lines and answers look."""

    listener: str
    make: Callable[[str, int], bytes]
    """A line of a client's name and a number; unique."""
    good: Callable[[bytes], bool]
    """Whether an answer says that the line was stored."""


DEVICE: Final = Dialect(
    "device",
    lambda name, number: (
        b'{"boot_seq":1,"uptime_ms":%d,"seq":%d,"msg":"%b"}' % (number, number, name.encode())
    ),
    lambda answer: answer == b'{"ack":1}',
)
COLLECTOR: Final = Dialect(
    "collector",
    lambda name, number: b'{"level":"ERROR","message":"%d","client":"%b"}' % (number, name.encode()),
    lambda answer: answer == b'{"status":"ok","message":"received"}',
)


@dataclass
class Witness:
    """One client and its memory.

    Args:
        dialect: what it speaks.
        name: unique among the clients.
        connect: makes a connection to the listener of that name.
    """

    dialect: Dialect
    name: str
    connect: Callable[[str], socket.socket]
    acked: list[bytes] = field(default_factory=list)
    """Lines that were acknowledged, in order."""
    resent: set[bytes] = field(default_factory=set)
    """Lines that were sent more than once."""
    refused: int = 0
    """Answers that said no; those lines were sent again."""
    heard: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    """Released once an answered line; several witnesses may share one."""
    told_no: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    """Released once an answer that said no."""
    _waiting: list[bytes] = field(default_factory=list)
    _number: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to send."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop sending after the next answers."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    @property
    def sent(self) -> int:
        """How many different lines were made."""
        return self._number

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with self.connect(self.dialect.listener) as connection:
                    self._talk(connection)
            except OSError:
                self._stop.wait(RETRY_S)

    def _talk(self, connection: socket.socket) -> None:
        """Send windows and read their answers until the connection breaks."""
        rest = b""
        while not self._stop.is_set():
            self.resent.update(self._waiting)
            while len(self._waiting) < WINDOW_LINES:
                self._waiting.append(self.dialect.make(self.name, self._number))
                self._number += 1
            connection.sendall(b"".join(line + b"\n" for line in self._waiting))
            rest = self._read_answers(connection, rest, len(self._waiting))

    def _read_answers(self, connection: socket.socket, rest: bytes, count: int) -> bytes:
        """Read one answer a line; refused lines go into the next window."""
        again: list[bytes] = []
        for _ in range(count):
            while b"\n" not in rest:
                data = connection.recv(65536)
                if not data:
                    self._waiting[:0] = again
                    raise ConnectionError("the server closed the connection")
                rest += data
            answer, _, rest = rest.partition(b"\n")
            line = self._waiting.pop(0)
            if self.dialect.good(answer):
                self.acked.append(line)
                self.heard.release()
            else:
                self.refused += 1
                self.told_no.release()
                again.append(line)
        self._waiting[:0] = again
        return rest


@dataclass
class Judgement:
    """What the oracle found."""

    acked: int
    stored: int
    lost: int
    """Acknowledged, but not in the journal. Must be 0."""
    doubled: int
    """In the journal more often than it was sent. Must be 0."""
    resent_doubles: int
    """Twice in the journal because the client had to send twice: allowed."""
    torn: int
    """Journal lines that are not whole. Must be 0."""
    disordered: int
    """Clients whose lines stand out of order. Must be 0."""

    @property
    def good(self) -> bool:
        """The promise was kept."""
        return not (self.lost or self.doubled or self.torn or self.disordered)


def judge(witnesses: Iterable[Witness], journal_lines: Iterable[bytes]) -> Judgement:
    """Hold a journal against what the witnesses know."""
    witnesses = list(witnesses)
    entries, torn = entries_of(journal_lines)
    counts = Counter(entries)
    resent = {line for witness in witnesses for line in witness.resent}
    acked = [line for witness in witnesses for line in witness.acked]
    many = [line for line, count in counts.items() if count > 1]
    return Judgement(
        acked=len(acked),
        stored=len(entries),
        lost=sum(line not in counts for line in acked),
        doubled=sum(line not in resent for line in many),
        resent_doubles=sum(line in resent for line in many),
        torn=torn,
        disordered=sum(not _in_order(witness, entries) for witness in witnesses),
    )


def entries_of(journal_lines: Iterable[bytes]) -> tuple[list[bytes], int]:
    """The entries of journal lines byte for byte, and how many lines are not whole."""
    entries = []
    torn = 0
    for line in journal_lines:
        try:
            json.loads(line)
            entries.append(line[line.index(b'"entry":') + 8 : line.rindex(b',"source":')])
        except ValueError:
            torn += 1
    return entries, torn


def _in_order(witness: Witness, entries: list[bytes]) -> bool:
    """Whether a client's lines that were sent once stand in the order of sending."""
    mine = {line: number for number, line in enumerate(witness.acked) if line not in witness.resent}
    numbers = [mine[entry] for entry in entries if entry in mine]
    return numbers == sorted(numbers)
