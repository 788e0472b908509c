"""Syslog over UDP: one message per datagram (RFC 5426)."""

from collections.abc import Callable
from datetime import UTC, tzinfo

from logboom.model import Batch, Verdict
from logboom.receivers.syslog.message import TAIL
from logboom.receivers.syslog.protocol import MESSAGE_BYTES_MAX, batch_of_messages
from logboom.receivers.syslog.stamps import Stamps


class SyslogDatagrams:
    """All datagrams of one listener.

    Args:
        clock: returns the current time, seconds since the epoch.
        zone: time zone of RFC 3164 times; None: that of this machine.
        line_bytes_max: longest message, bytes.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        zone: tzinfo | None = UTC,
        *,
        line_bytes_max: int = MESSAGE_BYTES_MAX,
    ) -> None:
        self._stamps = Stamps(clock, zone)
        self._limit = line_bytes_max

    def read(self, datagrams: list[bytes], peer: str, now: float) -> Batch | None:  # noqa: ARG002 - of the contract
        """See `model.DatagramProtocol`."""
        size = sum(map(len, datagrams))
        messages = [one for one in datagrams if one.strip(TAIL)]
        if not messages:
            return None
        if len(max(messages, key=len)) <= self._limit:
            return batch_of_messages(messages, size, self._stamps)
        fitting = [one for one in messages if len(one) <= self._limit]
        batch = (
            batch_of_messages(fitting, size, self._stamps) if fitting else Batch(b"", b"", size_bytes=size)
        )
        long = len(messages) - len(fitting)
        batch.verdicts += bytes([Verdict.TOO_LONG]) * long
        batch.reasons = (f"{long} datagrams above the limit of {self._limit} bytes",)
        return batch

    def expire(self, now: float) -> Batch | None:  # noqa: ARG002 - of the contract
        """See `model.DatagramProtocol`: nothing waits."""
        return None
