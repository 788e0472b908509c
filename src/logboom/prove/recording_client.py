"""Recording clients, which remember the acknowledged lines for the crash oracle.

Each `RecordingClient` is one client: it sends unique lines, keeps those without an answer, and sends them again after a
reconnect, as deployed clients do. `oracle.judge` compares its record with the journal.

A line is a function of its client's name and a number, so that the record takes three bytes per line.
"""

import re
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final, Protocol

WINDOW_LINES: Final = 200
"""Most unanswered lines of one client."""

RETRY_S: Final = 0.02
"""Pause between two attempts to connect while the server restarts."""

SENDS_MAX: Final = 255
"""Largest count of sends per line, which is a byte; no line reaches it within a run."""

MARK: Final = re.compile(rb"prove ([a-z]+[0-9]*) ([0-9]{1,12}) ")
"""The part of a line that identifies it."""

_FILL_STEP: Final = 7919
_FILL_BYTES_MAX: Final = 181
"""Lines have different lengths, so that writes and blocks end at varying offsets."""


def text_of(name: str, number: int) -> str:
    """Make the unique text of a client's line."""
    return f"prove {name} {number} {'x' * (number * _FILL_STEP % _FILL_BYTES_MAX)}"


class Session(Protocol):
    """Connection of a recording client."""

    def exchange(self, lines: Sequence[bytes]) -> Iterator[bool]:
        """Send lines, and yield per line whether it was stored. Raises `OSError` when the connection fails."""

    def close(self) -> None:
        """Close the connection."""


Connect = Callable[[str], socket.socket]
"""Function that connects to the listener of that name. Raises `OSError`."""


class Traffic(Protocol):
    """Lines and answers of one protocol."""

    @property
    def listener(self) -> str:
        """Name of the listener."""

    @property
    def answers(self) -> bool:
        """True if the protocol has answers."""

    def make(self, name: str, number: int) -> bytes:
        """Make the unique line for a client's name and a number."""

    def is_entry(self, entry: bytes, name: str, number: int) -> bool:
        """Return whether a stored entry is that line, complete and unchanged."""

    def open(self, connect: Connect) -> Session:
        """Open a connection. Raises `OSError`."""


@dataclass(frozen=True)
class LineTraffic:
    """A protocol of lines with an answer line each."""

    listener: str
    template: bytes
    """Template with the names `number` and `text`."""
    good: bytes
    """The answer for a stored line."""
    answers: bool = True

    def make(self, name: str, number: int) -> bytes:
        """See `Traffic`."""
        return self.template % {b"number": number, b"text": text_of(name, number).encode()}

    def is_entry(self, entry: bytes, name: str, number: int) -> bool:
        """See `Traffic`."""
        return entry == self.make(name, number)

    def open(self, connect: Connect) -> Session:
        """See `Traffic`."""
        return LineSession(connect(self.listener), self.good)


class LineSession:
    """Connection that reads an answer line per line.

    Args:
        connection: connection that is closed with it.
        good: see `LineTraffic`.
    """

    def __init__(self, connection: socket.socket, good: bytes) -> None:
        self._connection = connection
        self._good = good
        self._rest = b""

    def exchange(self, lines: Sequence[bytes]) -> Iterator[bool]:
        """See `Session`."""
        self._connection.sendall(b"".join(line + b"\n" for line in lines))
        for _ in lines:
            while b"\n" not in self._rest:
                data = self._connection.recv(65536)
                if not data:
                    raise ConnectionError("the server closed the connection")
                self._rest += data
            answer, _, self._rest = self._rest.partition(b"\n")
            yield answer == self._good

    def close(self) -> None:
        """See `Session`."""
        self._connection.close()


DEVICE: Final = LineTraffic(
    "device", b'{"boot_seq":1,"uptime_ms":%(number)d,"seq":%(number)d,"msg":"%(text)b"}', b'{"ack":1}'
)
COLLECTOR: Final = LineTraffic(
    "collector", b'{"level":"ERROR","message":"%(text)b"}', b'{"status":"ok","message":"received"}'
)


@dataclass
class RecordingClient:
    """One recording client.

    Args:
        traffic: traffic of its protocol.
        name: unique among the clients; lower-case letters and a number.
        connect: connects to the listener of a name.
        window: unanswered lines at once. 1 if answers do not identify their line, and lines may be refused without an
            answer, as for devices.
        pause_s: pause after each window, so that many clients share a machine.
    """

    traffic: Traffic
    name: str
    connect: Connect
    window: int = WINDOW_LINES
    pause_s: float = 0.0
    heard: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    """Released once per acknowledged line; several clients may share it."""
    rejected: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    """Released once per refusal."""
    refused: int = 0
    """Number of refusals; those lines were sent again."""
    acks: int = 0
    """Number of acknowledgements."""
    sends: bytearray = field(default_factory=bytearray)
    """Number of sends per line without refused ones, and so the most times that it may be stored."""
    acked: bytearray = field(default_factory=bytearray)
    """1 per acknowledged line."""
    again: bytearray = field(default_factory=bytearray)
    """1 per line that was sent more than once, and so may follow later ones."""
    broken_off: int = 0
    """Number of connections that ended with unanswered lines."""
    fault: BaseException | None = None
    """Unexpected error of the client, after which its record is incomplete."""
    _waiting: deque[int] = field(default_factory=deque)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Start sending."""
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float | None = None) -> bool:
        """Stop sending after the next answers; returns whether it ended within the time."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
        return self._thread is None or not self._thread.is_alive()

    @property
    def sent(self) -> int:
        """Number of different lines."""
        return len(self.sends)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    with closing(self.traffic.open(self.connect)) as link:
                        self._talk(link)
                except OSError:
                    self.broken_off += 1
                    self._stop.wait(RETRY_S)
        except BaseException as error:  # noqa: BLE001 - reported by the verification
            self.fault = error

    def _talk(self, link: Session) -> None:
        """Send windows and read their answers until the connection fails."""
        while not self._stop.is_set():
            for number in self._waiting:
                self._send_again(number)
            while len(self._waiting) < self.window:
                self._waiting.append(len(self.sends))
                self.sends.append(1)
                self.acked.append(0)
                self.again.append(0)
            lines = [self.traffic.make(self.name, number) for number in self._waiting]
            self._settle(link.exchange(lines))
            if self.pause_s:
                self._stop.wait(self.pause_s)

    def _send_again(self, number: int) -> None:
        self.sends[number] = min(SENDS_MAX, self.sends[number] + 1)
        self.again[number] = 1

    def _settle(self, answers: Iterator[bool]) -> None:
        """Take one answer per line; refused lines go into the next window."""
        refused: list[int] = []
        try:
            for good in answers:
                number = self._waiting.popleft()
                if good:
                    self.acked[number] = 1
                    self.acks += 1
                    self.heard.release()
                else:
                    self.refused += 1
                    self.sends[number] -= 1  # only a later attempt may be stored
                    refused.append(number)
                    self.rejected.release()
            if not self.traffic.answers:
                self._waiting.clear()
        finally:
            self._waiting.extendleft(reversed(refused))
