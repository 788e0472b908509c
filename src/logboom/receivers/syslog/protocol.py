"""One syslog connection, never answered: some clients take bytes for an error.

Contract: docs/contracts/syslog.md.
"""

from collections.abc import Callable
from datetime import UTC, tzinfo
from typing import Final

import msgspec

from logboom.framing.lines import TooLong
from logboom.model import Acker, Batch, Receipt, Verdict
from logboom.receivers.syslog.inflating import STREAM, STREAM_BYTE, STREAM_BYTES, Inflating
from logboom.receivers.syslog.message_columns import read_messages
from logboom.receivers.syslog.stamps import Stamps
from logboom.receivers.syslog.syslog_frames import Messages, SyslogFramer

MESSAGE_BYTES_MAX: Final = 64 << 10
"""Longest message by default; daemons send up to 8 KiB unless configured otherwise."""

UNPACKED_BYTES_MAX: Final = 4 << 20
"""Bytes that may come out of a zlib stream without a message among them: more is an attack."""

_UNENDING: Final = f"a zlib stream of more than {UNPACKED_BYTES_MAX} bytes without a message"

ADVICE: Final = (
    "sends messages with nothing between them, so each waits for the next; set its delimiter: "
    'winston-syslog `eol: "\\n"`, Log4j `newLine="true"`'
)

_encoder: Final = msgspec.json.Encoder()


def no_reply(_receipt: Receipt) -> bytes:
    """Return nothing: syslog has no answers."""
    return b""


def batch_of_messages(messages: list[bytes], size_bytes: int, stamps: Stamps) -> Batch:
    """Return the batch of these messages, none of which may be blank."""
    entries = read_messages(messages, stamps)
    encoded = _encoder.encode_lines(entries)[:-1]
    return Batch(
        encoded, bytes(len(entries)), size_bytes=size_bytes, levels=[entry.level for entry in entries]
    )


class SyslogProtocol:
    """One connection.

    Args:
        clock: returns the current time, seconds since the epoch: RFC 3164 leaves out the year.
        zone: time zone of RFC 3164 times; None: that of this machine.
        line_bytes_max: longest message, bytes.
    """

    __slots__ = (
        "_advised",
        "_eof",
        "_first",
        "_framer",
        "_inflating",
        "_limit",
        "_quiet_s",
        "_stamps",
        "_unpacked",
        "fatal",
        "notice",
    )
    name = "syslog"
    identity: str | None = None

    def __init__(
        self,
        clock: Callable[[], float],
        zone: tzinfo | None = UTC,
        *,
        line_bytes_max: int = MESSAGE_BYTES_MAX,
    ) -> None:
        self._stamps = Stamps(clock, zone)
        self._framer = SyslogFramer(line_bytes_max)
        self._limit = line_bytes_max
        self._first: bytes | None = b""  # until it is known whether the stream is packed
        self._inflating: Inflating | None = None
        self._unpacked = 0  # bytes since the last batch
        self._quiet_s = 0
        self._eof = self._advised = False
        self.fatal: str | None = None
        self.notice: str | None = None
        """Advice about the client, for the operational log; its reader sets it back to None."""

    def receive_data(self, data: bytes | memoryview) -> None:
        """See `model.WireProtocol`."""
        self._quiet_s = 0
        if self.fatal is not None:
            return
        if self._first is not None:
            first = self._first + bytes(data)
            if len(first) < STREAM_BYTES and first.startswith(STREAM_BYTE):
                self._first = first
                return
            self._first, data = None, first
            if STREAM.match(first):
                self._inflating = Inflating()
        (self._framer if self._inflating is None else self._inflating).feed(data)

    def receive_eof(self) -> None:
        """See `model.WireProtocol`."""
        self._eof = True
        if self._first is not None:
            self._framer.feed(self._first)
            self._first = None
        if self._inflating is None:
            self._framer.end()

    def next_batch(self) -> tuple[Batch, Acker] | None:
        """See `model.WireProtocol`."""
        while (found := self._framer.take()) is None:
            if not self._unpack():
                return None
        self._unpacked = 0
        if self._framer.undelimited and not self._advised:
            self._advised = True
            self.notice = ADVICE
        batch = _too_long(found, self._limit) if isinstance(found, TooLong) else self._batch(found)
        return batch, no_reply

    def _batch(self, found: Messages) -> Batch:
        return batch_of_messages(found.messages, found.size_bytes, self._stamps)

    def _unpack(self) -> bool:
        """Unpack a step; return False when there is nothing more to frame."""
        inflating = self._inflating
        if inflating is None:
            return False
        data = inflating.take()
        self._unpacked += len(data)
        if data and self._unpacked <= UNPACKED_BYTES_MAX:
            self._framer.feed(data)
            return True
        self.fatal = inflating.trouble if not data else _UNENDING
        if self.fatal is None and not self._eof:
            return False
        self._inflating = None
        self._framer.end()
        return True

    def data_to_send(self) -> bytes:
        """Return nothing. Called once per second: what came before the last whole one is complete."""
        self._quiet_s += 1
        if self._quiet_s > 1 and self._inflating is None:
            self._framer.settle()
        return b""

    def buffered_bytes(self) -> int:
        """See `model.WireProtocol`."""
        packed = len(self._inflating) if self._inflating is not None else 0
        return len(self._framer) + packed + len(self._first or b"")


def _too_long(found: TooLong, limit: int) -> Batch:
    reason = f"message of {found.size_bytes} bytes, the limit is {limit}"
    return Batch(b"", bytes([Verdict.TOO_LONG]), size_bytes=found.size_bytes, levels=[], reasons=(reason,))
