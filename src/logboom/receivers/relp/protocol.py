"""One RELP connection: each message is acknowledged once it is on disk, in order, many in one write.

Contract: docs/contracts/relp.md.
"""

import re
from collections.abc import Callable
from datetime import UTC, tzinfo
from functools import partial
from typing import Final

from logboom.model import Acker, Batch, Receipt, Verdict
from logboom.receivers.relp.relp_frames import CommandFrame, RelpFramer, SyslogFrames
from logboom.receivers.syslog.message import TAIL
from logboom.receivers.syslog.protocol import batch_of_messages
from logboom.receivers.syslog.stamps import Stamps

DATA_BYTES_MAX: Final = 128 << 10
"""Longest message by default: that of librelp."""

VERSION_MAX: Final = 1
"""Highest protocol version that is offered; librelp speaks 0, relppy 1."""

_OK: Final = b" rsp 6 200 OK\n"
_CLOSED: Final = b"%s rsp 0\n0 serverclose 0\n"
_OFFER: Final = b"200 OK\nrelp_version=%d\nrelp_software=logboom,1,none\ncommands=syslog"
_VERSION: Final = re.compile(rb"^relp_version=([0-9]{1,3})\r?$", re.MULTILINE)
_NOT_STORED: Final = frozenset({Verdict.FAILED, Verdict.LIMITED})


class RelpProtocol:
    """One connection.

    Args:
        clock: returns the current time, seconds since the epoch: RFC 3164 leaves out the year.
        zone: time zone of RFC 3164 times; None: that of this machine.
        frame_bytes_max: longest message, bytes.
    """

    __slots__ = ("_framer", "_is_broken", "_stamps", "fatal")
    name = "relp"
    identity: str | None = None

    def __init__(
        self,
        clock: Callable[[], float],
        zone: tzinfo | None = UTC,
        *,
        frame_bytes_max: int = DATA_BYTES_MAX,
    ) -> None:
        self._framer = RelpFramer(frame_bytes_max)
        self._stamps = Stamps(clock, zone)
        self._is_broken = False  # something was not stored: nothing after it may be acknowledged
        self.fatal: str | None = None

    def receive_data(self, data: bytes | memoryview) -> None:
        """See `model.WireProtocol`."""
        self._framer.feed(data)

    def receive_eof(self) -> None:
        """See `model.WireProtocol`. A frame that is not complete comes again over another connection."""

    def next_batch(self) -> tuple[Batch, Acker] | None:
        """See `model.WireProtocol`."""
        found = self._framer.take()
        if isinstance(found, SyslogFrames):
            return self._messages(found)
        if isinstance(found, CommandFrame):
            return self._command(found)
        self.fatal = self.fatal or self._framer.trouble
        return None

    def _messages(self, found: SyslogFrames) -> tuple[Batch, Acker]:
        replies = _OK.join(found.numbers) + _OK
        messages = [one for one in found.messages if one.strip(TAIL)]
        if messages:
            batch = batch_of_messages(messages, found.size_bytes, self._stamps)
        else:
            batch = Batch(b"", b"", size_bytes=found.size_bytes)
        return batch, partial(self._acknowledge, replies)

    def _acknowledge(self, replies: bytes, receipt: Receipt) -> bytes:
        """Return the answers. A part that was not stored gets none, and neither does anything after it."""
        if self._is_broken or not _NOT_STORED.isdisjoint(receipt.verdicts):
            self._is_broken = True
            return b""
        return replies

    def _command(self, frame: CommandFrame) -> tuple[Batch, Acker] | None:
        """Answer `open` and `close`; an unknown command is refused, as the specification asks for."""
        if frame.command == b"open":
            version = _VERSION.search(frame.data)
            reply = _OFFER % min(int(version[1]) if version else 0, VERSION_MAX)
            answer = b"%s rsp %d %s\n" % (frame.number, len(reply), reply)
        elif frame.command == b"close":
            answer = _CLOSED % frame.number
        elif frame.command == b"syslog":  # without data: a blank message
            answer = frame.number + _OK
        else:
            reply = b"500 unknown command"
            answer = b"%s rsp %d %s\n" % (frame.number, len(reply), reply)
        return Batch(b"", b"", size_bytes=frame.size_bytes), partial(self._acknowledge, answer)

    def data_to_send(self) -> bytes:
        """Return nothing: only answers are sent."""
        return b""

    def buffered_bytes(self) -> int:
        """See `model.WireProtocol`."""
        return len(self._framer)
