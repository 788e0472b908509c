"""Texts into payloads, and payloads to the server: what following a file and running a command share."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from logboom.clients.delivery import Delivery, Policy, exponential, windows
from logboom.clients.dialect import Dialect, Link, UnfitLineError
from logboom.clients.lines import as_text
from logboom.clients.messages import LOG, now_us
from logboom.clients.report import Report
from logboom.clients.target import Target
from logboom.clients.websocket import WebSocketDialect

FIRST_DELAY_S: Final = 0.25
TRIES_WITHOUT_END: Final = 1 << 62
_FIELDED: Final = {"source": "service_name", "stream": "logger_name"}
"""Where binary protocols, whose fields are fixed, keep what JSON messages say in fields of their own."""

Say = Callable[[str], object]
"""Tells the user something."""


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
    """When it was read (`Shipper.stamp_us`)."""
    fields: Mapping[str, str] = {}
    """Further fields of the message, where the protocol has room for them."""


class Telling:
    """A dialect that tells when its server is away, and when it is back; once each."""

    def __init__(self, dialect: Dialect, say: Say) -> None:
        self._dialect = dialect
        self._say = say
        self._away = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dialect, name)

    async def connect(self, target: Target) -> Link:
        """See `dialect.Dialect`."""
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
        self._source = source
        self._say = say
        self._refused = 0
        if isinstance(dialect, WebSocketDialect):
            dialect.source, dialect.announces = source, True
        telling: Any = Telling(dialect, say)
        self._delivery = Delivery(telling, target, policy, report)

    @property
    def window(self) -> int:
        """Lines sent before their answers are awaited."""
        return self._policy.window

    def stamp_us(self, moment_us: int | None = None) -> int:
        """A time for one text, microseconds since the epoch: the given one or now; where it must, a new one each."""
        if isinstance(self.dialect, WebSocketDialect):
            return self.dialect.stamp_us(moment_us)
        return now_us() if moment_us is None else moment_us

    async def open(self) -> None:
        """Connect. Raises `ConnectFailedError`."""
        await self._delivery.open()

    async def ship(self, texts: Sequence[Text]) -> None:
        """Send texts; returns when each of them is settled. Raises `ConnectFailedError`."""
        payloads = []
        for text in texts:
            if not text.data or text.data.isspace():
                continue
            try:
                payloads.append(self._encode(text))
            except UnfitLineError as error:
                self.report.refuse_unsent(str(error))
        await self.ship_payloads(payloads)

    async def ship_list(self, text: Text) -> None:
        """Send several lines as one message: as a list, also if it is a single line, where there are lists."""
        dialect = self.dialect
        if not isinstance(dialect, WebSocketDialect):
            await self.ship([text])
            return
        lines = as_text(text.data).split("\n")
        await self.ship_payloads([dialect.make(lines, LOG, text.moment_us, text.fields)])

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

    def _encode(self, text: Text) -> bytes:
        dialect = self.dialect
        if isinstance(dialect, WebSocketDialect):
            return dialect.encode_text(text.data, text.moment_us, text.fields)
        fields = {"source": self._source, **text.fields}
        payload = dialect.encode(text.data)
        if payload.startswith(b"{") and payload.endswith(b"}\n"):
            return payload if payload == text.data + b"\n" else _with_fields(payload, fields)
        fielded = {_FIELDED.get(name, name): value for name, value in fields.items()}
        entry = {"level": "INFO", "message": as_text(text.data), **fielded}
        return dialect.encode(msgspec.json.encode(entry))


def _with_fields(payload: bytes, fields: Mapping[str, str]) -> bytes:
    """A JSON object line with further fields."""
    return b"%b,%b\n" % (payload[:-2], msgspec.json.encode(fields)[1:])
