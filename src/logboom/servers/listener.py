"""Interface of all kinds of servers: construction, running and stopping by the app."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from logboom.journal.journal import Journal
from logboom.model import Report
from logboom.pipeline.intake import Intake
from logboom.pipeline.tokens import TokenStore
from logboom.pipeline.turns import Turns
from logboom.settings import ReceiverSettings

if TYPE_CHECKING:  # it imports aiohttp, which is loaded on demand
    from logboom.web.operations import Operations


S_co = TypeVar("S_co", bound=ReceiverSettings, covariant=True)


@dataclass(frozen=True)
class ListenerContext(Generic[S_co]):
    """Parts of the app that a listener works with."""

    name: str
    """Its name in the configuration."""
    settings: S_co
    intake: Intake
    """Way of its batches into the journal."""
    journal: Journal
    """For those that read: the page, the live tail."""
    turns: Turns
    """Queue of senders that wait for the journal; nothing is to be read while it is behind."""
    connections_left: Callable[[], int]
    """Returns the number of further connections that the limit for open files allows, over all listeners."""
    report: Report
    tokens: TokenStore | None
    """Valid tokens; None: no token is required."""
    operations: "Operations"
    """Documents about the server itself."""


class Listener(Protocol):
    """A server that can be supervised."""

    name: str
    intake: Intake
    ports: list[int]
    """The bound ports; real ones also where 0 was configured."""

    async def start(self) -> None:
        """Bind and accept. Raises `ListenerError` when it can't."""

    async def run(self) -> None:
        """Return or raise only when the listener has died."""

    def stop(self) -> None:
        """Accept no more; what is open goes on. Idempotent."""

    async def drain(self, deadline_s: float) -> None:
        """Answer what was received, for `deadline_s` at most, then close everything."""

    def configure(self, settings: Any) -> None:
        """Take over the settings that can change while running."""

    def journal_advanced(self) -> None:
        """The journal has committed something."""
