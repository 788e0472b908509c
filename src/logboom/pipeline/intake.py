"""Intake: one per listener, the only way from a server into the journal."""

import time
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import Any, Final, Literal, NamedTuple

import msgspec

from logboom.formats.entry_level import LEVEL_FIELDS, level_of
from logboom.formats.levelled import DAMAGE, LEVEL_OF_WORD
from logboom.formats.levels import SEVERITY
from logboom.formats.partial import fields_struct
from logboom.histogram import Histogram
from logboom.journal.journal import AckLevel
from logboom.journal.line_scan import ENTRY_BYTES_MAX
from logboom.model import Batch, Receipt, Report, Source, Verdict
from logboom.pipeline.debts import Debts
from logboom.pipeline.deduplicator import Deduplicator, digests_of
from logboom.pipeline.door import Refused
from logboom.pipeline.holding import Holding
from logboom.pipeline.limiter import FixedWindowLimiter
from logboom.pipeline.lineages import Lineages
from logboom.pipeline.refusals import Refusals, RefusedLines
from logboom.pipeline.resends import Resends
from logboom.pipeline.store import Store
from logboom.pipeline.throttle import Throttle

_VERDICTS: Final = tuple(Verdict)
_entries: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(fields_struct(LEVEL_FIELDS))


class Limit(StrEnum):
    """Limit that was enforced; its text is the label of the metric.

    Connections, slow beginnings and long lines have metrics of their own. What is gRPC's alone is called `GRPC_…`.
    """

    RATE = "rate"
    """Lines of one address within a window."""
    IDLE = "idle"
    """A connection without data for too long."""
    UNREAD = "unread"
    """Answers, or what a reader asked for, that are not taken."""
    FIRST_LINE = "first_line"
    """The line that brings a token; it did not come in time."""
    HELD_BYTES = "held_bytes"
    """Unfinished lines, frames and documents, all together."""
    HEAD_BYTES = "head_bytes"
    """The head of an HTTP request."""
    BODY_TIME = "body_time"
    """A body that does not come, or does not get to the end of a line."""
    BODY_BYTES = "body_bytes"
    """A body, or a JSON document."""
    UNPACKED_RATIO = "unpacked_ratio"
    """Size of an unpacked body in relation to the packed one."""
    BAD_ENTRIES = "bad_entries"
    """Invalid entries of one body."""
    PROXY_HEADER = "proxy_header"
    """PROXY header; it was wrong, or did not come in time."""
    SEARCHES = "searches"
    """At once; `tails` and `exports`, too."""
    TAILS = "tails"
    EXPORTS = "exports"
    MESSAGE_BYTES = "message_bytes"
    """A WebSocket message."""
    GRPC_CALLS = "calls"
    """At once, all together or of one address."""
    GRPC_CALL_TIME = "call_time"
    """A call that brings no message, or asks for the schema for too long."""
    GRPC_WAITING_BYTES = "waiting_bytes"
    """Bytes of calls that wait for the disk."""


class Counters:
    """Counters of a listener since the server's start. Times are monotonic, seconds."""

    __slots__ = (
        "ack_latency",
        "auth_failed",
        "batches",
        "bytes_received",
        "connections_open",
        "connections_refused",
        "connections_total",
        "connections_turned_away",
        "datagrams_dropped",
        "files_each",
        "handshakes_failed",
        "last_activity",
        "last_connection",
        "last_data",
        "limits_reached",
        "shaking",
        "slow_closed",
        "throttled_s",
        "verdicts",
    )

    def __init__(self) -> None:
        self.bytes_received = 0
        self.batches = 0
        self.connections_total = 0
        self.connections_open = 0
        self.files_each = 1
        """Open files that each connection takes."""
        self.shaking = 0
        """TLS handshakes and PROXY headers that are not done yet: no connections so far, but an open file each."""
        self.connections_refused = 0
        """Number of refused connections; `connections_turned_away` has the reasons."""
        self.connections_turned_away: dict[Refused, int] = dict.fromkeys(Refused, 0)
        self.last_activity: float | None = None
        """The last start, accept or receive (docs/contracts/health.md); nothing else stamps it."""
        self.last_connection: float | None = None
        self.last_data: float | None = None
        self.slow_closed = 0
        """Connections that were closed since their first request, or the TLS handshake, did not come."""
        self.datagrams_dropped = 0
        """Datagrams that the kernel dropped, since its buffer was full, since the listener's start."""
        self.handshakes_failed = 0
        """TLS handshakes that failed."""
        self.throttled_s = 0.0
        """Total time for which addresses that sent too fast were not read, seconds."""
        self.auth_failed = 0
        """Wrong tokens that were shown."""
        self.limits_reached: dict[Limit, int] = dict.fromkeys(Limit, 0)
        self.ack_latency = Histogram()
        """From receiving a batch to its receipt, seconds."""
        self.verdicts: dict[Verdict, int] = dict.fromkeys(_VERDICTS, 0)

    def started(self) -> None:
        """Record that the listener accepts connections."""
        self.last_activity = time.monotonic()

    def accepted(self, connections_open: int) -> None:
        """Count an accepted connection."""
        self.connections_total += 1
        self.connections_open = connections_open
        self.last_activity = self.last_connection = time.monotonic()

    def turned_away(self, reason: Refused) -> None:
        """Count a refused connection."""
        self.connections_refused += 1
        self.connections_turned_away[reason] += 1

    def limit_reached(self, limit: Limit, times: int = 1) -> None:
        """Count an enforced limit."""
        self.limits_reached[limit] += times

    def received(self, now: float) -> None:
        """Record that bytes came; `now` is monotonic, seconds."""
        self.last_activity = self.last_data = now


class IntakeLimits(NamedTuple):
    """Limits of a listener; may be replaced while running."""

    limiter: FixedWindowLimiter | None = None
    """Limiter of lines per peer; None: no limit."""
    level_min: float | None = None
    """The lowest severity that is kept (`formats.levels`); None: all. Unknown levels are kept: losing data
    over a spelling is wrong."""
    throttle: Throttle | None = None
    """Limit on the rate of an address; None: no limit."""
    duplicates: Literal["drop", "mark", "keep"] = "keep"
    """Treatment of lines that devices send again."""


class Intake:
    """Applies a listener's limits and filter to each batch, hands it to the journal, counts the outcome.

    Args:
        journal: where accepted entries go; None: answer without storing (`store = false`).
        ack: when the listener's clients get their answer.
        report: logs refused lines.
        limits: see `IntakeLimits`.
        deduplicator: drops entries that are sent again under the same key; None: they are stored again.
        resends: recognises lines that devices send again; None: they are stored again.
        refused: keeps refused lines; None: they are not kept.
        holds: keep what cannot be stored, and store it later: its senders have no answer that they could act on.
    """

    def __init__(
        self,
        journal: Store | None,
        ack: AckLevel,
        report: Report,
        limits: IntakeLimits,
        deduplicator: Deduplicator | None = None,
        *,
        resends: Resends | None = None,
        refused: RefusedLines | None = None,
        holds: bool = False,
    ) -> None:
        self.counters = Counters()
        self.holding = Holding(self._store, report) if holds else None
        """Entries that could not be stored, of senders that cannot be refused; None: senders are answered."""
        self.deduplicator = deduplicator
        self._resends = resends if journal is not None else None
        self.limits = limits
        self.debts = Debts(lambda: self.limits.throttle)
        """Senders that wait since their address has sent too fast."""
        self._journal = journal
        self._ack = ack
        self._report = report
        self._refusals = Refusals(report, refused)

    def submit(self, batch: Batch, done: Callable[[Receipt], None]) -> None:
        """Take a batch whose source and receive time are set; `done` gets its receipt.

        A batch with several sources was admitted before.
        """
        limiter, level_min, _, _ = self.limits
        settle = partial(self._settle, done, batch)
        claimed: list[bytes] = []
        if batch.keys and not batch.digests:
            batch.digests = digests_of(batch)
        if batch.digests and self.deduplicator is not None and self._journal is not None:
            # First, since what is stored already counts for no limit.
            self._drop_duplicates(batch, self.deduplicator)
            claimed = batch.digests
            settle = partial(self._settle_keys, settle, batch, self.deduplicator)
        if len(batch.entries) > ENTRY_BYTES_MAX:
            self._refuse_long(batch)
        if limiter is not None and batch.sources is None:
            self._limit(batch, limiter)
        if batch.reasons:
            self._refusals.note(batch)
        if level_min is not None and batch.levels:
            self._filter(batch, level_min)
        if len(batch.digests) < len(claimed) and self.deduplicator is not None:
            self.deduplicator.settle(list(set(claimed).difference(batch.digests)), stored=False)
        self._hand_over(batch, settle)
        self.counters.batches += 1
        self.counters.bytes_received += batch.size_bytes
        throttle = self.limits.throttle
        if throttle is not None and batch.sources is None:
            address = batch.source.address or batch.source.peer
            self.counters.throttled_s += throttle.take(address, batch.size_bytes, len(batch.verdicts))

    @property
    def lineages(self) -> Lineages | None:
        """The lineages of connections; None where they do not matter."""
        return None if self.resends is None else self.resends.lineages

    @property
    def resends(self) -> Resends | None:
        """Return the memory of lines that may be sent again; None: it is not used."""
        return None if self.limits.duplicates == "keep" else self._resends

    @property
    def limits_addresses(self) -> bool:
        """True while there is a limit per address: lines of several addresses are to be admitted."""
        return self.limits.limiter is not None or self.limits.throttle is not None

    def admit(self, source: Source, size_bytes: int, lines: int) -> bool:
        """Count good lines against the limits of their address; False, and not counted: there is no room for all."""
        limiter, _, throttle, _ = self.limits
        address = source.address or source.peer
        if self.debts.owes(address) or (limiter is not None and not limiter.has_room(address, lines)):
            return False
        if limiter is not None:
            limiter.take(address, lines)
        if throttle is not None:
            self.counters.throttled_s += throttle.take(address, size_bytes, lines)
        return True

    @property
    def held_entries(self) -> int:
        """Entries that are kept since the journal could not store them."""
        return self.holding.entries if self.holding is not None else 0

    def _hand_over(self, batch: Batch, settle: Callable[[Receipt], None]) -> None:
        """Have a batch stored, without the lines that devices have sent again."""
        duplicates = self.limits.duplicates
        if self._resends is not None and duplicates != "keep":
            settle = self._resends.claim(batch, settle, drop=duplicates == "drop")
        if self._journal is None:
            settle(batch.receipt(None))
        elif self.holding is None:
            self._store(batch, settle)
        else:
            self.holding.submit(batch, settle)

    def _store(self, batch: Batch, settle: Callable[[Receipt], None]) -> None:
        if self._journal is not None:
            self._journal.submit(batch, self._ack, settle)

    @staticmethod
    def _drop_duplicates(batch: Batch, deduplicator: Deduplicator) -> None:
        """Give the entries that are stored already, or on their way in another batch, the verdict DUPLICATE."""
        digests = batch.digests
        new = deduplicator.claim(digests)
        if all(new):
            return
        batch.duplicates = [one for one, is_new in zip(digests, new, strict=True) if not is_new]
        accepted = (index for index, verdict in enumerate(batch.verdicts) if verdict == Verdict.ACCEPTED)
        batch.refuse(
            [index for index, is_new in zip(accepted, new, strict=True) if not is_new], Verdict.DUPLICATE
        )

    @staticmethod
    def _settle_keys(
        settle: Callable[[Receipt], None], batch: Batch, deduplicator: Deduplicator, receipt: Receipt
    ) -> None:
        """Remember what was stored. A duplicate of an entry that could not be stored has failed with it."""
        stored = receipt.first_sequence is not None or Verdict.FAILED not in receipt.verdicts
        deduplicator.settle(batch.digests, stored=stored)
        if not all(map(deduplicator.holds, batch.duplicates)):
            held = iter(map(deduplicator.holds, batch.duplicates))
            verdicts = bytes(
                Verdict.FAILED if verdict == Verdict.DUPLICATE and not next(held) else verdict
                for verdict in receipt.verdicts
            )
            receipt = receipt._replace(verdicts=verdicts)
        settle(receipt)

    def _settle(self, done: Callable[[Receipt], None], batch: Batch, receipt: Receipt) -> None:
        batch.settled_ns = time.time_ns()
        self.counters.ack_latency.observe(max(0.0, (batch.settled_ns - batch.received_ns) / 1e9))
        verdicts = receipt.verdicts
        left = len(verdicts)
        for verdict in _VERDICTS:
            count = verdicts.count(verdict)
            self.counters.verdicts[verdict] += count
            left -= count
            if not left:
                break
        done(receipt)

    def _limit(self, batch: Batch, limiter: FixedWindowLimiter) -> None:
        lines = [index for index, verdict in enumerate(batch.verdicts) if verdict != Verdict.DUPLICATE]
        grant = limiter.take(batch.source.address or batch.source.peer, len(lines))
        if grant.allowed == len(lines) or (batch.is_whole and grant.allowed):
            return  # the window's last request may exceed it: a part that is sent again would be stored twice
        batch.refuse(lines[grant.allowed :], Verdict.LIMITED)
        batch.retry_after_s = grant.retry_after_s
        batch.reasons, batch.raws = batch.reasons[: grant.allowed], batch.raws[: grant.allowed]
        if grant.newly_limited:
            self.counters.limit_reached(Limit.RATE)
            source = batch.source
            self._report(
                "warning",
                f"{source.listener} {source.peer}: rate limit reached for {grant.retry_after_s:.0f} s",
            )

    @staticmethod
    def _refuse_long(batch: Batch) -> None:
        """Entries may be longer as JSON than they came: a control character takes six bytes."""
        sizes = iter(map(len, batch.entries.split(b"\n")))
        long = [
            index
            for index, verdict in enumerate(batch.verdicts)
            if verdict == Verdict.ACCEPTED and next(sizes) > ENTRY_BYTES_MAX
        ]
        batch.refuse(long, Verdict.TOO_LONG)
        batch.reasons += (f"as JSON larger than max ({ENTRY_BYTES_MAX} bytes)",) * len(long)
        batch.raws = ()

    @staticmethod
    def _filter(batch: Batch, level_min: float) -> None:
        levels = batch.levels or []
        words = {level for level in levels if type(level) is str}  # a handful, however many lines there are
        below = {word for word in words if _is_below(LEVEL_OF_WORD[word], level_min)}
        asked = _levels_of(batch.entries) if any(map(_needs_more, levels)) else None
        if not below and asked is None:
            return
        refused = iter(
            [type(level) is str and level in below for level in levels]
            if asked is None
            else [_is_below(level, level_min) for level in asked]
        )
        doomed = [
            index
            for index, verdict in enumerate(batch.verdicts)
            if verdict == Verdict.ACCEPTED and next(refused)
        ]
        batch.refuse(doomed, Verdict.FILTERED)


def _is_below(level: str, level_min: float) -> bool:
    """Return whether a level is known, and below the minimum."""
    return SEVERITY.get(level, level_min) < level_min


def _needs_more(level: object) -> bool:
    """Return whether the other fields of an entry determine its level, since the level as sent is no known word."""
    return type(level) is not str or not LEVEL_OF_WORD[level]


def _levels_of(entries: bytes) -> list[str] | None:
    """The level of each entry; None when some can't be read by the fast decoder, and none is to be refused then."""
    try:
        return list(map(level_of, _entries.decode_lines(entries)))
    except DAMAGE:
        return None
