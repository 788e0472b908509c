"""Texts into payloads, and payloads to the server: what following a file and running a command share."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from logboom.clients.delivery import Delivery, Policy, exponential, windows
from logboom.clients.dialect import NO_FIELDS, Dialect, Link, Say, UnfitLineError
from logboom.clients.report import Report
from logboom.clients.target import Target

FIRST_DELAY_S: Final = 0.25
TRIES_WITHOUT_END: Final = 1 << 62


def patient_policy(*, reconnects_max: int, window: int, ack_timeout_s: float | None = None) -> Policy:
    """A policy that gives up no line: neither for a limit nor for a busy server.

    Args:
        reconnects_max: tries to connect again, with growing pauses; 0: for ever.
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
    """When it was read (`Dialect.stamp_us`)."""
    fields: Mapping[str, str] = NO_FIELDS
    """Further fields of the message, where the protocol has room for them."""


class ToldConnecting:
    """Connects, and tells when the server is away, and when it is back; once each."""

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
    """Why there is no connection, in the system's words where it has some."""
    return os.strerror(error.errno).lower() if error.errno else str(error) or "no answer"


class Shipper:
    """Hands texts to one server, and returns when each of them is settled.

    Args:
        dialect: the protocol.
        target: the server.
        policy: how persistent to be.
        report: is kept up to date.
        source: the sender's name.
        say: told about a server that is away, and about refused lines.
    """

    def __init__(
        self, dialect: Dialect, target: Target, policy: Policy, *, report: Report, source: str, say: Say
    ) -> None:
        self.dialect = dialect
        self.report = report
        self._policy = policy
        self._say = say
        self._refused = 0
        dialect.source, dialect.announces = source, True
        connecting = ToldConnecting(dialect, say)
        self._delivery = Delivery(dialect, target, policy, report, connect=connecting.connect)

    @property
    def window(self) -> int:
        """Lines sent before their answers are awaited."""
        return self._policy.window

    async def open(self) -> None:
        """Connect. Raises `ConnectFailedError`."""
        await self._delivery.open()

    async def ship(self, texts: Sequence[Text]) -> None:
        """Send texts; returns when each of them is settled. Raises `ConnectFailedError`."""
        await self.ship_payloads(self._encode(texts, self.dialect.encode_text))

    async def ship_list(self, text: Text) -> None:
        """Send several lines as one message; see `Dialect.encode_list` and `ship`."""
        await self.ship_payloads(self._encode([text], self.dialect.encode_list))

    async def ship_payloads(self, payloads: Sequence[bytes]) -> None:
        """Send what is encoded already; see `ship`."""
        for window in windows(payloads, self._policy.window):
            await self._delivery.deliver(window)
        refused = self.report.refused.total()
        if refused > self._refused:
            reason = self.report.refused.most_common(1)[0][0]
            self._say(f"⚠️ {refused - self._refused} lines refused, most often: {reason}")
            self._refused = refused

    async def close(self) -> None:
        """Drop the connection. Idempotent."""
        try:
            await self._delivery.finish()
        finally:
            await self._delivery.close()

    def _encode(self, texts: Sequence[Text], encode: Callable[..., bytes]) -> list[bytes]:
        payloads = []
        for text in texts:
            if not text.data or text.data.isspace():
                continue
            try:
                payloads.append(encode(text.data, text.moment_us, text.fields))
            except UnfitLineError as error:
                self.report.refuse_unsent(str(error))
        return payloads
