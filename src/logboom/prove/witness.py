"""Honest clients that remember what was acknowledged, for the crash oracle.

Each `Witness` is one client: it sends lines that exist only once, keeps those without an answer, and sends
them again after a reconnect, as deployed clients do. `oracle.judge` compares with the journal.

A line is a function of its client's name and a number, so that the memory of millions of lines is three bytes each.
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
"""Lines without an answer that one client has on the way."""

RETRY_S: Final = 0.02
"""Pause between two tries to connect; a server that is being restarted is away for a moment."""

SENDS_MAX: Final = 255
"""How often a line's sends are counted: a byte. Nobody gets so far within a run."""

MARK: Final = re.compile(rb"prove ([a-z]+[0-9]*) ([0-9]{1,12}) ")
"""Stands once in every line, and tells which it is."""

_FILL_STEP: Final = 7919
_FILL_BYTES_MAX: Final = 181
"""Lines differ in length, so that writes and blocks end at all sorts of places."""


def text_of(name: str, number: int) -> str:
    """What makes a line of a client the only one of its kind."""
    return f"prove {name} {number} {'x' * (number * _FILL_STEP % _FILL_BYTES_MAX)}"


class Link(Protocol):
    """One connection of a witness."""

    def exchange(self, lines: Sequence[bytes]) -> Iterator[bool]:
        """Send lines, and give the answer to each in order: stored or not. Raises `OSError` when it breaks."""

    def close(self) -> None:
        """Close it."""


Connect = Callable[[str], socket.socket]
"""Makes a connection to the listener of that name. Raises `OSError`."""


class Dialect(Protocol):
    """How one protocol's lines and answers look."""

    @property
    def listener(self) -> str:
        """The listener that speaks it."""

    @property
    def answers(self) -> bool:
        """Whether there are answers at all."""

    def make(self, name: str, number: int) -> bytes:
        """A line of a client's name and a number; unique."""

    def is_entry(self, entry: bytes, name: str, number: int) -> bool:
        """Whether a stored entry is that line, whole and as it was sent."""

    def open(self, connect: Connect) -> Link:
        """A new connection. Raises `OSError`."""


@dataclass(frozen=True)
class LineDialect:
    """A line, an answer line."""

    listener: str
    template: bytes
    """With places for number and text, in this order: both by name."""
    good: bytes
    """The answer that says that a line was stored."""
    answers: bool = True

    def make(self, name: str, number: int) -> bytes:
        """See `Dialect`."""
        return self.template % {b"number": number, b"text": text_of(name, number).encode()}

    def is_entry(self, entry: bytes, name: str, number: int) -> bool:
        """See `Dialect`."""
        return entry == self.make(name, number)

    def open(self, connect: Connect) -> Link:
        """See `Dialect`."""
        return LineLink(connect(self.listener), self.good)


class LineLink:
    """Sends lines, reads an answer line for each.

    Args:
        connection: is closed with it.
        good: see `LineDialect`.
    """

    def __init__(self, connection: socket.socket, good: bytes) -> None:
        self._connection = connection
        self._good = good
        self._rest = b""

    def exchange(self, lines: Sequence[bytes]) -> Iterator[bool]:
        """See `Link`."""
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
        """See `Link`."""
        self._connection.close()


DEVICE: Final = LineDialect(
    "device", b'{"boot_seq":1,"uptime_ms":%(number)d,"seq":%(number)d,"msg":"%(text)b"}', b'{"ack":1}'
)
COLLECTOR: Final = LineDialect(
    "collector", b'{"level":"ERROR","message":"%(text)b"}', b'{"status":"ok","message":"received"}'
)


@dataclass
class Witness:
    """One client and its memory.

    Args:
        dialect: what it speaks.
        name: unique among the clients; lower-case letters and a number.
        connect: makes a connection to the listener of that name.
        window: lines on the way at once. 1 where an answer does not tell to which line it belongs, and lines may
            be refused in silence: so do the devices.
        pause_s: rest after each window, so that many clients share a machine.
    """

    dialect: Dialect
    name: str
    connect: Connect
    window: int = WINDOW_LINES
    pause_s: float = 0.0
    heard: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    """Released once an answered line; several witnesses may share one."""
    told_no: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    """Released once an answer that said no."""
    refused: int = 0
    """Answers that said no; those lines were sent again."""
    acks: int = 0
    """Answers that said yes."""
    sends: bytearray = field(default_factory=bytearray)
    """Of each line: how often it was sent without being refused, so how often it may be stored."""
    acked: bytearray = field(default_factory=bytearray)
    """Of each line: 1 when it was acknowledged."""
    again: bytearray = field(default_factory=bytearray)
    """Of each line: 1 when it was sent more than once, so that it may stand behind later ones."""
    broken_off: int = 0
    """Connections that ended before everything was answered."""
    fault: BaseException | None = None
    """What ended the witness itself, if something did: its testimony is worth nothing then."""
    _waiting: deque[int] = field(default_factory=deque)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to send."""
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float | None = None) -> bool:
        """Stop sending after the next answers; whether that was within the time."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
        return self._thread is None or not self._thread.is_alive()

    @property
    def sent(self) -> int:
        """How many different lines were made."""
        return len(self.sends)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    with closing(self.dialect.open(self.connect)) as link:
                        self._talk(link)
                except OSError:
                    self.broken_off += 1
                    self._stop.wait(RETRY_S)
        except BaseException as error:  # noqa: BLE001 - told to whoever judges
            self.fault = error

    def _talk(self, link: Link) -> None:
        """Send windows and read their answers until the connection breaks."""
        while not self._stop.is_set():
            for number in self._waiting:
                self._send_again(number)
            while len(self._waiting) < self.window:
                self._waiting.append(len(self.sends))
                self.sends.append(1)
                self.acked.append(0)
                self.again.append(0)
            lines = [self.dialect.make(self.name, number) for number in self._waiting]
            self._settle(link.exchange(lines))
            if self.pause_s:
                self._stop.wait(self.pause_s)

    def _send_again(self, number: int) -> None:
        self.sends[number] = min(SENDS_MAX, self.sends[number] + 1)
        self.again[number] = 1

    def _settle(self, answers: Iterator[bool]) -> None:
        """Take one answer a line; refused lines go into the next window."""
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
                    self.sends[number] -= 1  # it must not be stored: only the next try may be
                    refused.append(number)
                    self.told_no.release()
            if not self.dialect.answers:
                self._waiting.clear()
        finally:
            self._waiting.extendleft(reversed(refused))
