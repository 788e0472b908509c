"""Client side of a protocol: encoding of lines, and meaning of answers.

A dialect is one file and one line in `dialect_registry.DIALECTS`. Dialects for lines over TCP derive from
`line_dialect.LineDialect`; others derive from `Dialect`, and bring a `Link` of their own.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum, auto
from typing import ClassVar, Final, NamedTuple, Protocol

import msgspec

from logboom.clients.wire.target import Target
from logboom.clients.wire.tls_trust import Trust
from logboom.errors import DeliveryError
from logboom.formats.ndjson import repaired

Say = Callable[[str], object]
"""Reports to the user."""

NO_FIELDS: Final[Mapping[str, str]] = {}
_FIELDED: Final = {"source": "service_name", "stream": "logger_name"}
"""Fields of the binary protocols, whose fields are fixed, for fields of JSON messages."""


class UnfitLineError(DeliveryError):
    """A line can't be put into the protocol's form; the text says why."""


class ConnectFailedError(DeliveryError):
    """The server can't be reached, or not any more; every try that the policy allows was made."""


class Answers(Enum):
    """Amount of information in a protocol's answers."""

    NONE = auto()
    """None: the server never answers."""
    COUNTED = auto()
    """One ack per stored line and none for a refused one: an ack does not name its line."""
    EACH = auto()
    """One answer per line, in order."""


class Outcome(Enum):
    """Result of sending a line, as far as the sender can know."""

    ACKNOWLEDGED = auto()
    FILTERED = auto()
    """Taken, and dropped on purpose for its level."""
    SENT = auto()
    """Handed to the system; the protocol has no answers."""
    REFUSED = auto()
    LIMITED = auto()
    """Over the rate limit: send it again later."""
    BUSY = auto()
    """The server can't store it now: send it again."""
    UNANSWERED = auto()
    """No answer came in time."""
    LOST = auto()
    """The connection ended before the answer."""
    AMBIGUOUS = auto()
    """Refused together with other lines: which one is meant shows only when each is sent alone."""


FINAL = frozenset({Outcome.ACKNOWLEDGED, Outcome.FILTERED, Outcome.SENT, Outcome.REFUSED})
"""Outcomes after which a line is not sent again."""


class Reply(NamedTuple):
    """The answer to one line."""

    outcome: Outcome
    reason: str = ""
    retry_after_s: float = 0.0
    """For LIMITED: when to try again; 0 when the server did not say."""


class Link(Protocol):
    """One open connection to a server. Its methods raise OSError when the connection is gone."""

    @property
    def lost(self) -> bool:
        """True: the server is known to have closed it."""

    def send(self, payloads: Sequence[bytes], key: str = "") -> None:
        """Queue encoded lines; never waits, so that answers can be read meanwhile.

        Args:
            payloads: the lines.
            key: where the dialect is `keyed`, the idempotency key of these lines.
        """

    async def flush(self) -> None:
        """Wait until the system has taken all that was queued."""

    async def receive(self) -> list[Reply]:
        """Wait for answers; may return none."""

    async def finish(self, linger_s: float) -> None:
        """End the sending direction, and wait until the server closes the connection, at most `linger_s`."""

    async def close(self) -> None:
        """Drop the connection; may be called again."""


class Dialect(ABC):
    """Client side of one protocol. May hold state, for example a sequence: one per run.

    Defaults are what most protocols need.
    """

    name: ClassVar[str]
    schemes: ClassVar[tuple[str, ...]]
    port_default: ClassVar[int]
    answers: ClassVar[Answers]
    timeout_s: ClassVar[float]
    """Default time to wait for an answer (NONE: for room to send), seconds."""
    keyed: ClassVar[bool] = False
    """True: lines have an idempotency key. Sent again under the same key, in the same order, they are stored once."""
    asks: ClassVar[bool] = False
    """True: it can ask the server which lines are stored, before it sends lines again."""

    source: str = ""
    """The sender's name, in what is made here."""
    announces: bool = False
    """True: send status messages and heartbeats, if the protocol has them."""
    say: Say | None = None
    """Reports events of a connection to the user."""
    anchor: str = ""
    """For a dialect that `asks`: the server's time in its last message; empty before the first one."""

    @abstractmethod
    def encode(self, line: bytes) -> bytes:
        """Put a line, without its line end, into wire form.

        Raises:
            UnfitLineError: the protocol has no form for it.
        """

    @abstractmethod
    async def connect(self, target: Target) -> Link:
        """Open a connection; raises OSError."""

    def check(self, trust: Trust) -> None:  # noqa: B027 - most can do all
        """Raises `ConfigError` when the protocol can't do what is asked for."""

    def stamp_us(self, moment_us: int | None = None) -> int:
        """A time for one message, microseconds since the epoch: the given one or now; where it must, a new one each."""
        return now_us() if moment_us is None else moment_us

    def encode_text(
        self, text: bytes, moment_us: int | None = None, fields: Mapping[str, str] = NO_FIELDS
    ) -> bytes:
        """A message from `source`, of one or several lines. A JSON object goes as it is.

        Args:
            text: the lines, joined by newlines.
            moment_us: its time, from `stamp_us`, if the client sets the time; None: now.
            fields: further ones, where the protocol has room for them.

        Raises:
            UnfitLineError: the protocol has no form for it.
        """
        del moment_us  # the server's own will do
        payload = self.encode(text)
        if json_object(text) is not None:
            return payload
        fields = {"source": self.source, **fields}
        if payload.startswith(b"{") and payload.endswith(b"}\n"):
            return _with_fields(payload, fields)
        fielded = {_FIELDED.get(name, name): value for name, value in fields.items()}
        entry = {"level": "INFO", "message": as_text(text), **fielded}
        return self.encode(msgspec.json.encode(entry))

    def encode_list(
        self, text: bytes, moment_us: int | None = None, fields: Mapping[str, str] = NO_FIELDS
    ) -> bytes:
        """Do as `encode_text`, but make a list of lines if the protocol has lists, also for a single line."""
        return self.encode_text(text, moment_us, fields)

    def encode_object(self, line: bytes) -> bytes:
        """A JSON object from the spool of the logging handler. Encoded again, it must be the same where it `asks`.

        Raises:
            UnfitLineError: it is damaged, or the protocol has no form for it.
        """
        if not is_object(line):
            raise UnfitLineError("damaged in the spool")
        return self.encode(line)

    def doubt(self, payloads: Iterable[bytes]) -> None:  # noqa: B027 - most can't ask
        """Have the next connection ask for these lines first: they may be stored or not. For a dialect that `asks`."""


def now_us() -> int:
    """The present as microseconds since the epoch."""
    return time.time_ns() // 1000


class _Object(msgspec.Struct, gc=False):
    """Any JSON object; its fields are checked for syntax and skipped."""


_decode_object: Final = msgspec.json.Decoder(_Object).decode


def is_object(line: bytes) -> bool:
    """Return whether a line is one JSON object."""
    if (
        line[:1] != b"{" and line.lstrip()[:1] != b"{"
    ):  # most plain lines: an exception takes ten times as long
        return False
    try:
        _decode_object(line)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def json_object(line: bytes) -> bytes | None:
    """A line as the JSON object that it is, in valid JSON; None: it is none, but text.

    Bytes that are not UTF-8 are replaced; what is beyond JSON's grammar is written as `ndjson.repaired` does.
    """
    if not line.isascii():
        line = as_text(line).encode()
    if is_object(line):
        return line
    fixed = repaired(line)
    return fixed if fixed is not line and is_object(fixed) else None


def as_text(line: bytes) -> str:
    """A plain line's text; bytes that are not UTF-8 are replaced, as JSON has no place for them."""
    return line.decode(errors="replace")


def _with_fields(payload: bytes, fields: Mapping[str, str]) -> bytes:
    """A JSON object line with further fields."""
    return b"%b,%b\n" % (payload[:-2], msgspec.json.encode(fields)[1:])
