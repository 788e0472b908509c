"""Counts of lines that a client has sent, by result."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from logboom.clients.wire.dialect import Outcome, Reply

REASONS_MAX: Final = 32
"""Distinct reasons that are counted one by one: they come from the server, and must not grow our memory."""
OTHER: Final = "other reasons"


@dataclass(slots=True)
class Report:
    """Counts of lines; kept up to date while a client runs."""

    sent: int = 0
    """Lines handed to the connection, each counted once."""
    acknowledged: int = 0
    filtered: int = 0
    unconfirmed: int = 0
    """Lines sent by a protocol that has no answers."""
    unfit: int = 0
    """Lines that were never sent, since the protocol has no form for them; also counted in `refused`."""
    resent: int = 0
    """Times that a line was sent again."""
    refused: Counter[str] = field(default_factory=Counter)
    """Lines given up, by reason."""
    bytes_read: int = 0
    """Bytes of input taken, where the client reads a file."""
    seconds: float = 0.0
    limited_until: float = 0.0
    """Loop time up to which no further message on the server's rate limit is shown."""
    stopped: str = ""
    """Reason for an early end; empty without one."""

    def count(self, reply: Reply) -> None:
        """Count a line whose answer is final."""
        match reply.outcome:
            case Outcome.ACKNOWLEDGED:
                self.acknowledged += 1
            case Outcome.FILTERED:
                self.filtered += 1
            case Outcome.SENT:
                self.unconfirmed += 1
            case _:
                self.refuse(reply.reason)

    def refuse(self, reason: str, lines: int = 1) -> None:
        """Count lines that are given up."""
        known = reason in self.refused or len(self.refused) < REASONS_MAX
        self.refused[reason if known else OTHER] += lines

    def refuse_unsent(self, reason: str) -> None:
        """Count a line that can't be sent."""
        self.unfit += 1
        self.refuse(reason)

    @property
    def unresolved(self) -> int:
        """Lines sent whose outcome is not known, since the client was stopped before."""
        settled = self.acknowledged + self.filtered + self.unconfirmed + self.refused.total()
        return self.sent + self.unfit - settled

    @property
    def ok(self) -> bool:
        """True: every line was acknowledged."""
        return not self.refused and not self.unresolved and not self.stopped

    def summary(self) -> str:
        """Return the counts as one line, without those that are zero, except for the first two."""
        reasons = ", ".join(f"{reason}: {lines:,}" for reason, lines in self.refused.most_common())
        confirmed = (
            f"{self.unconfirmed:,} without answer"
            if self.unconfirmed
            else f"{self.acknowledged:,} acknowledged"
        )
        parts = [f"{self.sent:,} sent", confirmed]
        parts += [f"{self.filtered:,} filtered"] if self.filtered else []
        parts += [f"{self.refused.total():,} refused ({reasons})"] if self.refused else []
        parts += [f"{self.unresolved:,} unresolved"] if self.unresolved else []
        parts += [f"{self.resent:,} resent"] if self.resent else []
        rate = self.sent / self.seconds if self.seconds else 0.0
        return f"{', '.join(parts)} in {self.seconds:.2f} s ({rate:,.0f} lines/s)"
