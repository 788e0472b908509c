"""The few types that flow through the server, from a socket to the journal to the outputs.

The *batch* is the unit: one for everything that a read brought, never one object a record. A batch's
entries stay one `bytes` value, joined by newlines, because splitting, wrapping and joining them one by
one costs more than all else on the hot path (`bench/RESULTS.md`).
"""

from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import NamedTuple
from typing import Protocol as TypingProtocol


class Verdict(IntEnum):
    """What became of one wire line. The numbers are bytes in `Batch.verdicts`; keep them below 256."""

    ACCEPTED = 0
    """Stored, or on its way to be."""
    FILTERED = 1
    """Below the listener's minimum level; refused on purpose, answered as fine."""
    LIMITED = 2
    """Over the sender's rate limit."""
    NOT_JSON = 3
    """Not JSON, or not UTF-8."""
    NOT_OBJECT = 4
    """JSON, but not an object."""
    MISSING_FIELD = 5
    """A required field is missing or has the wrong type."""
    TOO_LONG = 6
    """Above the listener's `line_bytes_max`; discarded unread."""
    FAILED = 7
    """Good, but the journal could not store it: the sender should send it again."""
    DUPLICATE = 8
    """Stored before under the same key, with the same content; answered as stored."""


INVALID = frozenset({Verdict.NOT_JSON, Verdict.NOT_OBJECT, Verdict.MISSING_FIELD, Verdict.TOO_LONG})
"""The verdicts that are the sender's fault: sending the same bytes again brings the same answer."""

_FAIL_TABLE = bytes([Verdict.FAILED, *range(1, 256)])


class Source(NamedTuple):
    """Where a batch came from."""

    listener: str
    """The listener's name in the configuration, for example `device`."""
    peer: str
    """The peer's address without port, or the identity it gave itself."""
    address: str = ""
    """Where the peer's own name stands for its address: the address, for limits. Anybody may take any name."""


IMPORTED = "import"
"""Stands for the listener of entries from log files of the past: they are no sign of life of their senders."""


NOWHERE = Source("", "")
"""The source of a batch until its server has set it."""


class Receipt(NamedTuple):
    """The answer to one batch: one verdict a wire line, in wire order."""

    first_sequence: int | None
    """The sequence of the first stored entry; the others follow. None: nothing was stored (yet)."""
    verdicts: bytes
    """One `Verdict` a byte."""
    retry_after_s: float = 0.0
    """For LIMITED lines: seconds until the sender's window ends."""


class Batch:
    """What one read brought: the entries to store, and one verdict a wire line.

    `len(verdicts)` is the number of wire lines (blank ones do not count); the number of ACCEPTED among
    them is the number of entries.
    """

    __slots__ = (
        "digests",
        "duplicates",
        "entries",
        "keys",
        "levels",
        "reasons",
        "received_ns",
        "retry_after_s",
        "settled_ns",
        "size_bytes",
        "source",
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
    ) -> None:
        self.entries = entries
        """JSON objects, joined by newlines, none after the last."""
        self.verdicts = verdicts
        self.levels = levels
        """One level an entry, as sent; None where the protocol does not look."""
        self.reasons = reasons
        """Why lines were refused, in wire order, for the operational log; bounded by `REASONS_MAX`."""
        self.size_bytes = size_bytes
        """Bytes that the batch took on the wire: what flow control counts."""
        self.received_ns = 0
        """Receive time, nanoseconds since the epoch; set by the server."""
        self.settled_ns = 0
        """When its receipt came, nanoseconds since the epoch; set by the intake."""
        self.source = NOWHERE
        self.retry_after_s = 0.0
        self.keys: list[bytes] | bytes | None = None
        """One key per entry, or one for all of them, as JSON strings; None where the protocol has no keys."""
        self.digests: list[bytes] = []
        """With `keys`: one digest of key and content per entry (`pipeline.deduplicator`)."""
        self.duplicates: list[bytes] = []
        """The digests of the lines with the verdict DUPLICATE, in wire order; set by the intake."""

    @property
    def count(self) -> int:
        """Number of entries to store."""
        return self.verdicts.count(Verdict.ACCEPTED)

    def refuse(self, indices: Iterable[int], verdict: Verdict) -> None:
        """Give the wire lines at `indices` another verdict, and drop the entries of those accepted so far."""
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
        self.verdicts = bytes(verdicts)

    def receipt(self, first_sequence: int | None) -> Receipt:
        """The answer when every accepted entry was stored."""
        return Receipt(first_sequence, self.verdicts, self.retry_after_s)

    def failed_receipt(self) -> Receipt:
        """The answer when the journal could not store the accepted entries."""
        return Receipt(None, self.verdicts.translate(_FAIL_TABLE), self.retry_after_s)


REASONS_MAX = 16
"""Refused lines of one batch that are named one by one; a stream of garbage must not become a flood of
log lines. The rest of the batch is reported as one number."""

Acker = Callable[[Receipt], bytes]
"""Turns a receipt into the reply bytes of the batch it was made with."""


Report = Callable[[str, str], None]
"""Tells the operational log something: a kind of `ops.oplog.EMOJI`, and the text. Any thread may call it."""


class WireProtocol(TypingProtocol):
    """A protocol without I/O: bytes in, batches and reply bytes out.

    Implementations never raise for what a peer sends. Any split of the same bytes gives the same lines
    and the same replies: `logboom.testing.protocol_kit` holds each of them to that.
    """

    @property
    def name(self) -> str:
        """Its registered name."""

    @property
    def identity(self) -> str | None:
        """Who the peer says it is, once it has; takes the place of its address."""

    def receive_data(self, data: bytes | memoryview) -> None:
        """Take what was read; the buffer is the caller's again afterwards."""

    def receive_eof(self) -> None:
        """The peer will send no more: an unterminated last line counts as a line now."""

    def next_batch(self) -> tuple[Batch, Acker] | None:
        """Everything complete so far, up to a bounded size; None when nothing is."""

    def data_to_send(self) -> bytes:
        """Bytes that the protocol sends of its own accord (never replies); usually none."""

    def buffered_bytes(self) -> int:
        """Bytes held back for a later batch."""

    @property
    def fatal(self) -> str | None:
        """Why this connection can't go on; None as long as it can."""


class Record(NamedTuple):
    """The normalised view of any stored entry, made where an output or a reader needs it."""

    sequence: int
    received_at: str
    """ISO 8601 with microseconds and +00:00."""
    time: str
    """The sender's own time where it gave a readable one, else `received_at`; ISO 8601, UTC."""
    source: str
    listener: str
    level: str
    """The canonical name (`formats.levels`), or the sender's word in upper case; empty when there is none."""
    message: str
    entry: dict[str, object]
