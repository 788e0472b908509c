"""`beats`: the Lumberjack protocol of Beats and Logstash clients, acknowledged per window once it is stored.

Contract: docs/contracts/beats.md.
"""

from base64 import b64encode
from typing import Any, Final, NamedTuple

from logboom.formats import ndjson
from logboom.formats.mapped import MappedEntry, batch_of
from logboom.formats.messagepack import MalformedError
from logboom.model import REASONS_MAX, Acker, Batch, Receipt, Verdict
from logboom.receivers.beats.beats_events import EventMapping, Fields
from logboom.receivers.beats.lumberjack import SLICE_BYTES, Event, LumberjackFrames

SLICE_EVENTS: Final = 1000
"""Events per batch."""

KEEP_ALIVE: Final = b"2A\0\0\0\0"
KEEP_ALIVE_S: Final = 5
"""Seconds between the signs of life that a client gets while its events are being stored."""

_NOT_STORED: Final = frozenset({Verdict.FAILED, Verdict.LIMITED})
_decoder: Final = ndjson.EntryDecoder(Fields | None)


class WindowAnswer:
    """The acker of a batch.

    Args:
        protocol: of the connection.
        window: the window that it is a part of.
        acknowledgement: of the whole window; empty if there is more of it.
    """

    __slots__ = ("_acknowledgement", "_protocol", "_window")

    def __init__(self, protocol: "BeatsProtocol", window: "_Window", acknowledgement: bytes) -> None:
        self._protocol = protocol
        self._window = window
        self._acknowledgement = acknowledgement

    def __call__(self, receipt: Receipt) -> bytes:
        """See `model.Acker`."""
        window = self._window
        self._protocol.waiting -= 1
        if not _NOT_STORED.isdisjoint(receipt.verdicts):
            window.failed = True
        return b"" if window.failed else self._acknowledgement


class _Window:
    """Answers of one window so far."""

    __slots__ = ("failed",)

    def __init__(self) -> None:
        self.failed = False
        """Some of it could not be stored: its sender must send all of it again."""


class _Judged(NamedTuple):
    """An event that was decoded, or refused."""

    entry: MappedEntry | None
    key: bytes
    verdict: Verdict
    size_bytes: int
    acknowledgement: bytes
    reason: str = ""


class BeatsProtocol:
    """One connection.

    Args:
        event_bytes_max: longest event; a longer one is refused.
        frame_bytes_max: longest frame.
    """

    __slots__ = ("_broken", "_event_bytes_max", "_frames", "_next", "_seconds", "_window", "fatal", "waiting")
    name = "beats"
    identity: str | None = None

    def __init__(self, *, event_bytes_max: int = 1 << 20, frame_bytes_max: int = 16 << 20) -> None:
        self._event_bytes_max = event_bytes_max
        self._frames = LumberjackFrames(frame_bytes_max)
        self._next: _Judged | None = None
        self._window = _Window()
        self._seconds = 0
        self._broken = ""
        self.waiting = 0
        """Batches without an answer."""
        self.fatal: str | None = None

    def receive_data(self, data: bytes | memoryview) -> None:
        """See `model.WireProtocol`."""
        self._frames.feed(data)

    def receive_eof(self) -> None:
        """A window that is not complete has no acknowledgement: its sender sends it again."""

    def next_batch(self) -> tuple[Batch, Acker] | None:
        """See `model.WireProtocol`."""
        judged = self._gather()
        if not judged:
            self.fatal = self._broken or None
            return None
        window = self._window
        self.waiting += 1
        acknowledgement = judged[-1].acknowledgement
        if acknowledgement:
            self._window = _Window()
        return _batch(judged), WindowAnswer(self, window, acknowledgement)

    def data_to_send(self) -> bytes:
        """Return a sign of life while the client waits, if it is time; called once per second."""
        if not self.waiting and not self._frames:
            self._seconds = 0
            return b""
        self._seconds = (self._seconds + 1) % KEEP_ALIVE_S
        return b"" if self._seconds else KEEP_ALIVE

    def buffered_bytes(self) -> int:
        """See `model.WireProtocol`."""
        return len(self._frames) + (self._next.size_bytes if self._next else 0)

    def _gather(self) -> list[_Judged]:
        """Return the events of the next batch: all with keys or none, up to the end of their window."""
        mapping = EventMapping()
        judged: list[_Judged] = []
        size = 0
        while size < SLICE_BYTES and len(judged) < SLICE_EVENTS:
            one, self._next = self._next or self._take(mapping), None
            if one is None:
                break
            if judged and one.entry and judged[0].entry and bool(one.key) != bool(judged[0].key):
                self._next = one
                break
            judged.append(one)
            size += one.size_bytes
            if one.acknowledgement:
                break
        return judged

    def _take(self, mapping: EventMapping) -> _Judged | None:
        if self._broken:
            return None
        try:
            event = self._frames.take()
        except MalformedError as error:
            self._broken = f"not the Lumberjack protocol: {error}"
            return None
        return None if event is None else self._judge(event, mapping)

    def _judge(self, event: Event, mapping: EventMapping) -> _Judged:
        data, size_bytes, acknowledgement = event
        if len(data) > self._event_bytes_max:
            reason = f"event of {len(data)} bytes, the limit is {self._event_bytes_max}"
            return _Judged(None, b"", Verdict.TOO_LONG, size_bytes, acknowledgement, reason)
        verdict, found, raw = _decode(data)
        if verdict is not Verdict.ACCEPTED:
            return _Judged(None, b"", verdict, size_bytes, acknowledgement, str(found))
        entry, key = mapping.entry(found)
        if raw:
            entry.raw = b64encode(raw).decode()
        return _Judged(entry, key, verdict, size_bytes, acknowledgement)


def _decode(data: bytes) -> tuple[Verdict, Any, bytes]:
    """Return an event's verdict; its fields, or the reason why it is refused; and its bytes if they are no text."""
    line = data.replace(b"\r", b" ").replace(b"\n", b" ") if b"\n" in data or b"\r" in data else data
    raw = b""
    if not line.isascii() and not ndjson.is_utf8(line):
        line, raw = line.decode(errors="replace").encode(), data
    if b"\\u" in line:
        line = ndjson.repaired(line)
    verdict, found = ndjson.judge_line(line, _decoder)
    if verdict is Verdict.NOT_JSON and (fixed := ndjson.repaired(line)) is not line:
        verdict, found = ndjson.judge_line(fixed, _decoder)
    return verdict, found, raw


def _batch(judged: list[_Judged]) -> Batch:
    entries = [one.entry for one in judged if one.entry is not None]
    levels: list[object] = [entry.level for entry in entries]
    batch = batch_of(
        entries,
        sum([one.size_bytes for one in judged]),
        verdicts=bytes([one.verdict for one in judged]),
        levels=levels,
        reasons=tuple([one.reason for one in judged if one.reason][:REASONS_MAX]),
    )
    keys = [one.key for one in judged if one.entry is not None]
    if keys and all(keys):
        batch.keys = keys
    return batch
