"""From a spool to a server: what following a file, running a command and the logging handler share."""

from collections.abc import Sequence
from typing import Final

from logboom.clients.delivery.delivery import Delivery, windows
from logboom.clients.delivery.report import Report
from logboom.clients.delivery.spool import Spool
from logboom.clients.delivery.spool_frames import Kind
from logboom.clients.delivery.spoolparts import Pending, SpoolPart
from logboom.clients.wire.dialect import Dialect, UnfitLineError

READ_BYTES: Final = 256 << 10
"""Bytes of texts that are taken from the spool for one exchange."""


class Outgoing:
    """Delivers the texts of a spool, oldest first; they leave it once they are settled at the server.

    Where the protocol can ask (`Dialect.asks`) or has keys (`Dialect.keyed`), the spool notes what is about to be sent.
    After a crash the server is asked for it, and nothing that is stored is sent again; or the same texts are sent again
    under the same key, and stored once. Elsewhere, the texts of one exchange may be stored twice.

    Args:
        spool: holds the texts.
        dialect: the protocol.
        delivery: the way to the server.
        window: texts of one exchange.
    """

    def __init__(self, spool: Spool, dialect: Dialect, delivery: Delivery, window: int) -> None:
        self._spool = spool
        self._dialect = dialect
        self._delivery = delivery
        self._window = window
        self._source = dialect.source
        self._part: SpoolPart | None = None

    @property
    def report(self) -> Report:
        """Counts of what was delivered."""
        return self._delivery.report

    async def deliver_some(self) -> int:
        """Deliver one window; returns its number of texts, 0 when nothing waits.

        Raises:
            ConnectFailedError: the server can't be reached; the texts stay.
            OSError: the spool can't be read; `Spool.skip` puts the part aside.
        """
        part = self._spool.head
        if part is None:
            return 0
        keyed = self._dialect.keyed
        pending = self._spool.peek((keyed and part.in_doubt) or self._window, READ_BYTES)
        if not pending:
            raise OSError("a spool file holds fewer entries than it did")
        self._dialect.source = part.source or self._source
        payloads = [self._encode(one) for one in pending]
        if self._dialect.asks:
            await self._prepare(part, payloads)
        elif keyed:
            self._spool.intend(len(pending), "")
        key, sent = part.key, [payload for payload in payloads if payload]
        for number, window in enumerate(windows(sent, len(sent) if keyed else self._window)):
            await self._delivery.deliver(window, f"{key}+{number}" if number else key)
        self._spool.drop(len(pending))
        return len(pending)

    async def _prepare(self, part: SpoolPart, payloads: Sequence[bytes]) -> None:
        """Before sending: ask for what an earlier process may have sent, and note what goes out now."""
        if part is not self._part and part.in_doubt:
            await self._delivery.close()  # each connection begins with asking
            self._dialect.anchor = part.anchor
            self._dialect.doubt(payload for payload in payloads[: part.in_doubt] if payload)
        self._part = part
        await self._delivery.open()
        self._spool.intend(len(payloads), self._dialect.anchor)

    def _encode(self, one: Pending) -> bytes:
        """The payload; empty for a text that can't be sent."""
        if not one.text or one.text.isspace():
            return b""
        try:
            if one.kind is Kind.OBJECT:
                return self._dialect.encode_object(one.text)
            return self._dialect.encode_text(one.text, one.moment_us, one.fields)
        except UnfitLineError as error:
            self.report.refuse_unsent(str(error))
            return b""
