"""Client side of `relp`: syslog messages, each acknowledged under its number. Contract: docs/contracts/relp.md."""

import asyncio
import contextlib
import re
from collections import deque
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from logboom.clients.wire.dialect import Answers, Outcome, Reply, UnfitLineError, as_text
from logboom.clients.wire.line_dialect import LineLink
from logboom.clients.wire.mapped_dialect import MappedDialect
from logboom.clients.wire.syslog_dialect import syslog_message

WINDOW: Final = 128
"""Frames without an answer: as many as librelp has."""
DATA_BYTES_MAX: Final = 128 << 10
"""Longest message that librelp takes."""
PARTING_S: Final = 1.0
"""Time to wait for the answer to `close`, seconds."""

_NUMBER_MAX: Final = 999_999_999
_OFFER: Final = b"relp_version=0\nrelp_software=logboom,1,none\ncommands=syslog"
_ANSWER: Final = re.compile(rb"([0-9]{1,9}) (rsp|serverclose) ([0-9]{1,9})[ \n]")
_OK: Final = b"200"
_ACKNOWLEDGED: Final = Reply(Outcome.ACKNOWLEDGED)
_REASON_BYTES: Final = 200
_SHOWN_BYTES: Final = 80
_HEADER_BYTES_MAX: Final = 64


class RelpLink(LineLink):
    """A RELP session."""

    _number = 0
    """Number of the last frame; 0 before the session."""

    async def open(self) -> None:
        """Offer the command `syslog`. Raises OSError when the server does not."""
        await self.show_token()
        self._waiting: deque[bytes] = deque()
        self._numbers: deque[bytes] = deque()
        self._send_frame(b"open", _OFFER)
        while not (replies := await self.receive()):
            pass
        if replies[0].outcome is not Outcome.ACKNOWLEDGED:
            raise ConnectionAbortedError(f"the server refuses a session: {replies[0].reason}")

    def _write(self, payloads: Sequence[bytes], key: str) -> None:
        del key  # RELP has none
        self._waiting.extend(payloads)
        self._fill_window()

    def _fill_window(self) -> None:
        while self._waiting and len(self._numbers) < WINDOW:
            self._send_frame(b"syslog", self._waiting.popleft())

    def _send_frame(self, command: bytes, data: bytes) -> None:
        self._number = self._number % _NUMBER_MAX + 1
        number = b"%d" % self._number
        self._numbers.append(number)
        self._writer.write(b"%s %s %d %s\n" % (number, command, len(data), data))

    def _read(self, data: bytes) -> list[Reply]:
        self._rest += data
        replies: list[Reply] = []
        position = 0
        while (header := _ANSWER.match(self._rest, position)) is not None:
            size = int(header[3])
            start = header.end() - (not size)
            if len(self._rest) <= start + size:
                break
            position = start + size + 1
            if header[2] == b"rsp":
                replies.append(self._reply(header[1], self._rest[start : start + size]))
        self._rest = self._rest[position:]
        if header is None and (b"\n" in self._rest or len(self._rest) > _HEADER_BYTES_MAX):
            raise ConnectionAbortedError(f"unexpected reply {self._rest[:_SHOWN_BYTES]!r}")
        self._fill_window()
        return replies

    def _reply(self, number: bytes, data: bytes) -> Reply:
        if not self._numbers or self._numbers.popleft() != number:
            raise ConnectionAbortedError(f"an answer to number {as_text(number)}, which is not the next one")
        if data.startswith(_OK):
            return _ACKNOWLEDGED
        return Reply(Outcome.REFUSED, as_text(data[:_REASON_BYTES]))

    async def close(self) -> None:
        """See `dialect.Link`. Ends the session if nothing is without an answer."""
        if self._number and not (self._numbers or self._waiting or self.lost):
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(PARTING_S):
                    self._send_frame(b"close", b"")
                    while self._numbers:
                        await self.receive()
        await super().close()


class RelpDialect(MappedDialect):
    """Sends RFC 5424 over RELP. It has no keys: after a lost answer, a message may be stored twice."""

    name: ClassVar[str] = "relp"
    link: ClassVar[type[LineLink]] = RelpLink
    port_default: ClassVar[int] = 20514
    answers: ClassVar[Answers] = Answers.EACH
    timeout_s: ClassVar[float] = 90.0  # that of librelp

    def encode_fields(self, fields: dict[str, Any], moment_us: int) -> bytes:
        """See `mapped_dialect.MappedDialect`."""
        message = syslog_message(fields, moment_us)
        if len(message) > DATA_BYTES_MAX:
            raise UnfitLineError(f"a message of {len(message)} bytes, RELP has room for {DATA_BYTES_MAX}")
        return message
