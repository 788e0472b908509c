"""What a client must know of a protocol: how a line becomes bytes, and what the answers mean.

A dialect is one file and one line in `dialects.DIALECTS`. Those that speak lines over TCP derive from
`lines.LineDialect`; others bring a `Link` of their own.
"""

from collections.abc import Sequence
from enum import Enum, auto
from typing import ClassVar, NamedTuple, Protocol

from logboom.clients.target import Target
from logboom.errors import DeliveryError


class UnfitLineError(DeliveryError):
    """A line can't be put into the protocol's form; the text says why."""


class Answers(Enum):
    """How much a protocol's answers tell."""

    NONE = auto()
    """The server never says anything."""
    COUNTED = auto()
    """One ack a stored line and silence for a refused one: an ack does not say which line it is for."""
    EACH = auto()
    """One answer a line, in order."""


class Outcome(Enum):
    """What became of a line, as far as its sender can know."""

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
        """Whether the server is known to have closed it."""

    def send(self, payloads: Sequence[bytes]) -> None:
        """Queue encoded lines; never waits, so that answers can be read meanwhile."""

    async def flush(self) -> None:
        """Wait until the system has taken all that was queued."""

    async def receive(self) -> list[Reply]:
        """Wait for answers; may return none."""

    async def finish(self, linger_s: float) -> None:
        """Tell the server that nothing more will come, and wait until it closes, at most `linger_s`."""

    async def close(self) -> None:
        """Drop the connection; may be called again."""


class Dialect(Protocol):
    """One protocol, seen from the client. May hold state, for example a sequence: one for each run."""

    name: ClassVar[str]
    schemes: ClassVar[tuple[str, ...]]
    port_default: ClassVar[int]
    answers: ClassVar[Answers]
    timeout_s: ClassVar[float]
    """How long to wait for an answer (NONE: for room to send) unless the user says otherwise."""

    def encode(self, line: bytes) -> bytes:
        """Put a line, without its line end, into wire form.

        Raises:
            UnfitLineError: the protocol has no form for it.
        """

    async def connect(self, target: Target) -> Link:
        """Open a connection; raises OSError."""
