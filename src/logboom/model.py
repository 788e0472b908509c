"""The types that pass through the server, from a socket to the journal to the outputs.

The *batch* is the unit: one for all entries of a read, never one object per entry. Its entries stay one `bytes`
value, joined by newlines, because splitting, wrapping and joining them one by one costs more than everything else
on the hot path (`bench/RESULTS.md`).
"""

from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import NamedTuple
from typing import Protocol as TypingProtocol


class Verdict(IntEnum):
    """Result of one wire line. The numbers are bytes in `Batch.verdicts`, below 256."""

    ACCEPTED = 0
    """Stored, or to be stored."""
    FILTERED = 1
    """Below the listener's minimum level; not stored on purpose, acknowledged."""
    LIMITED = 2
    """Over the sender's rate limit."""
    NOT_JSON = 3
    """Not JSON, or not UTF-8."""
    NOT_OBJECT = 4
    """JSON, but not an object."""
    MISSING_FIELD = 5
    """A required field is missing or has the wrong type."""
    TOO_LONG = 6
    """Longer than the listener's `line_bytes_max`; dropped unread."""
    FAILED = 7
    """Valid, but the journal could not store it: the sender should send it again."""
    DUPLICATE = 8
    """Stored before under the same key or number, with the same content; answered as stored."""


INVALID = frozenset({Verdict.NOT_JSON, Verdict.NOT_OBJECT, Verdict.MISSING_FIELD, Verdict.TOO_LONG})
"""Verdicts for invalid lines: sending the same bytes again gets the same answer."""

_FAIL_TABLE = bytes([Verdict.FAILED, *range(1, 256)])


class Source(NamedTuple):
    """Origin of a batch."""

    listener: str
    """The listener's name in the configuration, for example `device`."""
    peer: str
    """The peer's address without port, or the identity that it sent."""
    address: str = ""
    """The peer's address, for limits, if `peer` is an identity, which the peer can choose freely."""
    lineage: int = 0
    """Shared by connections that surely come from one sender (`pipeline.lineages`); 0: not known."""


IMPORTED = "import"
"""Stands for the listener of entries from log files of the past: they are no sign of life of their senders."""


NOWHERE = Source("", "")
"""The source of a batch before the server sets it."""


class Receipt(NamedTuple):
    """Result of one batch: one verdict per wire line, in wire order."""

    first_sequence: int | None
    """Sequence of the first stored entry; the others follow. None: nothing was stored (yet)."""
    verdicts: bytes
    """One `Verdict` per byte."""
    retry_after_s: float = 0.0
    """Seconds until the sender's rate limit window ends, for LIMITED lines."""


class Batch:
    """The entries of one read, and one verdict per wire line.

    `len(verdicts)` is the number of wire lines without blank ones; the number of ACCEPTED among them is the number of
    entries. A batch without a line stores nothing: its acker answers in its turn.
    """

    __slots__ = (
        "digests",
        "duplicates",
        "entries",
        "is_whole",
        "keys",
        "levels",
        "lines",
        "raws",
        "reasons",
        "received_ns",
        "retry_after_s",
        "settled_ns",
        "size_bytes",
        "source",
        "sources",
        "verdicts",
    )

    def __init__(
        self,
        entries: bytes,
        verdicts: bytes,
        *,
        size_bytes: int,
        levels: list[object] | None = None,
        reasons: tuple[str, ...] = (),
        raws: tuple[bytes, ...] = (),
    ) -> None:
        self.entries = entries
        """JSON objects, joined by newlines, without one after the last."""
        self.lines = b""
        """Instead of entries: whole journal lines, each with its newline, as another server has stored them."""
        self.verdicts = verdicts
        self.levels = levels
        """One level per entry, as sent; None if the protocol does not read levels."""
        self.reasons = reasons
        """Reasons of refused lines, in wire order, for the operational log; at most `REASONS_MAX`."""
        self.raws: tuple[bytes | None, ...] = raws
        """The refused lines of `reasons`, as they were sent; empty: the protocol has none."""
        self.size_bytes = size_bytes
        """Size on the wire, for flow control."""
        self.received_ns = 0
        """Receive time, nanoseconds since the epoch; set by the server."""
        self.settled_ns = 0
        """Time of its receipt, nanoseconds since the epoch; set by the intake."""
        self.source = NOWHERE
        self.sources: list[Source] | None = None
        """One source per entry where they differ: lines of several peers that are stored together."""
        self.retry_after_s = 0.0
        self.is_whole = False
        """It is stored as a whole or refused as a whole: a rate limit takes or refuses all of it."""
        self.keys: list[bytes] | bytes | None = None
        """One key per entry (empty: none), or one for all of them, as JSON strings; None: no entry has one."""
        self.digests: list[bytes] = []
        """One digest of key and content per entry, with `keys` (`pipeline.deduplicator`), made by the intake."""
        self.duplicates: list[bytes] = []
        """The digests of the lines with the verdict DUPLICATE, in wire order; set by the intake."""

    @property
    def count(self) -> int:
        """Number of entries to store."""
        return self.verdicts.count(Verdict.ACCEPTED)

    def refuse(self, indices: Iterable[int], verdict: Verdict) -> None:
        """Change the verdict of the wire lines at `indices`, and drop their entries."""
        doomed = frozenset(indices)
        verdicts = bytearray(self.verdicts)
        entries = self.entries.split(b"\n") if self.entries else []
        kept: list[int] = []
        position = 0
        for index, old in enumerate(verdicts):
            if index in doomed:
                verdicts[index] = verdict
            elif old == Verdict.ACCEPTED:
                kept.append(position)
            position += old == Verdict.ACCEPTED
        self.entries = b"\n".join([entries[i] for i in kept])
        if self.levels is not None:
            self.levels = [self.levels[i] for i in kept]
        if isinstance(self.keys, list):
            self.keys = [self.keys[i] for i in kept]
        if self.digests:
            self.digests = [self.digests[i] for i in kept]
        if self.sources is not None:
            self.sources = [self.sources[i] for i in kept]
        self.verdicts = bytes(verdicts)

    def receipt(self, first_sequence: int | None) -> Receipt:
        """Make the receipt for success."""
        return Receipt(first_sequence, self.verdicts, self.retry_after_s)

    def failed_receipt(self) -> Receipt:
        """Make the receipt for a failure of the journal."""
        return Receipt(None, self.verdicts.translate(_FAIL_TABLE), self.retry_after_s)


REASONS_MAX = 16
"""Most refused lines of one batch that are logged one by one, so that invalid input can't flood the log. The rest of
the batch is logged as one number."""

Acker = Callable[[Receipt], bytes]
"""Function that turns a batch's receipt into reply bytes."""


Report = Callable[[str, str], None]
"""Function that writes to the operational log: a kind of `ops.oplog.EMOJI`, and the text. Callable from any thread."""


class WireProtocol(TypingProtocol):
    """Protocol without I/O: bytes in, batches and reply bytes out.

    No input of a peer raises an exception. Any split of the same bytes gives the same lines and the same replies,
    which `logboom.testing.protocol_kit` verifies.
    """

    @property
    def name(self) -> str:
        """Name in the registry."""

    @property
    def identity(self) -> str | None:
        """Identity that the peer has sent, if any; used instead of its address."""

    def receive_data(self, data: bytes | memoryview) -> None:
        """Take received bytes; the caller reuses the buffer afterwards."""

    def receive_eof(self) -> None:
        """Take the end of input: an unterminated last line counts as a line."""

    def next_batch(self) -> tuple[Batch, Acker] | None:
        """Return the complete lines so far, of limited size; None without any."""

    def data_to_send(self) -> bytes:
        """Return bytes that the protocol sends in addition to replies; usually none."""

    def buffered_bytes(self) -> int:
        """Number of bytes that wait for a later batch; with any, `next_batch` also follows each `data_to_send`."""

    @property
    def fatal(self) -> str | None:
        """Reason for which the connection must be closed; None while it can continue."""


class DatagramProtocol(TypingProtocol):
    """A protocol of datagrams without I/O: one per listener, for all peers. Never raises for what a peer sends."""

    def read(self, datagrams: list[bytes], peer: str, now: float) -> Batch | None:
        """Return the batch of datagrams of one peer, in order; None: nothing is complete.

        Args:
            datagrams: whole ones.
            peer: its address.
            now: monotonic clock, seconds.
        """

    def expire(self, now: float) -> Batch | None:
        """Called about once per second: return what is given up, as refused lines; None: nothing."""


class Record(NamedTuple):
    """Normalized view of a stored entry, made when an output or a reader needs it."""

    sequence: int
    received_at: str
    """ISO 8601 with microseconds and +00:00."""
    time: str
    """The sender's own time where it gave one that can be right, else the one that follows from its uptime, else
    `received_at`; ISO 8601, UTC."""
    source: str
    listener: str
    level: str
    """Canonical name (`formats.levels`), or the sender's word in upper case; empty for none."""
    message: str
    entry: dict[str, object]
    wrong_clock: bool = False
    """The sender gave a time that can't be right (`formats.entry_time`): `time` is another one."""
    is_copy: bool = False
    """It may be a copy of another entry, which the same or another device has sent (`pipeline.resends`)."""
    time_from: str = ""
    """`time` is the sender's own (`sender`), follows from its uptime (`uptime`), or is `received_at` (`received`)."""
