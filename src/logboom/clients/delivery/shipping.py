"""Deliveries of the commands that go on: following a file, and running a command."""

import math
import os
from typing import Final, NamedTuple

from logboom.clients.delivery.delivery import Delivery, Policy, exponential
from logboom.clients.delivery.outgoing import Outgoing
from logboom.clients.delivery.report import Report
from logboom.clients.delivery.spool import Spool
from logboom.clients.wire.dialect import Dialect, Link, Say, UnfitLineError
from logboom.clients.wire.target import Target

FIRST_DELAY_S: Final = 0.25
TRIES_WITHOUT_END: Final = 1 << 62


def patient_policy(*, reconnects_max: int, window: int, ack_timeout_s: float | None = None) -> Policy:
    """A policy that gives up no line: neither for a limit nor for a busy server.

    Args:
        reconnects_max: tries to connect again, with growing pauses; 0: without end.
        window: lines sent before their answers are awaited.
        ack_timeout_s: see `Policy`.
    """
    return Policy(
        window=window,
        ack_timeout_s=ack_timeout_s,
        tries=TRIES_WITHOUT_END,
        delays_s=exponential(FIRST_DELAY_S, (reconnects_max or 8) + 1),
        endless=not reconnects_max,
        wait_s_max=math.inf,
    )


class Text(NamedTuple):
    """One line, or several that belong together, joined by newlines."""

    data: bytes
    moment_us: int
    """Time at which it was read (`Dialect.stamp_us`)."""


class ToldConnecting:
    """Connects, and reports when the server is away, and when it is back; once each."""

    def __init__(self, dialect: Dialect, say: Say) -> None:
        self._dialect = dialect
        self._say = say
        self._away = False

    async def connect(self, target: Target) -> Link:
        """See `delivery.Connect`."""
        try:
            link = await self._dialect.connect(target)
        except OSError as error:
            if not self._away:
                self._say(f"🔌 {target} is away ({_reason(error)}), trying again")
            self._away = True
            raise
        if self._away:
            self._say(f"✅ {target} is back")
        self._away = False
        return link


def _reason(error: OSError) -> str:
    """The reason why there is no connection, in the system's words where it has some."""
    return os.strerror(error.errno).lower() if error.errno else str(error) or "no answer"


class Shipper:
    """Hands texts to one server, and returns when each of them is settled.

    Args:
        dialect: the protocol.
        target: the server.
        policy: how persistent to be.
        report: is kept up to date.
        source: the sender's name.
        say: reports a server that is away, and refused lines.
    """

    def __init__(
        self, dialect: Dialect, target: Target, policy: Policy, *, report: Report, source: str, say: Say
    ) -> None:
        self.dialect = dialect
        self.report = report
        self.source = source
        self.target = target
        self._policy = policy
        self._say = say
        self._said = ""
        self._refused = 0
        dialect.source, dialect.announces = source, True
        connecting = ToldConnecting(dialect, say)
        self._delivery = Delivery(dialect, target, policy, report, connect=connecting.connect)

    @property
    def window(self) -> int:
        """Lines sent before their answers are awaited."""
        return self._policy.window

    @property
    def connected(self) -> bool:
        """True while there is a connection to the server."""
        return self._delivery.connected

    def outgoing(self, spool: Spool) -> Outgoing:
        """Deliveries of what a spool holds."""
        return Outgoing(spool, self.dialect, self._delivery, self._policy.window)

    async def open(self) -> None:
        """Connect. Raises `ConnectFailedError`."""
        await self._delivery.open()

    async def ship_list(self, text: Text) -> None:
        """Send several lines as one message, and return when it is settled; see `Dialect.encode_list`.

        Raises:
            ConnectFailedError: the server can't be reached.
        """
        if text.data and not text.data.isspace():
            try:
                payload = self.dialect.encode_list(text.data, text.moment_us)
            except UnfitLineError as error:
                self.report.refuse_unsent(str(error))
            else:
                await self._delivery.deliver([payload])
        self.say_refusals()

    def say_refusals(self) -> None:
        """Report lines that were refused since the last call."""
        refused = self.report.refused.total()
        if refused > self._refused:
            reason = self.report.refused.most_common(1)[0][0]
            self._say(f"⚠️ {refused - self._refused} lines refused, most often: {reason}")
            self._refused = refused

    def say_once(self, text: str) -> None:
        """Report something, unless it was the last thing that was reported here."""
        if text != self._said:
            self._said = text
            self._say(text)

    def say_full(self, spool: Spool, consequence: str = "reading pauses until there is room") -> None:
        """Report, once, that the spool takes no more."""
        why = f"can't write to {spool.folder}: {spool.trouble}" if spool.trouble else "the spool is full"
        self.say_once(f"⚠️ {why}; {consequence}")

    def say_kept(self, spool: Spool) -> None:
        """Report the lines that are left for the next start, if there are any."""
        if count := spool.count:
            self._say(
                f"📦 {count} lines are not delivered yet; they are kept in {spool.folder} for the next start"
            )

    async def close(self) -> None:
        """Drop the connection. Idempotent."""
        try:
            await self._delivery.finish()
        finally:
            await self._delivery.close()
